/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects by name: which names there are, who may have one, and what can be told of it.
 */
#include "target.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An id of 255 bytes, most of them in characters of several. */
static const char *
long_id(void)
{
    static char id[PACKICE_ID_MAX + 1];
    (void)memset(id, 'x', PACKICE_ID_MAX);
    for (size_t i = 0; i + 4 <= 252; i += 4)
        (void)memcpy(id + i, "\xF0\x9F\xA7\x8A", 4);
    return id;
}

START_TEST(sdk_takes_any_text_as_an_id)
{
    const char *const ids[] = { "/",
                                "..",
                                "../../etc/passwd",
                                "/a//b/",
                                " ",
                                "two words",
                                "\xF0\x9F\x93\xA6\xE2\x9D\x84",
                                "\xE4\xBD\xA0\xE5\xA5\xBD",
                                "\"\\",
                                "NUL\\u0000",
                                "%s%n",
                                long_id() };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        packice_lease *lease = NULL;
        struct packice_object *object = NULL;
        MUST(packice_put(target.client, ids[i], &i, sizeof(i), NULL));
        MUST(packice_get(target.other, ids[i], 0, &lease));
        ck_assert_str_eq(packice_lease_object_id(lease), ids[i]);
        size_t mine = 0;
        uint64_t count = 0;
        MUST(packice_read(lease, 0, 0, &mine, sizeof(mine), &count));
        ck_assert_uint_eq(mine, i);
        MUST(packice_release(lease));
        MUST(packice_stat(target.client, ids[i], &object));
        ck_assert_str_eq(object->id, ids[i]);
        packice_object_free(object);
    }
    ck_assert_uint_eq(target_figure(target.client, "objects"), sizeof(ids) / sizeof(ids[0]));
}
END_TEST

START_TEST(sdk_refuses_what_is_no_id)
{
    char too_long[PACKICE_ID_MAX + 2];
    (void)memset(too_long, 'x', sizeof(too_long));
    too_long[PACKICE_ID_MAX + 1] = '\0';
    const char *const ids[] = { "", "\n", "a\x7F", "\xC2\x85", "\xFF", "\xED\xA0\x80", too_long };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        packice_lease *lease = NULL;
        struct packice_object *object = NULL;
        FAILS(packice_create(target.client, ids[i], 1, &lease), -EINVAL);
        FAILS(packice_get(target.client, ids[i], 0, &lease), -EINVAL);
        FAILS(packice_stat(target.client, ids[i], &object), -EINVAL);
        FAILS(packice_discard(target.client, ids[i]), -EINVAL);
        FAILS(packice_verify(target.client, ids[i], NULL), -EINVAL);
        ck_assert_ptr_null(lease);
    }
    packice_lease *lease = NULL;
    FAILS(packice_get(target.client, NULL, 0, &lease), -EINVAL);
    FAILS(packice_discard(target.client, NULL), -EINVAL);
}
END_TEST

/* Over memory, of which nobody keeps a checksum. */
START_TEST(sdk_says_what_can_not_be_verified)
{
    packice_lease *lease = NULL;
    uint64_t bytes = 42;
    FAILS(packice_verify(target.client, "verified", &bytes), -ENOENT);
    MUST(packice_create(target.client, "verified", 1, &lease));
    FAILS(packice_verify(target.other, "verified", &bytes), -EAGAIN);
    MUST(packice_seal(lease));
    FAILS(packice_verify(target.other, "verified", &bytes), -EOPNOTSUPP);
    ck_assert_uint_eq(bytes, 42);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_gives_a_name_to_one_creator)
{
    packice_lease *first = NULL;
    packice_lease *second = NULL;
    MUST(packice_create(target.client, "once", 1, &first));
    FAILS(packice_create(target.other, "once", 1, &second), -EEXIST);
    MUST(packice_seal(first));
    FAILS(packice_create(target.other, "once", 1, &second), -EEXIST);
    MUST(packice_release(first));
    FAILS(packice_create(target.other, "once", 1, &second), -EEXIST);
    MUST(packice_discard(target.client, "once"));
    MUST(packice_create(target.other, "once", 1, &second));
    MUST(packice_release(second));
}
END_TEST

START_TEST(sdk_discards_a_name_and_keeps_what_is_read)
{
    packice_lease *reader = NULL;
    packice_lease *next = NULL;
    void *data = NULL;
    char bytes[100];
    fill(bytes, sizeof(bytes), 1);
    FAILS(packice_discard(target.client, "gone"), -ENOENT);
    MUST(packice_put(target.client, "gone", bytes, sizeof(bytes), NULL));
    MUST(packice_get(target.other, "gone", 0, &reader));
    MUST(packice_map(reader, 0, &data, NULL));
    MUST(packice_discard(target.client, "gone"));
    FAILS(packice_get(target.other, "gone", 0, &next), -ENOENT);
    FAILS(packice_discard(target.client, "gone"), -ENOENT);
    fill(bytes, sizeof(bytes), 2);
    MUST(packice_put(target.client, "gone", bytes, sizeof(bytes), NULL));
    MUST(packice_get(target.other, "gone", 0, &next));
    ck_assert_uint_gt(packice_lease_epoch(next), packice_lease_epoch(reader));
    ck_assert(filled(data, sizeof(bytes), 1)); /* the old one, to the end */
    MUST(packice_unmap(reader, 0));
    MUST(packice_map(reader, 0, &data, NULL));
    ck_assert(filled(data, sizeof(bytes), 1));
    MUST(packice_map(next, 0, &data, NULL));
    ck_assert(filled(data, sizeof(bytes), 2));
    MUST(packice_release(reader));
    MUST(packice_release(next));
}
END_TEST

START_TEST(sdk_tells_of_an_object)
{
    struct packice_object *object = NULL;
    const uint64_t sizes[] = { 10, 0, 300 };
    packice_lease *lease = NULL;
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    options.id = "told";
    options.sizes = sizes;
    options.blob_count = 3;
    options.meta = " { \"kind\" : \"test\", \"n\": [1, 2] }";
    FAILS(packice_stat(target.client, "told", &object), -ENOENT);
    MUST(packice_create_with(target.client, &options, &lease));
    ck_assert_str_eq(packice_lease_meta(lease), "{\"kind\":\"test\",\"n\":[1,2]}");
    MUST(packice_stat(target.other, "told", &object));
    ck_assert_uint_eq(object->state, PACKICE_CREATING);
    ck_assert(object->sealed_at == 0);
    packice_object_free(object);
    MUST(packice_seal(lease));
    MUST(packice_stat(target.other, "told", &object));
    ck_assert_uint_eq(object->state, PACKICE_SEALED);
    ck_assert_str_eq(object->id, "told");
    ck_assert_uint_eq(object->epoch, packice_lease_epoch(lease));
    ck_assert_uint_eq(object->size, 310);
    ck_assert_uint_eq(object->blob_count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(object->sizes[i], sizes[i]);
    ck_assert_str_eq(object->meta, "{\"kind\":\"test\",\"n\":[1,2]}");
    /* over HTTP a caller without a token is nobody */
    ck_assert_uint_eq(object->owner_uid, target.kind == TARGET_HTTP ? UINT32_MAX : geteuid());
    ck_assert_str_eq(object->owner_name, "");
    ck_assert(object->created_at > 1e9 && object->sealed_at >= object->created_at);
    packice_object_free(object);
    packice_object_free(NULL);
    MUST(packice_release(lease));
    MUST(packice_get(target.other, "told", 0, &lease));
    ck_assert_str_eq(packice_lease_meta(lease), "{\"kind\":\"test\",\"n\":[1,2]}");
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_refuses_meta_that_is_no_object)
{
    const char *const metas[] = { "", "[1]", "{", "{\"a\":1,\"a\":2}", "nonsense", "{} {}" };
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    packice_lease *lease = NULL;
    for (size_t i = 1; i < sizeof(metas) / sizeof(metas[0]); i++) {
        options.meta = metas[i];
        FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
    }
    char *large = malloc(70002);
    ck_assert_ptr_nonnull(large);
    (void)memset(large, 'x', 70001);
    (void)memcpy(large, "{\"a\":\"", 6);
    (void)memcpy(large + 69999, "\"}", 3);
    options.meta = large;
    FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
    free(large);
    options.meta = metas[0];
    MUST(packice_create_with(target.client, &options, &lease));
    ck_assert_str_eq(packice_lease_meta(lease), "{}");
    MUST(packice_release(lease));
}
END_TEST

/* The ids of a list, "A B C ", asked for so many at a time. */
static const char *
list_ids(const char *prefix, uint32_t page)
{
    static char ids[256];
    packice_list *list = NULL;
    const struct packice_object *object = NULL;
    ids[0] = '\0';
    MUST(packice_list_new(target.other, prefix, page, &list));
    for (;;) {
        MUST(packice_list_next(list, &object));
        if (object == NULL)
            break;
        (void)strncat(ids, object->id, sizeof(ids) - strlen(ids) - 2);
        (void)strcat(ids, " ");
        ck_assert_ptr_null(object->meta);
        ck_assert_ptr_null(object->sizes);
        ck_assert_uint_eq(object->blob_count, 1);
    }
    MUST(packice_list_next(list, &object)); /* it stays at its end */
    ck_assert_ptr_null(object);
    packice_list_free(list);
    return ids;
}

START_TEST(sdk_lists_in_pages)
{
    const char *const ids[] = { "b/1", "a/1", "b/2", "c", "b/3", "b", "a/2" };
    ck_assert_str_eq(list_ids(NULL, 0), "");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        MUST(packice_put(target.client, ids[i], "x", 1, NULL));
    for (uint32_t page = 0; page < 9; page++) {
        ck_assert_str_eq(list_ids(NULL, page), "b/1 a/1 b/2 c b/3 b a/2 ");
        ck_assert_str_eq(list_ids("", page), "b/1 a/1 b/2 c b/3 b a/2 ");
        ck_assert_str_eq(list_ids("b", page), "b/1 b/2 b/3 b ");
        ck_assert_str_eq(list_ids("a/", page), "a/1 a/2 ");
        ck_assert_str_eq(list_ids("none", page), "");
    }
    packice_list *list = NULL;
    FAILS(packice_list_new(target.client, "\xFF", 0, &list), -EINVAL);
    packice_list_free(NULL);
}
END_TEST

START_TEST(sdk_lists_objects_that_are_there_throughout_exactly_once)
{
    packice_list *list = NULL;
    const struct packice_object *object = NULL;
    char id[16];
    unsigned seen = 0;
    for (int i = 0; i < 10; i++) {
        (void)snprintf(id, sizeof(id), "%d", i);
        MUST(packice_put(target.client, id, NULL, 0, NULL));
    }
    MUST(packice_list_new(target.other, NULL, 2, &list));
    for (int i = 0;; i++) {
        MUST(packice_list_next(list, &object));
        if (object == NULL)
            break;
        if (object->id[0] == 'n')
            continue;
        ck_assert_uint_eq(seen & (1U << (object->id[0] - '0')), 0);
        seen |= 1U << (object->id[0] - '0');
        if (i == 3) { /* behind and before where the list is */
            MUST(packice_discard(target.client, "1"));
            MUST(packice_discard(target.client, "7"));
            MUST(packice_put(target.client, "new", NULL, 0, NULL));
        }
    }
    ck_assert_uint_eq(seen & ~(1U << 7), 0x37FU);
    packice_list_free(list);
}
END_TEST

START_TEST(sdk_tells_the_figures_of_the_peer)
{
    packice_lease *lease = NULL;
    MUST(packice_create(target.client, "figures", 1000, &lease));
    ck_assert_uint_eq(target_figure(target.other, "objects"), 1);
    ck_assert_uint_eq(target_figure(target.other, "bytes"), 1000);
    ck_assert_uint_eq(target_figure(target.other, "leases"), 1);
    ck_assert_uint_eq(target_figure(target.other, "sessions"),
                      target.client == target.other ? 1 : 2);
    MUST(packice_release(lease));
    ck_assert_uint_eq(target_figure(target.other, "objects"), 0);
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_takes_any_text_as_an_id, ON_ALL },
        { sdk_refuses_what_is_no_id, ON_ALL },
        { sdk_says_what_can_not_be_verified, ON_ALL },
        { sdk_gives_a_name_to_one_creator, ON_ALL },
        { sdk_discards_a_name_and_keeps_what_is_read, ON_ALL },
        { sdk_tells_of_an_object, ON_ALL },
        { sdk_refuses_meta_that_is_no_object, ON_ALL },
        { sdk_lists_in_pages, ON_ALL },
        { sdk_lists_objects_that_are_there_throughout_exactly_once, ON_ALL },
        { sdk_tells_the_figures_of_the_peer, ON_ALL },
    };
    return RUN_CASES("sdk_names", cases);
}
