/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's socket, plain or under TLS: the only place that knows which. It never waits and never
 * buffers.
 */
#ifndef HTTP_SOCKET_H
#define HTTP_SOCKET_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_KEY_UPDATES_MAX 32U

struct http_socket {
    int fd;               /* never blocks */
    SSL *ssl;             /* NULL = plain */
    uint32_t key_updates; /* by the other side, since it sent a byte; more than MAX end it */
};

/* fd and ssl become the socket's, which stays where it is. */
void http_socket_init(struct http_socket *socket, int fd, SSL *ssl);
/* Closes it. */
void http_socket_finish(struct http_socket *socket);

/* The number of bytes; 0: the other side sends no more; -EAGAIN: at the socket's next event; else
 * the connection is of no more use. */
ssize_t http_socket_read(struct http_socket *socket, void *data, size_t size);
/* The number of bytes, above 0; errors as above. `more`: more follows at once. */
ssize_t http_socket_write(struct http_socket *socket, const void *data, size_t size, bool more);
/* As write, from a file; 0: it ended before offset. -EOPNOTSUPP: not under TLS. */
ssize_t http_socket_send_file(struct http_socket *socket, int file, uint64_t offset, size_t size);
/* Says that nothing more follows. */
void http_socket_end(struct http_socket *socket);

#endif
