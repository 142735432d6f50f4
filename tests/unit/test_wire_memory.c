/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire without memory: each allocation fails once, ours and jansson's, and every call says so,
 * leaves its outputs alone and leaks nothing (which the sanitizers and the count here see).
 */
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

/* Which allocation from now fails; 0 = none. And how many are out that this test's code made. */
static size_t fail_at;
static size_t live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *pointer);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *pointer);

static bool
fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

static void *
counted(void *pointer)
{
    live += pointer != NULL;
    return pointer;
}

void *
__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *
__wrap_realloc(void *pointer, size_t size)
{
    if (fails())
        return NULL;
    return pointer == NULL ? counted(__real_realloc(NULL, size)) : __real_realloc(pointer, size);
}

char *
__wrap_strdup(const char *text)
{
    return fails() ? NULL : counted(__real_strdup(text));
}

void
__wrap_free(void *pointer)
{
    live -= pointer != NULL;
    __real_free(pointer);
}

/* jansson's parser loses bytes when one of its buffers can't grow, which nobody outside can see: so
 * it fails as a whole here, the way it does for want of its first allocation. */
json_t *__real_json_loadb(const char *text, size_t size, size_t flags, json_error_t *error);
json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);

json_t *
__wrap_json_loadb(const char *text, size_t size, size_t flags, json_error_t *error)
{
    if (fails()) {
        error->text[0] = '\0';
        return NULL;
    }
    size_t later = fail_at;
    fail_at = 0;
    json_t *json = __real_json_loadb(text, size, flags, error);
    fail_at = later;
    return json;
}

json_t *
__wrap_json_loads(const char *text, size_t flags, json_error_t *error)
{
    if (fails())
        return NULL;
    size_t later = fail_at;
    fail_at = 0;
    json_t *json = __real_json_loads(text, flags, error);
    fail_at = later;
    return json;
}

/* ---- what may run out of memory; no assertion within, since it would allocate too ---- */

#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"

static const char *const request_texts[] = {
    "{\"command\":\"acquire\",\"tag\":\"t\",\"intent\":\"create\",\"object_id\":\"a\","
    "\"sizes\":[1,2,null],\"meta\":{\"a\":[1,2.5,\"x\"]},\"request_id\":\"r\",\"ttl_seconds\":1.5}",
    "{\"command\":\"batch\",\"tag\":1,\"releases\":[\"" LEASE "\"],\"data\":1,\"requests\":["
    "{\"command\":\"put\",\"sizes\":[1],\"data\":1,\"meta\":{\"a\":1}},{\"command\":\"stat\","
    "\"object_id\":\"a\"},{},"
    "{\"command\":\"acquire\",\"intent\":\"create\",\"sizes\":[1],\"meta\":{\"a\":1}}]}",
};

static bool binary; /* the notation of all that is encoded and decoded */

/* What is to be decoded, which is made of JSON while nothing fails. */
static char *
message_of(const char *text, size_t *ret_size)
{
    size_t later = fail_at;
    fail_at = 0;
    *ret_size = strlen(text);
    char *message = binary ? notation_binary(text, *ret_size, ret_size) : strdup(text);
    fail_at = later;
    return message;
}

static int32_t
decode_request(const char *text)
{
    struct pk_wire_request *wire = NULL;
    size_t size = 0;
    pk_autofree char *message = message_of(text, &size);
    int32_t rc = pk_wire_request_decode(message, size, NULL, &wire, NULL);
    bool told = (rc == 0) == (wire != NULL) && (wire == NULL || wire->error.code == 0);
    pk_wire_request_free(wire);
    return told ? rc : 1;
}

static int32_t
decode_acquire(void)
{
    return decode_request(request_texts[0]);
}

static int32_t
decode_batch(void)
{
    return decode_request(request_texts[1]);
}

/* What is left to jansson: a real with an exponent, a tag with an escape, more names than are
 * compared, and numbers that could be shorter; and more values than there is room for at first. */
static int32_t
decode_rare(void)
{
    char text[2048];
    char *at = stpcpy(text, "{\"command\":\"acquire\",\"tag\":\"a\\n\",\"intent\":\"create\","
                            "\"ttl_seconds\":1e1,\"meta\":{\"n\": 1.50},\"sizes\":[1");
    for (size_t i = 0; i < 200; i++)
        at = stpcpy(at, ",1");
    at = stpcpy(at, "]");
    for (size_t i = 0; i < 40; i++)
        at += sprintf(at, ",\"x%zu\":0", i);
    (void)stpcpy(at, "}");
    return decode_request(text);
}

static int32_t
encode_put(void)
{
    const struct pk_request put = { .verb = PK_VERB_PUT, .object_id = "a", .meta = "{\"n\": 1.5}" };
    char *text = NULL;
    size_t size = 0;
    const struct pk_wire_request_format plain = { .binary = binary };
    int32_t rc = pk_wire_request_encode(&put, &plain, &text, &size, NULL);
    bool told = (rc == 0) == (text != NULL);
    free(text);
    return told ? rc : 1;
}

static const uint64_t sizes[] = { 1, PK_UNSIZED };
static const struct pk_request requests[] = {
    { .verb = PK_VERB_ACQUIRE,
      .access = PK_ACCESS_CREATE,
      .object_id = "a",
      .meta = "{\"a\":{\"b\":[1,2]}}",
      .sizes = sizes,
      .blob_count = 2,
      .ttl = 5 },
    { .verb = PK_VERB_LIST, .prefix = "p", .cursor = 7, .limit = 3 },
};

static const char *const releases[] = { LEASE };

static struct pk_wire_request_format
request_format(void)
{
    return (struct pk_wire_request_format){
        .tag = "\"t\"", .releases = releases, .release_count = 1, .binary = binary
    };
}

static int32_t
encode_request(void)
{
    char *text = NULL;
    size_t size = 0;
    const struct pk_wire_request_format format = request_format();
    int32_t rc = pk_wire_request_encode(&requests[0], &format, &text, &size, NULL);
    bool told = (rc == 0) == (text != NULL);
    free(text);
    return told ? rc : 1;
}

static int32_t
encode_batch(void)
{
    char *text = NULL;
    size_t size = 0;
    const struct pk_wire_request_format format = request_format();
    int32_t rc = pk_wire_batch_encode(requests, 2, &format, &text, &size, NULL);
    bool told = (rc == 0) == (text != NULL);
    free(text);
    return told ? rc : 1;
}

static int32_t
encode_reply(const struct pk_reply *reply)
{
    const struct pk_wire_reply_format tagged = { .tag = "\"t\"", .binary = binary };
    char *text = NULL;
    size_t size = 0;
    int32_t rc = pk_wire_reply_encode(reply, &tagged, &text, &size);
    bool told = (rc == 0) == (text != NULL);
    free(text);
    return told ? rc : 1;
}

static int32_t
encode_lease(void)
{
    const struct pk_handle handles[] = {
        { .kind = PK_HANDLE_PATH, .text = "/a", .size = 1 },
        { .kind = PK_HANDLE_PATH, .text = "/b", .size = PK_UNSIZED },
    };
    const struct pk_reply reply = {
        .verb = PK_VERB_ACQUIRE,
        .message = "",
        .lease_id = LEASE,
        .object_id = "\xFF",
        .epoch = 1,
        .ttl = 1500000000,
        .blob_count = 2,
        .meta = "{\"m\":1}",
        .handles = handles,
        .handle_stride = sizeof(handles[0]),
    };
    return encode_reply(&reply);
}

static const struct pk_object_info objects[] = {
    { .state = PK_STATE_SEALED,
      .key = { "a", 1 },
      .blob_count = 2,
      .sizes = sizes,
      .meta = "{\"m\":1}",
      .created_at = 1,
      .owner = { .kind = PK_PRINCIPAL_UNIX } },
};

static int32_t
encode_stat(void)
{
    const struct pk_reply reply = { .verb = PK_VERB_STAT, .message = "", .objects = objects };
    return encode_reply(&reply);
}

static int32_t
encode_list(void)
{
    const struct pk_reply reply = {
        .verb = PK_VERB_LIST,
        .message = "",
        .objects = objects,
        .object_count = 1,
        .cursor = 1,
    };
    return encode_reply(&reply);
}

static int32_t
encode_error(void)
{
    const struct pk_reply reply = { .verb = PK_VERB_STAT, .status = -EIO, .message = "a\xFF" };
    return encode_reply(&reply);
}

/* What is in there stays when there is no memory for more. */
static int32_t
encode_into(void)
{
    char message[600];
    struct pk_wire_texts texts = { 0 };
    const struct pk_wire_reply_format within = { .item = true, .into = &texts };
    int32_t rc = 0;
    memset(message, 'm', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    for (int i = 0; rc == 0 && i < 2; i++) {
        char *text = NULL;
        size_t size = 0;
        size_t before = texts.size;
        rc = pk_wire_error_encode(-EIO, message, &within, &text, &size);
        bool told = rc == 0 ? text == texts.bytes + before : text == NULL && texts.size == before;
        rc = told ? rc : 1;
    }
    free(texts.bytes);
    return rc;
}

static int32_t
encode_stats(void)
{
    const struct pk_stat stats[] = { { .name = "a", .value = 1 }, { .name = "b", .value = 2 } };
    const struct pk_wire_reply_format plain = { .binary = binary };
    char *text = NULL;
    size_t size = 0;
    int32_t rc = pk_wire_stats_encode(stats, 2, &plain, &text, &size);
    free(text);
    return rc;
}

static int32_t
encode_batch_reply(void)
{
    const struct pk_wire_item replies[] = { { "{}", 2 }, { "{}", 2 } };
    const struct pk_wire_reply_format whole = { .tag = "1", .binary = binary };
    char *text = NULL;
    size_t size = 0;
    int32_t rc = pk_wire_batch_reply_encode(replies, 2, 0, 0, &whole, &text, &size);
    free(text);
    return rc;
}

static int32_t
decode_reply(const char *text, uint32_t verb, size_t count, uint32_t item_verb)
{
    struct pk_wire_reply *wire = NULL;
    size_t size = 0;
    pk_autofree char *message = message_of(text, &size);
    int32_t rc = pk_wire_reply_parse(message, size, &wire, NULL);
    bool told = (rc == 0) == (wire != NULL);
    if (rc == 0)
        rc = pk_wire_reply_decode(wire, verb, count, NULL);
    for (size_t i = 0; rc == 0 && wire != NULL && i < wire->item_count; i++)
        rc = pk_wire_reply_decode(wire->items[i], item_verb, 0, NULL);
    pk_wire_reply_free(wire);
    return told ? rc : 1;
}

#define LEASED \
    "\"lease_id\":\"" LEASE "\",\"object_id\":\"a\",\"epoch\":1,\"intent\":\"read\"," \
    "\"ttl_seconds\":1,\"state\":\"sealed\",\"meta\":{\"m\":1},"
#define INFO "\"object_id\":\"a\",\"epoch\":1,\"state\":\"sealed\",\"size\":1,\"blobs\":1"

static int32_t
decode_lease_reply(void)
{
    return decode_reply("{\"status\":\"ok\",\"tag\":\"t\",\"fds\":1," LEASED
                        "\"blobs\":[{\"kind\":\"fd\",\"fd\":0}]}",
                        PK_VERB_ACQUIRE, 0, 0);
}

static int32_t
decode_inline_reply(void)
{
    return decode_reply("{\"status\":\"ok\",\"lease_id\":null,\"object_id\":\"a\",\"epoch\":1,"
                        "\"state\":\"sealed\",\"meta\":{\"m\": 1},\"data\":2,\"blobs\":["
                        "{\"kind\":\"data\",\"size\":1,\"offset\":0},"
                        "{\"kind\":\"data\",\"size\":1,\"offset\":1}]}",
                        PK_VERB_ACQUIRE, 0, 0);
}

static int32_t
decode_stat_reply(void)
{
    return decode_reply("{\"status\":\"ok\"," INFO ",\"sizes\":[1],\"meta\":{\"m\":1}}",
                        PK_VERB_STAT, 0, 0);
}

static int32_t
decode_list_reply(void)
{
    return decode_reply("{\"status\":\"ok\",\"objects\":[{" INFO "}],\"cursor\":\"1\"}",
                        PK_VERB_LIST, 0, 0);
}

static int32_t
decode_stats_reply(void)
{
    return decode_reply("{\"status\":\"ok\",\"stats\":{\"a\":1}}", PK_WIRE_VERB_STATS, 0, 0);
}

static int32_t
decode_batch_reply(void)
{
    return decode_reply("{\"status\":\"ok\",\"fds\":1,\"replies\":[{\"status\":\"sealed\"," LEASED
                        "\"blobs\":[{\"kind\":\"fd\",\"fd\":0}]},{\"status\":\"error\","
                        "\"error\":\"io\",\"message\":\"m\"}]}",
                        PK_WIRE_VERB_BATCH, 2, PK_VERB_SEAL);
}

static int32_t (*const calls[])(void) = {
    decode_rare,        encode_put,         decode_inline_reply, decode_acquire,
    decode_batch,       encode_request,     encode_batch,        encode_lease,
    encode_stat,        encode_list,        encode_error,        encode_stats,
    encode_batch_reply, decode_lease_reply, decode_stat_reply,   decode_list_reply,
    decode_stats_reply, decode_batch_reply, encode_into,
};

/* Lets the first allocation fail, then the second, until the call gets through without a failure:
 * then there were no more of them. */
START_TEST(every_allocation_may_fail)
{
    int32_t (*call)(void) = calls[_i / 2];
    binary = _i % 2 == 1;
    ck_assert_int_eq(call(), 0);
    for (size_t at = 1;; at++) {
        size_t before = live;
        fail_at = at;
        int32_t rc = call();
        bool failed = fail_at == 0;
        fail_at = 0;
        ck_assert_uint_eq(live, before);
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            ck_assert_uint_gt(at, 1);
            break;
        }
        ck_assert_msg(rc == -ENOMEM, "allocation %zu: %d", at, rc);
    }
}
END_TEST

int
main(void)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    Suite *suite = suite_create("wire memory");
    TCase *tcase = tcase_create("calls");
    tcase_add_loop_test(tcase, every_allocation_may_fail, 0,
                        2 * (int)(sizeof(calls) / sizeof(calls[0])));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
