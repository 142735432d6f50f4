/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node that says what a test wants it to say, to whatever it is asked, with whatever descriptors.
 */
#ifndef TEST_SDK_FAKE_NODE_H
#define TEST_SDK_FAKE_NODE_H

#include <stdbool.h>

#define FAKE_FDS_MAX 8

/* One reply. */
struct fake_reply {
    const char *text;      /* "TAG" stands for the request's tag; NULL: hang up without a word */
    int fds[FAKE_FDS_MAX]; /* sent with its first byte; 0 ends them */
    bool silent;           /* says nothing, and waits for the next request */
    bool twice;            /* says it twice */
    bool piecemeal;        /* says it byte by byte */
    bool deaf;             /* does not even read, until it is stopped */
};

struct fake_node;

/* Listens at path, and answers request after request with these replies, on as many connections as
 * it takes; then hangs up. Both are borrowed until it is stopped. */
struct fake_node *fake_node_start(const char *path, const struct fake_reply *replies, int count);

/* Stops it, and gives the text of all that it was asked, malloc'd. */
char *fake_node_stop(struct fake_node *node);

#endif
