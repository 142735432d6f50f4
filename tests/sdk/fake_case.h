/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests with a fake node need around their cases: a folder for its socket, the replies that
 * are right, and that this process has no descriptor more afterwards.
 */
#ifndef TEST_SDK_FAKE_CASE_H
#define TEST_SDK_FAKE_CASE_H

#include "fake_node.h"
#include "target.h"
#include <fcntl.h>

/* A reply to "get x", put together: READ_HEAD BLOB("10") "\"fds\":1}". */
#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"
#define HEAD \
    "{\"status\":\"ok\",\"tag\":TAG,\"lease_id\":\"" LEASE "\",\"object_id\":\"x\",\"epoch\":1," \
    "\"ttl_seconds\":null,\"meta\":{},\"handles\":[],"
#define READ_HEAD HEAD "\"intent\":\"read\",\"state\":\"sealed\","
#define BLOB(size) "\"blobs\":[{\"kind\":\"fd\",\"fd\":0,\"size\":" size ",\"offset\":0}],"

#define SEALED (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

extern char fake_folder[64];
extern char fake_path[96]; /* in it, for a socket */

/* A memfd of so many bytes, sealed in these ways. */
int fake_memfd(off_t size, int seals);

/* Gets "x" from a node that answers like this, and releases it. *ret_heard (ret_heard may be NULL):
 * all that the node was asked, malloc'd. */
int fake_get(const struct fake_reply *replies, int count, char **ret_heard);

/* Runs the cases, and gives the exit status. */
int run_fake_cases(const char *name, const TTest *const *cases, size_t count);
#define RUN_FAKE_CASES(name, cases) run_fake_cases(name, cases, sizeof(cases) / sizeof((cases)[0]))

#endif
