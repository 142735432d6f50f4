/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node behind HTTP: its address, what proves to it who asks, and the handles of libcurl(3) with
 * their connections, each used by one thread at a time and kept for the next.
 */
#ifndef PACKICE_SDK_HTTP_H
#define PACKICE_SDK_HTTP_H

#include <curl/curl.h>
#include <packice/client.h>
#include <packice/types.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#define PACKICE_HTTP_SOCKETS 8 /* of one handle; libcurl has two while it tries two addresses */

/* One handle of libcurl, and the sockets that it has open: known here because a child of a fork
 * must close them. */
struct packice_http_handle {
    LIST_ENTRY(packice_http_handle) entry;
    struct packice_http *http;
    CURLM *multi; /* keeps the connection, and can be woken */
    CURL *easy;
    int wakeup[2];
    int sockets[PACKICE_HTTP_SOCKETS]; /* guarded by the node's lock; -1 = none */
    int32_t failure;                   /* why a socket could not be made; 0 */
};

LIST_HEAD(packice_http_handles, packice_http_handle);

struct packice_http {
    char *base;  /* "http://host:port/prefix", without a slash at its end */
    char *token; /* NULL = none */
    char *ca_file;
    char *cert;
    char *key;
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* NULL = nobody is told */
    void *progress_arg;
    atomic_bool shut;     /* the client was freed */
    pthread_mutex_t lock; /* guards what follows */
    struct packice_http_handles idle;
    struct packice_http_handles busy;
    size_t idle_count;
};

/* Reads target and options (NULL: none), and connects nowhere. -EINVAL, -ENOMEM, -EIO: libcurl
 * can't be used. */
int32_t packice_http_new(const char *target, const struct packice_connect_options *options,
                         struct packice_http **ret_http, struct pk_error *err);

/* Fails what is under way and all that comes, but for requests that say they are the last. */
void packice_http_shut(struct packice_http *http);

/* Frees it, with nothing under way. forked: in a child of a fork: closes its sockets alone, and
 * leaves the handles, which can't be let go without a word to the node. */
void packice_http_free(struct packice_http *http, bool forked);

/* A handle, of its own thread until it is put back. -ENOMEM. */
int32_t packice_http_take(struct packice_http *http, struct packice_http_handle **ret_handle,
                          struct pk_error *err);

/* Puts it back. broken: its connection is of no more use. */
void packice_http_put(struct packice_http_handle *handle, bool broken);

/* "BASE/objects/ID/blobs/N", malloc'd; NULL without memory. */
char *packice_http_blob_url(const struct packice_http *http, const char *object_id, uint32_t blob);

#endif
