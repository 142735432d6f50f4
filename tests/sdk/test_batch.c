/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: many at once, each by itself.
 */
#include "target.h"
#include <stdlib.h>
#include <string.h>

#define MANY 600U

struct batch {
    struct packice_batch_item items[MANY];
    struct packice_create_options creates[MANY];
    struct packice_get_options gets[MANY];
    uint64_t sizes[MANY];
    char ids[MANY][16];
};

/* Items that create, then seal, then release, then get so many objects of one byte more each. */
static struct batch *
new_batch(size_t count)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    ck_assert_ptr_nonnull(batch);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(batch->ids[i], sizeof(batch->ids[i]), "object %zu", i);
        batch->sizes[i] = i;
        batch->creates[i] = (struct packice_create_options)PACKICE_CREATE_OPTIONS_INIT;
        batch->creates[i].id = batch->ids[i];
        batch->creates[i].sizes = &batch->sizes[i];
        batch->gets[i] = (struct packice_get_options)PACKICE_GET_OPTIONS_INIT;
        batch->gets[i].id = batch->ids[i];
        batch->items[i].create = &batch->creates[i];
        batch->items[i].get = &batch->gets[i];
    }
    return batch;
}

static void
go(packice_client *client, struct batch *batch, size_t count, uint32_t op)
{
    for (size_t i = 0; i < count; i++) {
        batch->items[i].op = op;
        batch->items[i].status = 1;
    }
    MUST(packice_batch(client, batch->items, count));
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(batch->items[i].status == 0, "%zu: %d %s", i, batch->items[i].status,
                      packice_error_message());
}

/* What a client released ends at the latest with its own next request. */
static void
no_lease_is_left(void)
{
    (void)target_figure(target.other, "leases");
    ck_assert_uint_eq(target_figure(target.client, "leases"), 0);
}

START_TEST(sdk_does_many_at_once)
{
    struct batch *batch = new_batch(MANY);
    go(target.client, batch, MANY, PACKICE_BATCH_CREATE);
    ck_assert_uint_eq(target_figure(target.client, "objects"), MANY);
    for (size_t i = 1; i < MANY; i++)
        MUST(packice_write(batch->items[i].lease, 0, i - 1, &i, 1));
    go(target.client, batch, MANY, PACKICE_BATCH_SEAL);
    go(target.client, batch, MANY, PACKICE_BATCH_RELEASE);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_ptr_null(batch->items[i].lease);
    go(target.other, batch, MANY, PACKICE_BATCH_GET);
    for (size_t i = 1; i < MANY; i++) {
        unsigned char last = 0;
        uint64_t count = 0;
        MUST(packice_read(batch->items[i].lease, 0, i - 1, &last, 1, &count));
        ck_assert_uint_eq(last, i & 0xFFU);
    }
    go(target.other, batch, MANY, PACKICE_BATCH_RELEASE);
    no_lease_is_left();
    free(batch);
}
END_TEST

START_TEST(sdk_tells_each_item_its_own_status)
{
    struct batch *batch = new_batch(6);
    MUST(packice_put(target.client, "object 1", "x", 1, NULL));
    batch->items[0].op = PACKICE_BATCH_CREATE;
    batch->items[1].op = PACKICE_BATCH_CREATE;
    batch->items[2].op = PACKICE_BATCH_GET;
    batch->gets[3].id = "object 1";
    batch->items[3].op = PACKICE_BATCH_GET;
    batch->items[4].op = 99;
    batch->gets[5].id = "";
    batch->items[5].op = PACKICE_BATCH_GET;
    MUST(packice_batch(target.client, batch->items, 6));
    ck_assert_int_eq(batch->items[0].status, 0);
    ck_assert_int_eq(batch->items[1].status, -EEXIST);
    ck_assert_int_eq(batch->items[2].status, -ENOENT);
    ck_assert_int_eq(batch->items[3].status, 0);
    ck_assert_int_eq(batch->items[4].status, -EINVAL);
    ck_assert_int_eq(batch->items[5].status, -EINVAL);
    ck_assert_ptr_null(batch->items[1].lease);
    batch->items[3].op = PACKICE_BATCH_SEAL; /* a READ lease */
    batch->items[4].op = PACKICE_BATCH_SEAL; /* without a lease */
    MUST(packice_batch(target.client, batch->items + 3, 2));
    ck_assert_int_eq(batch->items[3].status, -EACCES);
    ck_assert_int_eq(batch->items[4].status, -EINVAL);
    MUST(packice_release(batch->items[0].lease));
    MUST(packice_release(batch->items[3].lease));
    MUST(packice_batch(target.client, NULL, 0));
    free(batch);
}
END_TEST

/* More descriptors than one reply can carry, which nobody could know beforehand. */
START_TEST(sdk_gets_objects_of_many_blobs_at_once)
{
    enum { OBJECTS = 5, BLOBS = 120 };
    struct batch *batch = new_batch(OBJECTS);
    for (size_t i = 0; i < OBJECTS; i++) {
        batch->creates[i].sizes = batch->sizes;
        batch->creates[i].blob_count = BLOBS;
        batch->gets[i].flags = PACKICE_LAZY; /* with descriptors, but over HTTP */
    }
    go(target.client, batch, OBJECTS, PACKICE_BATCH_CREATE);
    go(target.client, batch, OBJECTS, PACKICE_BATCH_SEAL);
    go(target.client, batch, OBJECTS, PACKICE_BATCH_RELEASE);
    go(target.other, batch, OBJECTS, PACKICE_BATCH_GET);
    for (size_t i = 0; i < OBJECTS; i++)
        ck_assert_uint_eq(packice_lease_blob_count(batch->items[i].lease), BLOBS);
    go(target.other, batch, OBJECTS, PACKICE_BATCH_RELEASE);
    no_lease_is_left();
    free(batch);
}
END_TEST

START_TEST(sdk_keeps_requests_within_what_a_node_takes)
{
    enum { OBJECTS = 40 };
    struct batch *batch = new_batch(OBJECTS);
    char *meta = malloc(60009);
    ck_assert_ptr_nonnull(meta);
    (void)memset(meta, 'x', 60008);
    (void)memcpy(meta, "{\"a\":\"", 6);
    (void)memcpy(meta + 60006, "\"}", 3);
    for (size_t i = 0; i < OBJECTS; i++)
        batch->creates[i].meta = meta;
    go(target.client, batch, OBJECTS, PACKICE_BATCH_CREATE);
    ck_assert_str_eq(packice_lease_meta(batch->items[39].lease), meta);
    go(target.client, batch, OBJECTS, PACKICE_BATCH_RELEASE);
    free(meta);
    free(batch);
}
END_TEST

START_TEST(sdk_refuses_leases_of_another_client_in_a_batch)
{
    struct packice_batch_item item = { .op = PACKICE_BATCH_SEAL };
    MUST(packice_create(target.other, "foreign", 1, &item.lease));
    MUST(packice_batch(target.client, &item, 1));
    ck_assert_int_eq(item.status, -EINVAL);
    ck_assert_ptr_nonnull(item.lease);
    MUST(packice_batch(target.other, &item, 1));
    ck_assert_int_eq(item.status, 0);
    MUST(packice_release(item.lease));
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_does_many_at_once, ON_ALL },
        { sdk_tells_each_item_its_own_status, ON_ALL },
        { sdk_gets_objects_of_many_blobs_at_once, ON_ALL },
        { sdk_keeps_requests_within_what_a_node_takes, ON_ALL },
        { sdk_refuses_leases_of_another_client_in_a_batch, ON_SHARED },
    };
    return RUN_CASES("sdk_batch", cases);
}
