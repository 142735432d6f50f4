/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SDK without memory: one allocation after the other fails, in all that a client does, and the
 * client says so, keeps nothing, and the peer gets everything back.
 */
#include "target.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many allocations from now the next failure is; 0 = none. */
static atomic_long fail_in;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
char *__wrap_strdup(const char *text);

static bool
fails(void)
{
    return atomic_load(&fail_in) > 0 && atomic_fetch_sub(&fail_in, 1) == 1;
}

void *
__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *pointer, size_t size)
{
    return fails() ? NULL : __real_realloc(pointer, size);
}

char *
__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

/* Something that no failed allocation explains. Nothing is asserted while they fail: Check needs
 * memory for that, too. */
#define WRONG (-EBADMSG)

static int
create(packice_client *client, packice_lease **ret_lease)
{
    const uint64_t sizes[] = { 100, PACKICE_UNSIZED };
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    options.id = "object";
    options.sizes = sizes;
    options.blob_count = 2;
    options.meta = "{\"a\": 1}";
    options.request_id = "once";
    options.ttl = 30;
    return packice_create_with(client, &options, ret_lease);
}

static int
use_bytes(packice_lease *lease)
{
    FILE *file = NULL;
    void *data = NULL;
    int rc = packice_write(lease, 0, 0, "data", 4);
    if (rc == 0)
        rc = packice_map(lease, 0, &data, NULL);
    if (rc == 0)
        rc = packice_open(lease, 1, &file);
    if (file != NULL && fclose(file) != 0)
        return WRONG;
    return rc;
}

static int
read_back(packice_client *client)
{
    packice_lease *lease = NULL;
    void *data = NULL;
    int rc = packice_get(client, "object", 0, &lease);
    if (rc == 0)
        rc = packice_map(lease, 0, &data, NULL);
    if (rc == 0 && memcmp(data, "data", 4) != 0)
        rc = WRONG;
    int released = packice_release(lease);
    return rc != 0 ? rc : released;
}

static int
look_around(packice_client *client)
{
    struct packice_object *object = NULL;
    const struct packice_object *listed = NULL;
    packice_list *list = NULL;
    int rc = packice_stat(client, "object", &object);
    packice_object_free(object);
    if (rc == 0)
        rc = packice_list_new(client, "ob", 0, &list);
    if (rc == 0)
        rc = packice_list_next(list, &listed);
    if (rc == 0 && (listed == NULL || strcmp(listed->id, "object") != 0))
        rc = WRONG;
    packice_list_free(list);
    return rc;
}

static int
do_batch(packice_client *client)
{
    struct packice_get_options get = PACKICE_GET_OPTIONS_INIT;
    get.id = "object";
    struct packice_batch_item items[2] = { { .op = PACKICE_BATCH_GET, .get = &get },
                                           { .op = PACKICE_BATCH_GET, .get = &get } };
    int rc = packice_batch(client, items, 2);
    for (int i = 0; i < 2; i++) {
        rc = rc != 0 ? rc : items[i].status;
        int released = packice_release(items[i].lease);
        rc = rc != 0 ? rc : released;
    }
    return rc;
}

static int
use_lease(packice_client *client, packice_lease *lease)
{
    int rc = use_bytes(lease);
    if (rc == 0)
        rc = packice_seal(lease);
    if (rc == 0)
        rc = read_back(client);
    if (rc == 0)
        rc = look_around(client);
    if (rc == 0)
        rc = do_batch(client);
    if (rc == 0)
        rc = packice_renew(lease, 20, NULL);
    return rc;
}

static int
connect_again(packice_client **ret_client)
{
    return packice_connect(target_has_node() ? target.socket : NULL, ret_client);
}

/* All that a client does; the first error. */
static int
do_everything(void)
{
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    int rc = connect_again(&client);
    if (rc == 0)
        rc = create(client, &lease);
    if (rc == 0)
        rc = use_lease(client, lease);
    int released = packice_release(lease);
    rc = rc != 0 ? rc : released;
    if (rc == 0)
        rc = packice_discard(client, "object");
    packice_client_free(client);
    return rc;
}

static bool
is_alone(void *arg)
{
    packice_client *client = arg;
    return target_figure(client, "sessions") == 1 && target_figure(client, "leases") == 0;
}

START_TEST(sdk_survives_every_failed_allocation)
{
    int fds = count_fds(getpid());
    long failures = 0;
    if (target_has_node()) { /* only those that this test makes count */
        packice_client_free(target.other);
        target.other = NULL;
    }
    for (;;) {
        atomic_store(&fail_in, failures + 1);
        int rc = do_everything();
        bool failed = atomic_exchange(&fail_in, 0) <= 0;
        if (!failed) {
            MUST(rc); /* nothing stood in the way this time */
            break;
        }
        failures++;
        ck_assert_int_ne(rc, WRONG);
        if (rc != 0)
            ck_assert_msg(packice_error_message()[0] != '\0', "%d without a message", rc);
        if (target_has_node()) {
            await(is_alone, target.client, "the node has everything back");
            (void)packice_discard(target.client, "object");
        }
        ck_assert_int_le(count_fds(getpid()), fds);
    }
    ck_assert_int_gt(failures, 30);
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_survives_every_failed_allocation, ON(TARGET_PRIVATE) | ON_NODES },
    };
    return RUN_CASES("sdk_memory", cases);
}
