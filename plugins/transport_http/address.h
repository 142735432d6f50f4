/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address that is listened on: "HOST:PORT" to a socket and back to text. It never accepts a
 * client.
 */
#ifndef HTTP_ADDRESS_H
#define HTTP_ADDRESS_H

#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define HTTP_ADDRESS_TEXT 64U /* bytes of "[ADDRESS]:PORT" with its NUL */

struct http_address {
    int fd;        /* listens, never blocks; -1 = not taken, or given away */
    bool loopback; /* nobody from elsewhere can reach it */
    char text[HTTP_ADDRESS_TEXT];
};

/* Binds and listens. "127.0.0.1:8080", "[::1]:0", "localhost:80"; port 0 takes a free one, which
 * text then names. Numbers and "localhost" alone: no name is looked up. -EINVAL; -EADDRINUSE,
 * -EACCES and whatever else the kernel said. */
int32_t http_address_take(const char *listen_text, struct http_address *ret_address,
                          struct pk_error *err);

/* Whether an address is one of this machine that never leaves it, also an IPv4 one in IPv6. */
bool http_address_is_loopback(const struct sockaddr *name);

#endif
