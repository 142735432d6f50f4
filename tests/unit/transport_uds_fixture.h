/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of transport_uds share: the transport on a socket of its own in a folder of its
 * own, over a fake host, and a client that is as strict as the protocol allows. The end of every
 * test counts the descriptors of the process.
 */
#ifndef TRANSPORT_UDS_FIXTURE_H
#define TRANSPORT_UDS_FIXTURE_H

#include "core/option.h"
#include "core/wire/wire.h"
#include "fake_host.h"
#include <packice/transport.h>

struct uds_fixture {
    struct fake_host *host;
    const struct pk_transport_ops *ops;
    struct pk_conf *conf;
    void *instance;
    uint32_t fds; /* open before the test */
    char folder[32];
    char path[64];
};

/* A folder, a host and options: `settings` are "key=value", up to a NULL; NULL = none. Opens
 * nothing yet. */
void fixture_init(struct uds_fixture *fixture, const char *const *settings);
/* Opens and starts the transport on what init made. */
void fixture_serve(struct uds_fixture *fixture);
/* Both. */
void fixture_start(struct uds_fixture *fixture, const char *const *settings);
/* Stops within `milliseconds`. */
void fixture_stop(struct uds_fixture *fixture, uint64_t milliseconds);
/* Closes the transport, and checks that nothing is left. stop says whether to stop it first. */
void fixture_end(struct uds_fixture *fixture, bool stop);

uint32_t count_fds(void);
/* A figure of the transport's; the test fails if there is none of this name. */
uint64_t fixture_figure(struct uds_fixture *fixture, const char *name);
/* Polls until the figure is at least so much. */
void fixture_wait_figure(struct uds_fixture *fixture, const char *name, uint64_t least);
/* Lets other threads go on for a moment; counts how often, and fails the test if that is too
 * often. Zero *tries to begin. */
void poll_again(uint32_t *tries);

/* Valgrind emulates RLIMIT_NOFILE, so that an accept over the limit still takes the client: tests
 * of what the kernel does there can't hold under it. */
bool limits_are_emulated(void);

#define CLIENT_FDS_MAX 1024

struct client {
    int fd;
    uint32_t fd_count;
    char *data;
    size_t size;
    size_t room;
    int fds[CLIENT_FDS_MAX];
};

void client_open(struct client *client, const struct uds_fixture *fixture);
/* Closes it and all descriptors that were received and not taken. */
void client_close(struct client *client);
/* Sends all of it; waits as long as the other side reads. */
void client_send(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void client_send_bytes(struct client *client, const void *bytes, size_t size);
/* Sends all of it at once, with descriptors, which stay the caller's. */
void client_pass(struct client *client, const void *bytes, size_t size, const int *fds,
                 uint32_t count);
/* Receives once, at most `max` bytes; 0: the end. */
size_t client_receive(struct client *client, size_t max);

/* One reply, with its descriptors. */
struct answer {
    struct pk_wire_reply *reply;
    char *text;
    char *data; /* reply->data bytes */
    int fds[PK_WIRE_FDS_MAX];
    uint32_t fd_count;
};

/* Reads the next reply, with the bytes behind it; its descriptors must have come with it. */
void client_read(struct client *client, struct answer *ret_answer);
void answer_finish(struct answer *answer);

/* Reads the next reply and checks its status (0 or a negative errno), its tag (JSON text, or NULL)
 * and how many descriptors came. */
void client_expect(struct client *client, int32_t status, const char *tag, uint32_t fds);
/* Nothing comes any more but the end. */
void client_expect_end(struct client *client);

/* {"command":"acquire",...} for an id, with a tag (JSON text) if it isn't NULL. */
const char *acquire_text(char *buffer, size_t size, const char *id, const char *tag);

#endif
