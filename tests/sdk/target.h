/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The targets that every test of the SDK runs over, and what each leaves behind: a test is given
 * two clients of one peer that holds nothing; afterwards peer and process must hold nothing more.
 */
#ifndef TEST_SDK_TARGET_H
#define TEST_SDK_TARGET_H

#include <check.h>
#include <errno.h>
#include <packice/client.h>
#include <packice/peer.h>
#include <stdbool.h>
#include <sys/types.h>

enum target_kind {
    TARGET_PRIVATE,
    TARGET_NAMED,
    TARGET_PEER,
    TARGET_UNIX,
    TARGET_JSON,
    TARGET_FILES,
    TARGET_HTTP
};

struct target {
    enum target_kind kind;
    const char *name;
    packice_client *client;
    packice_client *other; /* another client of the same peer; with TARGET_PRIVATE, the same one */
    packice_peer *peer;    /* TARGET_PEER */
    pid_t node;            /* of targets that have one */
    char folder[64];
    char socket[96]; /* what it is reached by: a path, or a URL */
    int fds;         /* open in this process before */
    int node_fds;    /* open in the node while it has one client */
};

/* The one that the running test has. */
extern struct target target;

/* Connects one more client to the same peer; the caller frees it. */
packice_client *target_connect(void);

/* Whether it has a node: TARGET_UNIX and TARGET_HTTP, with blobs in memory, TARGET_JSON, which is
 * TARGET_UNIX for a client that says all in JSON, and TARGET_FILES, by a Unix socket with blobs in
 * files. */
bool target_has_node(void);

/* Targets with a node: starts it, at the place where it was if it was there before, waits until it
 * answers, and gives the client that it first answered, the caller's to free; kills it by SIGKILL
 * and reaps it. */
packice_client *target_start_node(void);
void target_kill_node(void);

/* One of the peer's figures. */
uint64_t target_figure(packice_client *client, const char *name);

/* Descriptors that a process has open. */
int count_fds(pid_t pid);

/* Waits until done(arg), or fails the test. */
void await(bool (*done)(void *arg), void *arg, const char *what);

/* Bytes that tell where they belong, and whether they still do. */
void fill(void *data, uint64_t size, unsigned seed);
bool filled(const void *data, uint64_t size, unsigned seed);

/* Runs all cases over these kinds of targets, and gives the exit status. */
#define ON(kind) (1U << (kind))
#define ON_NODES (ON(TARGET_UNIX) | ON(TARGET_JSON) | ON(TARGET_FILES) | ON(TARGET_HTTP))
#define ON_SHARED (ON(TARGET_NAMED) | ON(TARGET_PEER) | ON_NODES)
#define ON_ALL (ON(TARGET_PRIVATE) | ON_SHARED)

struct sdk_case {
    const TTest *test;
    unsigned kinds;
};
int run_cases(const char *name, const struct sdk_case *cases, size_t count);
#define RUN_CASES(name, cases) run_cases(name, cases, sizeof(cases) / sizeof((cases)[0]))

/* The call succeeds; it fails with this error, and says why. */
#define MUST(call) \
    do { \
        int must_rc = (call); \
        ck_assert_msg(must_rc == 0, "%s: %d %s: %s: %s", target.name, must_rc, \
                      packice_error_name(must_rc), #call, packice_error_message()); \
    } while (0)
#define FAILS(call, code) \
    do { \
        int fails_rc = (call); \
        ck_assert_msg(fails_rc == (code), "%s: %d instead of %d: %s: %s", target.name, fails_rc, \
                      (code), #call, packice_error_message()); \
        ck_assert_msg(packice_error_message()[0] != '\0', "no message: %s", #call); \
    } while (0)

#endif
