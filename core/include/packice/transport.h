/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a transport: how callers reach the peer. It listens, tells who a caller is, turns
 * its protocol into `struct pk_request` and `struct pk_reply` back, and carries handles. It owns
 * its threads and its loop, which the ABI never sees, and knows no backend.
 */
#ifndef PACKICE_TRANSPORT_H
#define PACKICE_TRANSPORT_H

#include <packice/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pk_transport_ops {
    uint32_t struct_size;
    uint32_t reserved;

    /* Makes an instance and takes its address (binds and locks it), but answers nobody yet; on the
     * thread that starts the node; may block. host and conf stay valid until close returns.
     * Errors: -EADDRINUSE, -EACCES, -EINVAL for options that don't go together. */
    int32_t (*open)(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                    struct pk_error *err);
    /* Begins to answer, on threads of its own, and returns. Called once, after open, when the peer
     * is ready. */
    int32_t (*start)(void *instance, struct pk_error *err);
    /* Takes no new caller and no new request from now on, lets calls under way complete and their
     * replies go out, then ends every session and its threads. Blocks until that is done, at the
     * latest at `deadline` (CLOCK_MONOTONIC nanoseconds): what is left is cut off then. Not called
     * from a thread of the transport. Called once if start succeeded. */
    void (*stop)(void *instance, uint64_t deadline);
    /* Frees the instance and gives its address back. After stop, or after open if it never
     * started. */
    void (*close)(void *instance);

    /* Writes where it can be reached, as a target of the SDK (a path, a URL), NUL-terminated, into
     * size bytes. Any thread, after open. Optional. */
    void (*address)(void *instance, char *text, uint64_t size);
    /* As in <packice/blob.h>. Optional. */
    int32_t (*reload)(void *instance, const struct pk_conf *conf, struct pk_error *err);
    void (*stats)(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg);
};

#ifdef __cplusplus
}
#endif
#endif
