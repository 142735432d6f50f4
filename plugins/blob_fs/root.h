/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder that an instance keeps everything in: made, checked, locked, and its parts opened.
 * What lies in them belongs to other files.
 */
#ifndef BLOB_FS_ROOT_H
#define BLOB_FS_ROOT_H

#include <packice/plugin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* What the config says, once parsed. */
struct fs_options {
    const char *root; /* absolute */
    bool shared;
    bool sync;
    bool strict;
    bool checksum;
    mode_t mode;            /* of files while they are made; write bits go with the seal */
    gid_t group;            /* (gid_t)-1: as it comes */
    uint64_t poll;          /* nanoseconds */
    uint64_t claim_timeout; /* nanoseconds */
};

struct fs_root {
    const struct pk_host *host;
    struct fs_options options;
    char *path; /* absolute, without links and without '/' at its end */
    int fd;
    int format;  /* locked: for this node alone, or with others that share */
    int objects; /* the folders */
    int claims;
    int nodes;
    int aside;
    int token_file;          /* ours in nodes, locked; shows that we live */
    uint64_t token;          /* names this instance; never used twice */
    _Atomic uint64_t serial; /* for names of our own */
};

/* Makes what is missing of the folder and opens it. Blocks. Errors name what is wrong: -EBUSY:
 * another node has it (or out of descriptors); -EINVAL: it holds something else, or belongs to or
 * can be written by others; or what the disk says. root is left to root_close in any case. */
int32_t root_open(struct fs_root *root, const struct pk_host *host,
                  const struct fs_options *options, struct pk_error *err);

/* Lets it go; with the token, if one was taken. Any state that root_open left. */
void root_close(struct fs_root *root);

/* Opens objects/XX of the hash, for the caller to close. */
int32_t root_folder(const struct fs_root *root, uint64_t hash, int *ret_fd, struct pk_error *err);

/* Gives a new file of ours its mode and group. */
int32_t root_own(const struct fs_root *root, int fd, mode_t mode, struct pk_error *err);

/* Makes the bytes and the mode of a file, or the entries of a folder, last, if the options want it.
 * A file's bytes may be sent ahead: started, and then waited for. 0 or an errno; then they may be
 * lost, and a sync that goes well later says nothing. */
int root_sync(const struct fs_root *root, int fd);
int root_start(const struct fs_root *root, int fd);
int root_settle(const struct fs_root *root, int fd);

/* The mode of what is sealed: for reading alone, by its owner in any case. */
mode_t root_sealed_mode(const struct fs_root *root);

/* ".TOKEN.N", a name that no other call has, into NAME_FILE_SIZE bytes. */
void root_own_name(struct fs_root *root, char *ret_name);

#endif
