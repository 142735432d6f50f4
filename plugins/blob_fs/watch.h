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
    uint64_t settles_at;         /* until then a change may not show in that; host's clock */
};

struct blob_fs;

struct fs_watch {
    struct blob_fs *fs;
    pthread_mutex_t lock; /* of the entries */
    struct watch_folder folders[NAME_FOLDERS];
    uint64_t round;
    uint64_t timer;
    uint64_t touched_at; /* host's clock */
    bool running;
    bool failing;
};

/* Begins, if the folder is shared; else nothing here does anything. */
int32_t watch_start(struct fs_watch *watch, struct blob_fs *fs, struct pk_error *err);
/* Ends it: no timer of the host's runs any more. */
void watch_stop(struct fs_watch *watch);

/* This node itself has published or unpublished `name` in the open `folder`: no news. */
void watch_note(struct fs_watch *watch, const struct fs_name *name, int folder);

#endif
