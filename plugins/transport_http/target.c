/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads targets: one table of names, and the paths under /objects. Nothing is normalised: "." and
 * ".." are ids like any other when they come encoded.
 */
#include "target.h"
#include "core/wire/wire.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *path;
    enum http_route route;
} pages[] = {
    { "acquire", HTTP_ROUTE_VERB },    { "seal", HTTP_ROUTE_VERB },
    { "release", HTTP_ROUTE_VERB },    { "renew", HTTP_ROUTE_VERB },
    { "discard", HTTP_ROUTE_VERB },    { "stat", HTTP_ROUTE_VERB },
    { "list", HTTP_ROUTE_VERB },       { "verify", HTTP_ROUTE_VERB },
    { "batch", HTTP_ROUTE_VERB },      { "stats", HTTP_ROUTE_VERB },
    { "objects", HTTP_ROUTE_LIST },    { "healthz", HTTP_ROUTE_HEALTH },
    { "metrics", HTTP_ROUTE_METRICS }, { "openapi.json", HTTP_ROUTE_OPENAPI },
};

/* ---- the path ---- */

static int32_t
parse_page(const char *path, size_t size, struct http_target *target, struct pk_error *err)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strlen(pages[i].path) != size || memcmp(pages[i].path, path, size) != 0)
            continue;
        target->route = pages[i].route;
        (void)snprintf(target->verb, sizeof(target->verb), "%s", pages[i].path);
        return 0;
    }
    return pk_fail(err, -ENOENT, "there is nothing under this path");
}

static int32_t
parse_id(const char *text, size_t size, struct http_target *target, struct pk_error *err)
{
    int32_t r = pk_wire_url_decode(text, size, target->id, sizeof(target->id));
    if (r == -EFBIG)
        return pk_fail(err, -EINVAL, "object_id: more than %d bytes", PK_ID_MAX);
    if (r < 0 || target->id[0] == '\0')
        return pk_fail(err, -EINVAL, "object_id: %s in the path",
                       r < 0 ? "a '%' that begins no byte, or a NUL," : "none");
    return 0;
}

static int32_t
parse_number(const char *text, size_t size, uint32_t *ret_number, struct pk_error *err)
{
    uint32_t number = 0;
    if (size == 0 || size > 4 || (size > 1 && text[0] == '0'))
        return pk_fail(err, -EINVAL, "blob: not a number of a blob");
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return pk_fail(err, -EINVAL, "blob: not a number of a blob");
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    if (number >= PK_BLOBS_MAX)
        return pk_fail(err, -ENOENT, "blob: an object has at most %d", PK_BLOBS_MAX);
    *ret_number = number;
    return 0;
}

/* What follows "/objects/". */
static int32_t
parse_object(const char *path, size_t size, struct http_target *target, struct pk_error *err)
{
    static const char blobs[] = "/blobs/";
    const char *slash = memchr(path, '/', size);
    size_t id_size = slash == NULL ? size : (size_t)(slash - path);
    int32_t r = parse_id(path, id_size, target, err);
    if (r < 0)
        return r;
    target->route = HTTP_ROUTE_OBJECT;
    if (slash == NULL)
        return 0;
    size_t left = size - id_size;
    size_t skip = sizeof(blobs) - 1;
    if (left < skip || memcmp(slash, blobs, skip) != 0)
        return pk_fail(err, -ENOENT,
                       "there is nothing under this path; a '/' in an id is written %%2F");
    target->route = HTTP_ROUTE_BLOB;
    return parse_number(slash + skip, left - skip, &target->blob, err);
}

/* "http://HOST/PATH": what proxies are sent, and a server has to take. */
static int32_t
skip_authority(const char **text, struct http_target *target, struct pk_error *err)
{
    const char *at = *text;
    if (at[0] == '/')
        return 0;
    if (strncasecmp(at, "http://", 7) == 0)
        at += 7;
    else if (strncasecmp(at, "https://", 8) == 0)
        at += 8;
    else
        return pk_fail(err, -EINVAL, "the target is not a path");
    size_t size = strcspn(at, "/?#");
    target->authority = at;
    target->authority_size = size;
    if (size == 0 || at[size] != '/')
        return pk_fail(err, -EINVAL, "the target has no path");
    *text = at + size;
    return 0;
}

int32_t
http_target_parse(const char *text, struct http_target *ret_target, struct pk_error *err)
{
    static const char objects[] = "/objects/";
    struct http_target target = { .query = "" };
    int32_t r = skip_authority(&text, &target, err);
    if (r < 0)
        return r;
    size_t size = strcspn(text, "?");
    if (text[size] == '?')
        target.query = text + size + 1;
    if (memchr(text, '#', strlen(text)) != NULL)
        return pk_fail(err, -EINVAL, "the target has a fragment");
    size_t skip = sizeof(objects) - 1;
    if (size > skip && memcmp(text, objects, skip) == 0)
        r = parse_object(text + skip, size - skip, &target, err);
    else
        r = parse_page(text + 1, size - 1, &target, err);
    if (r == 0)
        *ret_target = target;
    return r;
}

/* ---- the query ---- */

int32_t
http_query_get(const char *query, const char *name, char *ret_value, size_t room,
               struct pk_error *err)
{
    size_t name_size = strlen(name);
    for (const char *at = query; *at != '\0';) {
        size_t size = strcspn(at, "&");
        if (size > name_size && memcmp(at, name, name_size) == 0 && at[name_size] == '=') {
            int32_t r =
                pk_wire_url_decode(at + name_size + 1, size - name_size - 1, ret_value, room);
            return r == 0 ? 0 : pk_fail(err, -EINVAL, "%s: not a value of it", name);
        }
        at += size + (at[size] == '&' ? 1 : 0);
    }
    return pk_fail(err, -ENOENT, "%s: not there", name);
}
