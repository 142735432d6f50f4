/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses: from what is to be said to the text of HTTP. It decides whether the connection goes on
 * behind one: not when the client may still be sending a body that nobody reads.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include <packice/types.h>
#include <stddef.h>

struct http_connection;

/* A whole response. text is malloc'd and becomes the output's (NULL: there was no memory for it).
 * headers: more of them, each ended by CRLF, or "". */
void http_respond(struct http_connection *connection, unsigned status, const char *type,
                  const char *headers, char *text, size_t size);
/* One of JSON, which a newline is added to; with room for it in place of the NUL. */
void http_respond_json(struct http_connection *connection, unsigned status, const char *headers,
                       char *text, size_t size);
/* The head of one whose body of `length` bytes follows, which is the caller's to put. */
void http_respond_head(struct http_connection *connection, unsigned status, const char *type,
                       const char *headers, uint64_t length);
/* An error of the protocol, with the status that belongs to it; or with another one. */
void http_respond_error(struct http_connection *connection, int32_t code, const char *message);
void http_respond_status(struct http_connection *connection, unsigned status, int32_t code,
                         const char *headers, const char *message);

/* Asks the client for the body that it holds back, if it does. */
void http_respond_continue(struct http_connection *connection);

/* The status for an error of the protocol. */
unsigned http_status_of(int32_t code);

#endif
