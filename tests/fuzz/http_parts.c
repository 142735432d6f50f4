/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a request, and of the token file: refused with a reason, or within bounds.
 */
#include "core/wire/wire.h"
#include "fuzz.h"
#include "plugins/transport_http/access.h"
#include "plugins/transport_http/range.h"
#include "plugins/transport_http/target.h"
#include "plugins/transport_http/token.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static void
check_target(const char *text)
{
    struct http_target target;
    struct pk_error err = PK_ERROR_INIT;
    char value[32];
    int32_t r = http_target_parse(text, &target, &err);
    FUZZ_CHECK(r == 0 || ((r == -EINVAL || r == -ENOENT) && err.message[0] != '\0'));
    if (r < 0)
        return;
    FUZZ_CHECK(target.query >= text || target.query[0] == '\0');
    FUZZ_CHECK(target.blob < PK_BLOBS_MAX);
    r = http_query_get(target.query, "prefix", value, sizeof(value), &err);
    FUZZ_CHECK(r == 0 || r == -EINVAL || r == -ENOENT);
    if (target.route != HTTP_ROUTE_OBJECT && target.route != HTTP_ROUTE_BLOB)
        return;
    /* What was decoded is encoded again to something that means the same. */
    struct http_target again;
    pk_autofree char *url = pk_wire_url_blob(target.id, target.blob);
    FUZZ_CHECK(url != NULL && http_target_parse(url, &again, &err) == 0);
    FUZZ_CHECK(strcmp(again.id, target.id) == 0 && again.blob == target.blob);
}

static void
check_range(const char *text, uint64_t size)
{
    struct http_range range = { 0 };
    int32_t r = http_range_parse(text, size, &range);
    FUZZ_CHECK(r == 0 || r == 1 || r == -ERANGE);
    FUZZ_CHECK(r != 1
               || (range.size > 0 && range.first < size && range.size <= size - range.first));
    (void)http_etag_listed(text, "\"1-0\"");
    (void)http_host_is_loopback(text, strlen(text));
}

static void
check_tokens(const char *text, size_t size)
{
    struct http_tokens tokens = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    int32_t r = http_tokens_parse(text, size, &tokens, &err);
    FUZZ_CHECK(r == 0 || (r == -EINVAL && err.message[0] != '\0' && tokens.list == NULL));
    FUZZ_CHECK(r < 0 || (tokens.count > 0 && tokens.list != NULL));
    for (size_t i = 0; r == 0 && i < tokens.count; i++)
        FUZZ_CHECK(tokens.list[i].name[0] != '\0');
    http_tokens_free(&tokens);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_autofree char *text = strndup((const char *)data, size);
    FUZZ_CHECK(text != NULL);
    check_target(text);
    check_range(text, size);
    check_range(text, UINT64_MAX);
    check_tokens((const char *)data, size);
    return 0;
}
