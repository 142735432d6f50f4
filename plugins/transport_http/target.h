/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request's target names: a verb, an object, a blob, or a page of the node's own. An object
 * id is one segment of the path, percent-encoded, so that it may hold anything.
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include <packice/types.h>
#include <stddef.h>

enum http_route {
    HTTP_ROUTE_VERB,    /* /acquire ... */
    HTTP_ROUTE_LIST,    /* /objects */
    HTTP_ROUTE_OBJECT,  /* /objects/ID */
    HTTP_ROUTE_BLOB,    /* /objects/ID/blobs/N */
    HTTP_ROUTE_HEALTH,  /* /healthz */
    HTTP_ROUTE_METRICS, /* /metrics */
    HTTP_ROUTE_OPENAPI, /* /openapi.json */
};

struct http_target {
    enum http_route route;
    uint32_t blob;
    char verb[16];
    char id[PK_ID_MAX + 1];
    const char *authority; /* of an absolute target, in text; else NULL */
    size_t authority_size;
    const char *query; /* behind the '?', in text; "" if none */
};

/* Reads it; ret_target keeps pointing into text. -EINVAL: a target that makes no sense; -ENOENT: a
 * path that names nothing here. */
int32_t http_target_parse(const char *text, struct http_target *ret_target, struct pk_error *err);

/* The value of a parameter of the query, decoded, into room bytes. -ENOENT: it isn't there;
 * -EINVAL. */
int32_t http_query_get(const char *query, const char *name, char *ret_value, size_t room,
                       struct pk_error *err);

#endif
