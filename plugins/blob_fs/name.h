/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of files: an object id turned into one that is safe, the names of an object's data, and
 * both read back. Pure text: touches no disk.
 */
#ifndef BLOB_FS_NAME_H
#define BLOB_FS_NAME_H

#include <packice/types.h>
#include <stdbool.h>

#define NAME_FOLDERS 256U    /* objects/00 to objects/ff */
#define NAME_TEXT_MAX 250U   /* so that ".json" still fits behind it */
#define NAME_FILE_SIZE 256U  /* of every file name here, with its NUL */
#define NAME_TOKEN_SIZE 17U  /* 16 hexadecimal digits and the NUL */
#define NAME_FOLDER_SIZE 11U /* "objects/00" and the NUL */

/* An id as a file name: its bytes, but for those outside [A-Za-z0-9_.-] and a leading '.', which
 * are written %XX. Where that is longer than NAME_TEXT_MAX, its beginning, '~', and 32 digits of a
 * hash of the id. */
struct fs_name {
    char text[NAME_TEXT_MAX + 1];
    uint64_t hash; /* XXH3 of text: its first byte names the folder, all of it goes into the names
                      of the data */
};

/* Which object's data a file holds. Neither `index` nor `discarder` tell objects apart. */
struct fs_data {
    uint64_t hash;
    uint64_t epoch;
    uint64_t token;     /* of the node that made it */
    uint64_t discarder; /* GONE: token of the node that discarded it */
    uint32_t index;     /* DATA: of the blob */
};

enum fs_kind {
    FS_FOREIGN,
    FS_MANIFEST, /* NAME.json */
    FS_DATA,     /* HASH.EPOCH.TOKEN.INDEX */
    FS_MAKING,   /* HASH.EPOCH.TOKEN.making: a manifest that is not published, of a node that does
                    not share */
    FS_GONE,     /* HASH.EPOCH.TOKEN.gone.TOKEN: the manifest of a discarded object whose data
                    still serves the readers of the node that discarded it */
};

/* -EINVAL for what is no id by its length. */
int32_t name_from_id(const char *id, struct fs_name *ret_name);

/* The id back, into PK_ID_MAX + 1 bytes. False: it is not in the name (the hash stands there). */
bool name_to_id(const char *text, char *ret_id);

/* "objects/XX" into NAME_FOLDER_SIZE bytes; the folder's number is the hash's first byte. */
void name_folder(uint64_t hash, char *ret_text);
uint32_t name_folder_number(uint64_t hash);

/* File names, each into NAME_FILE_SIZE bytes. */
void name_manifest_file(const struct fs_name *name, char *ret_file);
void name_data_file(const struct fs_data *data, char *ret_file);
void name_making_file(const struct fs_data *data, char *ret_file);
void name_gone_file(const struct fs_data *data, char *ret_file);

/* What a file in objects/XX is. Names that this plugin would not have written so are FOREIGN. For
 * MANIFEST ret_name is filled, for DATA, MAKING and GONE ret_data. */
enum fs_kind name_parse(const char *file, struct fs_name *ret_name, struct fs_data *ret_data);

/* A token as text, and back: false for anything but 16 lower-case hexadecimal digits. */
void name_token_text(uint64_t token, char *ret_text);
bool name_token_parse(const char *text, uint64_t *ret_token);

/* "EPOCH.TOKEN", the file in a claim, into NAME_FILE_SIZE bytes; and back, false for others. */
void name_claim_file(uint64_t epoch, uint64_t token, char *ret_file);
bool name_claim_parse(const char *file, uint64_t *ret_epoch, uint64_t *ret_token);

#endif
