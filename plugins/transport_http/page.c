/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node says of itself: that it lives, its figures, and the description of its interface.
 */
#include "answer.h"
#include "connection.h"
#include "response.h"
#include "transport_http.h"
#include <packice/cleanup.h>
#include <string.h>

static void
answer_text(struct http_connection *connection, const char *type, const char *text)
{
    http_respond(connection, 200, type, "", strdup(text), strlen(text));
}

void
http_answer_health(struct http_connection *connection)
{
    answer_text(connection, "application/json", "{\"status\":\"ok\"}\n");
}

void
http_answer_metrics(struct http_connection *connection)
{
    answer_text(connection, "text/plain; version=0.0.4; charset=utf-8", "");
}

void
http_answer_openapi(struct http_connection *connection)
{
    answer_text(connection, "application/json", "{}\n");
}
