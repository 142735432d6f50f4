/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: who may do what, how they end, and what is left when they do.
 */
#include "target.h"
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Options of one blob of one byte. */
static struct packice_create_options
one_byte(const char *id)
{
    static const uint64_t size = 1;
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    options.id = id;
    options.sizes = &size;
    return options;
}

START_TEST(sdk_hides_an_object_until_it_is_sealed)
{
    packice_lease *lease = NULL;
    packice_lease *reader = NULL;
    FAILS(packice_get(target.other, "hidden", 0, &reader), -ENOENT);
    MUST(packice_create(target.client, "hidden", 1, &lease));
    FAILS(packice_get(target.other, "hidden", 0, &reader), -EAGAIN);
    ck_assert_str_eq(packice_error_name(-EAGAIN), "not_sealed");
    MUST(packice_seal(lease));
    MUST(packice_get(target.other, "hidden", 0, &reader));
    MUST(packice_release(reader));
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_refuses_to_seal_by_a_read_lease)
{
    packice_lease *reader = NULL;
    MUST(packice_put(target.client, "sealed", "x", 1, NULL));
    MUST(packice_get(target.other, "sealed", 0, &reader));
    FAILS(packice_seal(reader), -EACCES);
    FAILS(packice_write(reader, 0, 0, "y", 1), -EACCES);
    MUST(packice_release(reader));
}
END_TEST

START_TEST(sdk_seals_twice_without_harm)
{
    packice_lease *lease = NULL;
    void *data = NULL;
    void *again = NULL;
    MUST(packice_create(target.client, "twice", 10, &lease));
    MUST(packice_seal(lease));
    MUST(packice_map(lease, 0, &data, NULL));
    MUST(packice_seal(lease));
    MUST(packice_map(lease, 0, &again, NULL));
    ck_assert_ptr_eq(data, again);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_cannot_seal_under_a_foreign_map_until_it_is_gone)
{
    packice_lease *lease = NULL;
    packice_lease *reader = NULL;
    FILE *file = NULL;
    int fd = -1;
    void *data = NULL;
    MUST(packice_create(target.client, "busy", 4096, &lease));
    MUST(packice_write(lease, 0, 0, "before", 6));
    MUST(packice_lease_blob_fd(lease, 0, &fd));
    char *foreign = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(foreign, MAP_FAILED);
    ck_assert_int_eq(close(fd), 0);
    FAILS(packice_seal(lease), -EBUSY);
    ck_assert_uint_eq(packice_lease_state(lease), PACKICE_CREATING);
    FAILS(packice_write(lease, 0, 0, "x", 1), -EACCES); /* its writers are gone */
    FAILS(packice_map(lease, 0, &data, NULL), -EACCES);
    FAILS(packice_open(lease, 0, &file), -EACCES);
    FAILS(packice_lease_blob_fd(lease, 0, &fd), -EACCES);
    (void)memcpy(foreign, "after.", 6);
    ck_assert_int_eq(munmap(foreign, 4096), 0);
    MUST(packice_seal(lease));
    MUST(packice_map(lease, 0, &data, NULL));
    ck_assert_mem_eq(data, "after.", 6);
    MUST(packice_get(target.other, "busy", 0, &reader));
    MUST(packice_release(reader));
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_discards_an_object_that_is_not_of_its_size)
{
    const uint64_t sizes[] = { 100, 100 };
    struct packice_create_options options = one_byte("cut");
    packice_lease *lease = NULL;
    int fd = -1;
    options.sizes = sizes;
    options.blob_count = 2;
    MUST(packice_create_with(target.client, &options, &lease));
    MUST(packice_lease_blob_fd(lease, 1, &fd));
    ck_assert_int_eq(ftruncate(fd, 50), 0);
    ck_assert_int_eq(close(fd), 0);
    FAILS(packice_seal(lease), -EINVAL);
    FAILS(packice_seal(lease), -ESTALE);
    MUST(packice_release(lease));
    MUST(packice_put(target.other, "cut", "x", 1, NULL));
}
END_TEST

START_TEST(sdk_frees_the_name_of_an_abandoned_create)
{
    packice_lease *lease = NULL;
    packice_lease *reader = NULL;
    MUST(packice_create(target.client, "abandoned", 1000, &lease));
    MUST(packice_release(lease));
    FAILS(packice_get(target.other, "abandoned", 0, &reader), -ENOENT);
    MUST(packice_create(target.other, "abandoned", 1, &lease));
    MUST(packice_seal(lease));
    MUST(packice_release(lease));
    MUST(packice_get(target.client, "abandoned", 0, &reader));
    MUST(packice_release(reader));
    MUST(packice_release(NULL));
    packice_detach(NULL);
}
END_TEST

START_TEST(sdk_waits_no_longer_than_told)
{
    packice_lease *lease = NULL;
    packice_lease *creator = NULL;
    FAILS(packice_get(target.client, "never", 0.01, &lease), -ETIMEDOUT);
    MUST(packice_create(target.client, "never", 1, &creator));
    FAILS(packice_get(target.other, "never", 0.01, &lease), -ETIMEDOUT);
    MUST(packice_release(creator));
    ck_assert_ptr_null(lease);
}
END_TEST

START_TEST(sdk_tells_a_repeated_request_the_same_lease)
{
    struct packice_create_options options = one_byte("repeat");
    packice_lease *first = NULL;
    packice_lease *second = NULL;
    options.request_id = "request 1";
    MUST(packice_create_with(target.client, &options, &first));
    MUST(packice_create_with(target.client, &options, &second));
    ck_assert_str_eq(packice_lease_id(first), packice_lease_id(second));
    options.request_id = "request 2";
    packice_lease *third = NULL;
    FAILS(packice_create_with(target.client, &options, &third), -EEXIST);
    packice_detach(second); /* its writer would keep a file from being sealed */
    MUST(packice_seal(first));
    MUST(packice_release(first));
}
END_TEST

START_TEST(sdk_gives_bound_leases_no_end_unless_told)
{
    struct packice_create_options options = one_byte("terms");
    packice_lease *lease = NULL;
    double ttl = 0;
    MUST(packice_create_with(target.client, &options, &lease));
    ck_assert(packice_lease_ttl(lease) == PACKICE_FOREVER);
    MUST(packice_renew(lease, 30, &ttl));
    ck_assert(ttl == 30 && packice_lease_ttl(lease) == 30);
    MUST(packice_release(lease));
    options.ttl = 12.5;
    MUST(packice_create_with(target.client, &options, &lease));
    ck_assert(packice_lease_ttl(lease) == 12.5);
    FAILS(packice_renew(lease, -1, &ttl), -EINVAL);
    FAILS(packice_renew(lease, NAN, &ttl), -EINVAL);
    FAILS(packice_renew(lease, PACKICE_FOREVER, &ttl), -EINVAL);
    MUST(packice_renew(lease, 20, NULL));
    ck_assert(packice_lease_ttl(lease) == 20);
    MUST(packice_release(lease));
    options.flags = PACKICE_UNBOUND;
    options.ttl = 0;
    MUST(packice_create_with(target.client, &options, &lease));
    ck_assert(packice_lease_ttl(lease) == 60); /* the peer's default */
    MUST(packice_release(lease));
    options.ttl = PACKICE_FOREVER;
    FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
}
END_TEST

START_TEST(sdk_keeps_unbound_leases_beyond_their_client)
{
    struct packice_create_options options = one_byte("unbound");
    packice_client *client = target_connect();
    packice_lease *bound = NULL;
    packice_lease *unbound = NULL;
    packice_lease *reader = NULL;
    char lease_id[64];
    double ttl = 0;
    options.flags = PACKICE_UNBOUND;
    options.ttl = 50;
    MUST(packice_create_with(client, &options, &unbound));
    (void)snprintf(lease_id, sizeof(lease_id), "%s", packice_lease_id(unbound));
    options = one_byte("bound");
    MUST(packice_create_with(client, &options, &bound));
    packice_client_free(client);
    FAILS(packice_seal(unbound), -EPIPE);
    FAILS(packice_renew(bound, 1, NULL), -EPIPE);
    FAILS(packice_release(unbound), -EPIPE);
    MUST(packice_release(bound)); /* it ended with its client */
    FAILS(packice_create(target.other, "unbound", 1, &reader), -EEXIST);
    MUST(packice_renew_id(target.other, lease_id, 40, &ttl));
    ck_assert(ttl == 40);
    MUST(packice_release_id(target.client, lease_id));
    MUST(packice_release_id(target.client, lease_id));
    FAILS(packice_renew_id(target.other, lease_id, 40, &ttl), -ESTALE);
    FAILS(packice_renew_id(target.other, "short", 40, &ttl), -EINVAL);
    FAILS(packice_release_id(target.other, NULL), -EINVAL);
    MUST(packice_create(target.other, "unbound", 1, &reader));
    MUST(packice_release(reader));
}
END_TEST

START_TEST(sdk_reads_on_when_its_client_is_gone)
{
    packice_client *client = target_connect();
    packice_lease *lease = NULL;
    char bytes[5000];
    void *data = NULL;
    uint64_t count = 0;
    fill(bytes, sizeof(bytes), 4);
    MUST(packice_put(client, "outlived", bytes, sizeof(bytes), &lease));
    MUST(packice_map(lease, 0, &data, NULL));
    packice_client_free(client);
    ck_assert(filled(data, sizeof(bytes), 4));
    MUST(packice_read(lease, 0, 0, bytes, sizeof(bytes), &count));
    ck_assert_uint_eq(count, sizeof(bytes));
    ck_assert(filled(bytes, sizeof(bytes), 4));
    MUST(packice_release(lease));
}
END_TEST

static bool
is_gone(void *arg)
{
    struct packice_object *object = NULL;
    int rc = packice_stat(target.client, arg, &object);
    packice_object_free(object);
    return rc == -ENOENT;
}

START_TEST(sdk_renews_a_timed_lease_by_itself)
{
    struct packice_create_options options = one_byte("kept");
    packice_lease *kept = NULL;
    packice_lease *lost = NULL;
    options.ttl = 2;
    MUST(packice_create_with(target.client, &options, &kept));
    options.id = "lost";
    options.flags = PACKICE_NO_RENEW;
    for (int i = 0; i < 2; i++) { /* each lives as long as the other would without renewal */
        MUST(packice_create_with(target.client, &options, &lost));
        await(is_gone, (void *)(uintptr_t) "lost", "the lease that is not renewed ends");
        FAILS(packice_seal(lost), -ESTALE);
        ck_assert_str_eq(packice_error_name(-ESTALE), "lease_not_found");
        MUST(packice_release(lost));
    }
    MUST(packice_seal(kept));
    MUST(packice_release(kept));
}
END_TEST

START_TEST(sdk_refuses_nonsense_in_options)
{
    packice_lease *lease = NULL;
    struct packice_create_options options = one_byte("options");
    FAILS(packice_create_with(target.client, NULL, &lease), -EINVAL);
    FAILS(packice_get_with(target.client, NULL, &lease), -EINVAL);
    options.struct_size = 0;
    FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
    options = one_byte("options");
    options.flags = 4;
    FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
    options = one_byte("options");
    options.blob_count = PACKICE_BLOBS_MAX + 1;
    FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
    options = one_byte("options");
    options.request_id = "";
    FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
    options = one_byte("options");
    options.object_ttl = -0.5;
    FAILS(packice_create_with(target.client, &options, &lease), -EINVAL);
    FAILS(packice_create(target.client, "options", UINT64_MAX - 1, &lease), -EINVAL);
    FAILS(packice_get(target.client, "options", -1, &lease), -EINVAL);
    FAILS(packice_get(target.client, "options", NAN, &lease), -EINVAL);
    FAILS(packice_client_set_timeout(target.client, 0), -EINVAL);
    MUST(packice_client_set_timeout(target.client, PACKICE_FOREVER));
    /* a caller built against an older, shorter struct */
    options = one_byte("options");
    options.struct_size = (uint32_t)offsetof(struct packice_create_options, ttl);
    options.ttl = NAN;
    MUST(packice_create_with(target.client, &options, &lease));
    MUST(packice_release(lease));
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_hides_an_object_until_it_is_sealed, ON_ALL },
        { sdk_refuses_to_seal_by_a_read_lease, ON_ALL },
        { sdk_seals_twice_without_harm, ON_ALL },
        { sdk_cannot_seal_under_a_foreign_map_until_it_is_gone, ON_ALL },
        { sdk_discards_an_object_that_is_not_of_its_size, ON_ALL },
        { sdk_frees_the_name_of_an_abandoned_create, ON_ALL },
        { sdk_waits_no_longer_than_told, ON_ALL },
        { sdk_tells_a_repeated_request_the_same_lease, ON_ALL },
        { sdk_gives_bound_leases_no_end_unless_told, ON_ALL },
        { sdk_keeps_unbound_leases_beyond_their_client, ON_SHARED },
        { sdk_reads_on_when_its_client_is_gone, ON_ALL },
        { sdk_renews_a_timed_lease_by_itself, ON_ALL },
        { sdk_refuses_nonsense_in_options, ON_ALL },
    };
    return RUN_CASES("sdk_leases", cases);
}
