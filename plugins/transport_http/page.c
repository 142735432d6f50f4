/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node says of itself: that it lives, its figures, and the description of its interface.
 */
#include "answer.h"
#include "connection.h"
#include "metrics.h"
#include "openapi_page.h" /* made from openapi.json */
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
    const struct pk_host *host = connection->transport->host;
    struct http_metrics *metrics = http_metrics_new();
    char *text = NULL;
    size_t size = 0;
    if (metrics != NULL) {
        host->stats(host->ctx, http_metrics_add, metrics);
        text = http_metrics_text(metrics, &size);
    }
    http_metrics_free(metrics);
    http_respond(connection, 200, "text/plain; version=0.0.4; charset=utf-8", "", text, size);
}

void
http_answer_openapi(struct http_connection *connection)
{
    unsigned char *text = malloc(sizeof(openapi_page));
    if (text != NULL)
        memcpy(text, openapi_page, sizeof(openapi_page));
    http_respond(connection, 200, "application/json", "", (char *)text, sizeof(openapi_page));
}
