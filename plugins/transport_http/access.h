/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may: whether a request comes from where it may come from, who the caller is, and the session
 * that stands for it.
 */
#ifndef HTTP_ACCESS_H
#define HTTP_ACCESS_H

#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

struct http_connection;

/* Lets a request in, with a session for its caller, or not. -EKEYREJECTED: no token, or nobody's;
 * -EACCES: it comes from a web page; or what session_open said. */
int32_t http_access_check(struct http_connection *connection, struct pk_error *err);

/* Whether a request doesn't come from a web page of another site: the Host is one of this machine
 * where only this machine can call, and the Origin, if there is one, is the node itself. */
int32_t http_access_check_page(struct http_connection *connection, struct pk_error *err);

/* Whether "NAME", "NAME:PORT", of size bytes, names this machine: localhost, 127.0.0.0/8, [::1]. */
bool http_host_is_loopback(const char *host, size_t size);

#endif
