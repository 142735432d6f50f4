/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of HTTP, one after the other as a client may send them: whether they come at once or in
 * pieces, the same is read, and never more than was sent or may be kept. The first byte says how
 * large the pieces are.
 */
#include "fuzz.h"
#include "plugins/transport_http/parser.h"

#include <string.h>

#define HEAD_MAX 1024U

/* What was read, boiled down. */
struct reading {
    uint64_t sum;
    size_t body;
    size_t requests;
    uint16_t status;
};

static void
mix(struct reading *reading, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        reading->sum = (reading->sum ^ bytes[i]) * 1099511628211U;
}

static void
on_body(void *arg, const char *data, size_t size)
{
    struct reading *reading = arg;
    reading->body += size;
    mix(reading, data, size);
}

static void
check_text(const struct http_parser *parser, const char *text)
{
    FUZZ_CHECK(text >= parser->text && text < parser->text + HEAD_MAX);
    FUZZ_CHECK(memchr(text, '\0', (size_t)(parser->text + HEAD_MAX - text)) != NULL);
}

static void
take_head(struct reading *reading, const struct http_parser *parser)
{
    check_text(parser, parser->target);
    mix(reading, parser->target, strlen(parser->target));
    for (int i = 0; i < HTTP_FIELD_COUNT; i++) {
        if (parser->fields[i] == NULL)
            continue;
        check_text(parser, parser->fields[i]);
        FUZZ_CHECK(strpbrk(parser->fields[i], "\r\n") == NULL);
        mix(reading, parser->fields[i], strlen(parser->fields[i]) + 1);
    }
    FUZZ_CHECK(!parser->chunked || !parser->has_length);
}

static struct reading
read_all(const char *data, size_t size, size_t piece)
{
    struct reading reading = { .sum = 1 };
    struct http_parser parser;
    http_parser_init(&parser, HEAD_MAX, on_body, &reading);
    bool knows_head = false;
    for (size_t at = 0; at < size;) {
        size_t used = 0;
        size_t left = size - at < piece ? size - at : piece;
        int32_t r = http_parser_feed(&parser, data + at, left, &used);
        if (r < 0) {
            FUZZ_CHECK(parser.status >= 400 && parser.why != NULL);
            reading.status = parser.status;
            break;
        }
        FUZZ_CHECK(used <= left);
        at += used;
        if (parser.head_done && !knows_head)
            take_head(&reading, &parser);
        knows_head = parser.head_done;
        if (!parser.body_done)
            continue;
        reading.requests++;
        http_parser_next(&parser);
        knows_head = false;
    }
    FUZZ_CHECK(reading.body <= size);
    http_parser_finish(&parser);
    return reading;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    struct reading whole = read_all(text, size - 1, SIZE_MAX);
    struct reading pieces = read_all(text, size - 1, data[0] % 16U + 1U);
    FUZZ_CHECK(whole.requests == pieces.requests);
    FUZZ_CHECK((whole.status == 0) == (pieces.status == 0));
    FUZZ_CHECK(whole.status != 0 || whole.sum == pieces.sum);
    return 0;
}
