/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noticing what other nodes publish and discard in a shared folder: from time to time the folders
 * whose time of change moved are listed and held against the last list. No inotify: it does not see
 * what another machine does. The same timer shows the others that this node lives.
 */
#ifndef BLOB_FS_WATCH_H
#define BLOB_FS_WATCH_H

#include "name.h"
#include "root.h"

#include <pthread.h>
#include <time.h>

struct watch_entry;

struct watch_folder {
    struct watch_entry *entries; /* by name */
    struct timespec changed_at;  /* what the file system says */
    uint64_t again_at;           /* to be listed then, even so; 0: not. Host's clock */
    uint64_t settled_at;         /* from then on a change shows in changed_at */
};

struct blob_fs;
struct fs_manifest;

struct fs_watch {
    struct blob_fs *fs;
    pthread_mutex_t lock; /* of the entries and the round */
    struct watch_folder folders[NAME_FOLDERS];
    uint64_t round; /* of listing one folder: what is not older was not there to be seen in it */
    uint64_t timer;
    uint64_t touched_at; /* host's clock */
    bool running;
    bool failing;
};

/* Begins, if the folder is shared; else nothing here does anything. */
int32_t watch_start(struct fs_watch *watch, struct blob_fs *fs, struct pk_error *err);
/* Ends it: no timer of the host's runs any more. */
void watch_stop(struct fs_watch *watch);

/* The host is about to hear of the object whose manifest is this file: its end will be news, also
 * if no round has seen it. */
void watch_expect(struct fs_watch *watch, const struct fs_name *name,
                  const struct fs_manifest *manifest);

/* This node itself has published or unpublished `name`, that of `id`, in the open `folder`: no
 * news. */
void watch_note(struct fs_watch *watch, const struct fs_name *name, const char *id, int folder);

#endif
