/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The callbacks of llhttp. It is built strict; what is left to refuse is refused here: a header
 * that is given twice, an encoding that this server doesn't know, a head without end, lines of a
 * head or of trailers that others might end elsewhere.
 */
#include "parser.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const field_names[HTTP_FIELD_COUNT] = {
    [HTTP_AUTHORIZATION] = "authorization",
    [HTTP_EXPECT] = "expect",
    [HTTP_HOST] = "host",
    [HTTP_IF_NONE_MATCH] = "if-none-match",
    [HTTP_IF_RANGE] = "if-range",
    [HTTP_LEASE] = "packice-lease",
    [HTTP_PROOF] = "packice-lock",
    [HTTP_META] = "packice-meta",
    [HTTP_OBJECT_TTL] = "packice-object-ttl",
    [HTTP_ORIGIN] = "origin",
    [HTTP_RANGE] = "range",
    [HTTP_REQUEST_ID] = "packice-request-id",
    [HTTP_SEC_FETCH_SITE] = "sec-fetch-site",
    [HTTP_TRANSFER_ENCODING] = "transfer-encoding",
    [HTTP_TTL] = "packice-ttl",
};

static struct http_parser *
parser_of(llhttp_t *state)
{
    return state->data;
}

static int
refuse(struct http_parser *parser, uint16_t status, const char *why)
{
    if (parser->status == 0) {
        parser->status = status;
        parser->why = why;
    }
    return -1;
}

/* ---- the head ---- */

static int
put_text(struct http_parser *parser, const char *data, size_t size)
{
    if (size >= parser->head_max - parser->text_used)
        return refuse(parser, 431, "the head of the request is too large");
    memcpy(parser->text + parser->text_used, data, size);
    parser->text_used += size;
    parser->text[parser->text_used] = '\0';
    return 0;
}

static int
end_text(struct http_parser *parser)
{
    if (parser->text_used + 2 > parser->head_max)
        return refuse(parser, 431, "the head of the request is too large");
    parser->text[parser->text_used++] = '\0';
    parser->text[parser->text_used] = '\0'; /* of the next text, until it has any */
    return 0;
}

static int
on_url(llhttp_t *state, const char *data, size_t size)
{
    return put_text(parser_of(state), data, size);
}

static int
on_url_complete(llhttp_t *state)
{
    struct http_parser *parser = parser_of(state);
    parser->target = parser->text;
    return end_text(parser);
}

/* Trailers say nothing that is wanted: a lease or a token can't come after the body. */
static int
skip_trailing(struct http_parser *parser, size_t size)
{
    parser->trailing += size;
    return parser->trailing > HTTP_TRAILER_MAX
               ? refuse(parser, 431, "too much besides the body's bytes")
               : 0;
}

static int
on_field(llhttp_t *state, const char *data, size_t size)
{
    struct http_parser *parser = parser_of(state);
    if (parser->head_done)
        return skip_trailing(parser, size);
    for (size_t i = 0; i < size && parser->name_size <= HTTP_NAME_MAX; i++)
        parser->name[parser->name_size++] = (char)tolower((unsigned char)data[i]);
    return 0;
}

static int
on_field_complete(llhttp_t *state)
{
    struct http_parser *parser = parser_of(state);
    parser->field = -1;
    if (parser->head_done)
        return 0;
    size_t size = parser->name_size;
    parser->name_size = 0;
    for (int i = 0; i < HTTP_FIELD_COUNT; i++)
        if (strlen(field_names[i]) == size && memcmp(field_names[i], parser->name, size) == 0)
            parser->field = i;
    if (parser->field < 0)
        return 0;
    if (parser->fields[parser->field] != NULL)
        return refuse(parser, 400, "a header is given twice");
    parser->fields[parser->field] = parser->text + parser->text_used;
    return 0;
}

static int
on_value(llhttp_t *state, const char *data, size_t size)
{
    struct http_parser *parser = parser_of(state);
    if (parser->head_done)
        return skip_trailing(parser, size);
    return parser->field < 0 ? 0 : put_text(parser, data, size);
}

static int
on_value_complete(llhttp_t *state)
{
    struct http_parser *parser = parser_of(state);
    if (parser->head_done || parser->field < 0)
        return 0;
    const char *value = parser->fields[parser->field];
    while (parser->text + parser->text_used > value
           && (parser->text[parser->text_used - 1] == ' '
               || parser->text[parser->text_used - 1] == '\t'))
        parser->text_used--;
    return end_text(parser);
}

static int
check_head(struct http_parser *parser)
{
    const llhttp_t *state = &parser->state;
    const char *encoding = parser->fields[HTTP_TRANSFER_ENCODING];
    if (state->http_major != 1 || state->http_minor > 1)
        return refuse(parser, 505, "the version of HTTP is neither 1.1 nor 1.0");
    if (state->http_minor == 1 && parser->fields[HTTP_HOST] == NULL)
        return refuse(parser, 400, "no Host header");
    if (encoding != NULL && state->http_minor == 0)
        return refuse(parser, 400, "Transfer-Encoding in a request of HTTP/1.0");
    if (encoding != NULL && strcasecmp(encoding, "chunked") != 0)
        return refuse(parser, 501, "a Transfer-Encoding other than chunked");
    if ((state->flags & F_CHUNKED) == 0 && encoding != NULL)
        return refuse(parser, 400, "a Transfer-Encoding that is none");
    return 0;
}

static int
on_head_complete(llhttp_t *state)
{
    struct http_parser *parser = parser_of(state);
    if (check_head(parser) < 0)
        return -1;
    state->upgrade = 0; /* no other protocol is spoken here */
    parser->method = state->method;
    parser->chunked = (state->flags & F_CHUNKED) != 0;
    parser->has_length = (state->flags & F_CONTENT_LENGTH) != 0;
    parser->length = parser->chunked ? 0 : state->content_length;
    parser->keep_alive = llhttp_should_keep_alive(state) != 0;
    parser->head_done = true;
    return HPE_PAUSED;
}

/* ---- the body ---- */

static int
on_body(llhttp_t *state, const char *data, size_t size)
{
    struct http_parser *parser = parser_of(state);
    parser->body(parser->arg, data, size);
    return 0;
}

/* The last chunk, which is empty: lines come, which have to be looked at as those of the head. */
static int
on_chunk(llhttp_t *state)
{
    struct http_parser *parser = parser_of(state);
    if (state->content_length > 0)
        return 0;
    parser->in_trailers = true;
    parser->last = '\n';
    return HPE_PAUSED;
}

static int
on_extension(llhttp_t *state, const char *data, size_t size)
{
    (void)data;
    return skip_trailing(parser_of(state), size);
}

static int
on_message_complete(llhttp_t *state)
{
    parser_of(state)->body_done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_message_complete = on_message_complete,
};

/* ---- from outside ---- */

void
http_parser_init(struct http_parser *parser, size_t head_max, http_body_fn *body, void *arg)
{
    memset(parser, 0, sizeof(*parser));
    llhttp_init(&parser->state, HTTP_REQUEST, &settings);
    parser->state.data = parser;
    parser->head_max = head_max;
    parser->body = body;
    parser->arg = arg;
}

void
http_parser_finish(struct http_parser *parser)
{
    free(parser->text);
    parser->text = NULL;
}

void
http_parser_next(struct http_parser *parser)
{
    http_parser_finish(parser);
    parser->text_used = 0;
    parser->head_size = 0;
    parser->trailing = 0;
    parser->last = '\0';
    parser->name_size = 0;
    parser->head_done = false;
    parser->in_trailers = false;
    parser->body_done = false;
    parser->target = NULL;
    memset(parser->fields, 0, sizeof(parser->fields));
}

bool
http_parser_began(const struct http_parser *parser)
{
    return parser->text != NULL;
}

/* What even a strict llhttp reads over: a line that ends without a carriage return, one that goes
 * on in the next, a header without a name. */
static int32_t
check_lines(struct http_parser *parser, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char last = parser->last;
        parser->last = data[i];
        if (data[i] == '\n' && last != '\r')
            (void)refuse(parser, 400, "a line ends without a carriage return");
        if (last == '\n' && (data[i] == ' ' || data[i] == '\t' || data[i] == ':'))
            (void)refuse(parser, 400, "a line begins without a name");
    }
    return parser->status != 0 ? -EPROTO : 0;
}

static int32_t
fail(struct http_parser *parser, llhttp_errno_t error)
{
    if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE)
        (void)refuse(parser, 505, "the version of HTTP is neither 1.1 nor 1.0");
    if (error == HPE_INVALID_METHOD)
        (void)refuse(parser, 501, "a method that is not known");
    (void)refuse(parser, 400, "not a request of HTTP");
    return -EPROTO;
}

int32_t
http_parser_feed(struct http_parser *parser, const char *data, size_t size, size_t *ret_used)
{
    if (parser->text == NULL) {
        parser->text = calloc(1, parser->head_max);
        if (parser->text == NULL)
            return -ENOMEM;
    }
    bool in_head = !parser->head_done;
    bool in_lines = in_head || parser->in_trailers;
    size_t left = parser->head_max - parser->head_size;
    if (in_head && size > left)
        size = left;
    llhttp_errno_t error = llhttp_execute(&parser->state, data, size);
    size_t used = size;
    if (error == HPE_PAUSED) {
        used = (size_t)(llhttp_get_error_pos(&parser->state) - data);
        llhttp_resume(&parser->state);
    } else if (error != HPE_OK) {
        return fail(parser, error);
    }
    if (in_head)
        parser->head_size += used;
    if (in_lines && check_lines(parser, data, used) < 0)
        return -EPROTO;
    if (!parser->head_done && parser->head_size >= parser->head_max) {
        (void)refuse(parser, 431, "the head of the request is too large");
        return -EPROTO;
    }
    *ret_used = used;
    return 0;
}
