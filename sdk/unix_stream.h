/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in from a node: bytes cut into replies, and the descriptors that travel with them. One
 * thread at a time. It trusts the node for nothing: everything is bounded, and what is left over is
 * closed.
 */
#ifndef PACKICE_SDK_UNIX_STREAM_H
#define PACKICE_SDK_UNIX_STREAM_H

#include "core/wire/frame.h"
#include "core/wire/reply.h"

/* The descriptors of one message. */
struct packice_fds {
    int fds[PK_WIRE_FDS_MAX]; /* -1 once taken */
    uint32_t count;
    bool cut; /* this process could not take them all: it has too many open */
};

/* Closes what wasn't taken. */
void packice_fds_close(struct packice_fds *fds);

struct packice_stream {
    int fd; /* borrowed */
    char *data;
    size_t capacity;
    size_t start; /* of the reply that is under way */
    size_t scanned;
    size_t size;
    size_t given;    /* where the last reply that next gave begins */
    size_t held;     /* bytes of a reply that waits for what is behind it; 0 = none does */
    uint64_t behind; /* how many bytes that is */
    struct pk_wire_frame frame;
    struct packice_fds sets[2]; /* of the reply under way, and of one behind it */
    uint32_t set_count;
};

void packice_stream_init(struct packice_stream *stream, int fd);
void packice_stream_finish(struct packice_stream *stream);

/* Receives once, by the deadline. 0, also when nothing came; -ETIMEDOUT; -ECONNRESET: the node is
 * gone; -EPROTO; -ENOMEM. */
int32_t packice_stream_fill(struct packice_stream *stream, uint64_t deadline, struct pk_error *err);

/* The next whole reply, borrowed until the next fill; *ret_text NULL: there is none yet. It comes
 * again, once those are there, if packice_stream_behind did not give what is behind it. -EPROTO. */
int32_t packice_stream_next(struct packice_stream *stream, const char **ret_text, size_t *ret_size,
                            struct pk_error *err);

/* The bytes behind the reply that next gave, and behind the newline of JSON, size of them, borrowed
 * as that; *ret_data NULL: they are not all there yet. -EPROTO: no newline. */
int32_t packice_stream_behind(struct packice_stream *stream, uint64_t size, const char **ret_data,
                              struct pk_error *err);

/* Takes the descriptors of the reply that next gave, which says that it has `count`. -EPROTO: so
 * many didn't come. Whoever takes them closes them. */
int32_t packice_stream_take(struct packice_stream *stream, uint32_t count,
                            struct packice_fds *ret_fds, struct pk_error *err);

/* A socket that blocks in recvmsg for no longer than this, so that a deadline further off than this
 * needs no poll of its own. */
#define PACKICE_STREAM_PATIENCE 10

#endif
