/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers what: a function for each kind of request, called once all of it is there, and for
 * uploads one that is called before the body.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

struct http_connection;

/* verb.c: the JSON verbs, and GET /objects. */
void http_answer_verb(struct http_connection *connection);
void http_answer_list(struct http_connection *connection);

/* get.c: the bytes of a blob. http_get_more puts the next ones that no file gives. */
void http_answer_get(struct http_connection *connection);
void http_get_more(struct http_connection *connection);

/* put.c: into a blob under a lease; or a whole object. http_put_flush writes what is gathered. */
void http_put_begin_blob(struct http_connection *connection);
void http_put_begin_object(struct http_connection *connection);
void http_put_flush(struct http_connection *connection);
void http_put_whole(struct http_connection *connection);

/* page.c: what the node says of itself. */
void http_answer_health(struct http_connection *connection);
void http_answer_metrics(struct http_connection *connection);
void http_answer_openapi(struct http_connection *connection);

#endif
