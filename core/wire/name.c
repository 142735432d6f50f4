/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are looked up by their size first: then few are left, each a comparison of a word or two.
 */
#include "core/wire/name.h"

#include <string.h>

#define IF_NAME(known, number) \
    if (memcmp(text, known, sizeof(known) - 1) == 0) \
    return number

enum pk_wire_name
pk_wire_name_find(const char *text, size_t size)
{
    switch (size) {
    case 2:
        IF_NAME("fd", PK_NAME_FD);
        break;
    case 3:
        IF_NAME("tag", PK_NAME_TAG);
        IF_NAME("fds", PK_NAME_FDS);
        IF_NAME("url", PK_NAME_URL);
        IF_NAME("uid", PK_NAME_UID);
        break;
    case 4:
        IF_NAME("data", PK_NAME_DATA);
        IF_NAME("bind", PK_NAME_BIND);
        IF_NAME("meta", PK_NAME_META);
        IF_NAME("kind", PK_NAME_KIND);
        IF_NAME("size", PK_NAME_SIZE);
        IF_NAME("path", PK_NAME_PATH);
        IF_NAME("name", PK_NAME_NAME);
        break;
    case 5:
        IF_NAME("blobs", PK_NAME_BLOBS);
        IF_NAME("sizes", PK_NAME_SIZES);
        IF_NAME("limit", PK_NAME_LIMIT);
        IF_NAME("error", PK_NAME_ERROR);
        IF_NAME("epoch", PK_NAME_EPOCH);
        IF_NAME("state", PK_NAME_STATE);
        IF_NAME("owner", PK_NAME_OWNER);
        IF_NAME("bytes", PK_NAME_BYTES);
        IF_NAME("stats", PK_NAME_STATS);
        break;
    case 6:
        IF_NAME("intent", PK_NAME_INTENT);
        IF_NAME("binary", PK_NAME_BINARY);
        IF_NAME("prefix", PK_NAME_PREFIX);
        IF_NAME("cursor", PK_NAME_CURSOR);
        IF_NAME("status", PK_NAME_STATUS);
        IF_NAME("offset", PK_NAME_OFFSET);
        IF_NAME("shared", PK_NAME_SHARED);
        break;
    case 7:
        IF_NAME("command", PK_NAME_COMMAND);
        IF_NAME("message", PK_NAME_MESSAGE);
        IF_NAME("objects", PK_NAME_OBJECTS);
        IF_NAME("replies", PK_NAME_REPLIES);
        IF_NAME("handles", PK_NAME_HANDLES);
        break;
    case 8:
        IF_NAME("releases", PK_NAME_RELEASES);
        IF_NAME("lease_id", PK_NAME_LEASE_ID);
        IF_NAME("requests", PK_NAME_REQUESTS);
        break;
    case 9:
        IF_NAME("object_id", PK_NAME_OBJECT_ID);
        IF_NAME("sealed_at", PK_NAME_SEALED_AT);
        break;
    case 10:
        IF_NAME("request_id", PK_NAME_REQUEST_ID);
        IF_NAME("inline_max", PK_NAME_INLINE_MAX);
        IF_NAME("expires_at", PK_NAME_EXPIRES_AT);
        IF_NAME("created_at", PK_NAME_CREATED_AT);
        break;
    case 11:
        IF_NAME("ttl_seconds", PK_NAME_TTL_SECONDS);
        IF_NAME("known_epoch", PK_NAME_KNOWN_EPOCH);
        break;
    case 12:
        IF_NAME("wait_seconds", PK_NAME_WAIT_SECONDS);
        break;
    case 18:
        IF_NAME("object_ttl_seconds", PK_NAME_OBJECT_TTL_SECONDS);
        break;
    default:
        break;
    }
    return PK_NAME_NONE;
}

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a string */
#define TEXT(constant, text) [constant] = text,

const char *
pk_wire_name_text(enum pk_wire_name name)
{
    static const char *const texts[] = { [PK_NAME_NONE] = "", PK_WIRE_NAMES(TEXT) };
    return texts[name];
}

#define WRITTEN(constant, text) [constant] = { "\"" text "\":", sizeof(text) + 2 },

const struct pk_wire_written_name pk_wire_written_names[PK_NAME_COUNT] = {
    [PK_NAME_NONE] = { "", 0 }, PK_WIRE_NAMES(WRITTEN)
};
