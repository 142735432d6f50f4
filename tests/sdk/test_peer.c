/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers of this process: their bounds, who shares one, and how long it lives.
 */
#include "target.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

START_TEST(sdk_keeps_a_private_peer_to_its_client)
{
    packice_client *other = target_connect();
    packice_lease *lease = NULL;
    MUST(packice_put(target.client, "mine", "x", 1, NULL));
    FAILS(packice_get(other, "mine", 0, &lease), -ENOENT);
    packice_client_free(other);
}
END_TEST

START_TEST(sdk_shares_a_named_peer_while_anybody_has_it)
{
    packice_client *other = NULL;
    packice_lease *lease = NULL;
    MUST(packice_put(target.client, "shared", "x", 1, NULL));
    MUST(packice_connect("memory://another", &other));
    FAILS(packice_get(other, "shared", 0, &lease), -ENOENT);
    MUST(packice_put(other, "forgotten", "x", 1, NULL));
    packice_client_free(other);
    MUST(packice_connect("memory://another", &other));
    FAILS(packice_get(other, "forgotten", 0, &lease), -ENOENT);
    packice_client_free(other);
    MUST(packice_get(target.other, "shared", 0, &lease));
    MUST(packice_release(lease));
}
END_TEST

static void *
come_and_go(void *arg)
{
    const char *id = arg;
    for (int i = 0; i < 30; i++) {
        packice_client *client = NULL;
        packice_lease *lease = NULL;
        MUST(packice_connect("memory://busy", &client));
        MUST(packice_put(client, id, id, strlen(id), &lease));
        MUST(packice_discard(client, id));
        packice_client_free(client);
        MUST(packice_release(lease));
    }
    return NULL;
}

START_TEST(sdk_makes_and_ends_a_named_peer_in_many_threads)
{
    static char ids[4][2] = { "a", "b", "c", "d" };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, ids[i]), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

START_TEST(sdk_lets_a_peer_live_until_its_last_client)
{
    packice_peer *peer = NULL;
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    void *data = NULL;
    MUST(packice_peer_new(NULL, &peer));
    MUST(packice_connect_peer(peer, &client));
    packice_peer_free(peer);
    MUST(packice_put(client, "kept", "data", 5, &lease));
    MUST(packice_map(lease, 0, &data, NULL));
    packice_client_free(client);
    ck_assert_str_eq(data, "data");
    MUST(packice_release(lease));
    packice_peer_free(NULL);
}
END_TEST

START_TEST(sdk_bounds_a_peer_as_told)
{
    struct packice_peer_options options = PACKICE_PEER_OPTIONS_INIT;
    packice_peer *peer = NULL;
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    packice_lease *second = NULL;
    options.capacity = 10000;
    options.max_object = 6000;
    options.max_objects = 2;
    options.default_ttl = 200000;
    MUST(packice_peer_new(&options, &peer));
    MUST(packice_connect_peer(peer, &client));
    FAILS(packice_create(client, "large", 6001, &lease), -EFBIG);
    MUST(packice_create(client, "first", 6000, &lease));
    FAILS(packice_create(client, "second", 4001, &second), -ENOSPC);
    MUST(packice_create(client, "second", 4000, &second));
    MUST(packice_release(second));
    MUST(packice_put(client, "second", "", 0, NULL));
    FAILS(packice_create(client, "third", 0, &second), -ENOSPC);
    MUST(packice_release(lease));
    struct packice_get_options get = PACKICE_GET_OPTIONS_INIT;
    get.id = "second";
    get.flags = PACKICE_UNBOUND;
    MUST(packice_get_with(client, &get, &lease));
    ck_assert(packice_lease_ttl(lease) == 200000);
    MUST(packice_release(lease));
    packice_client_free(client);
    packice_peer_free(peer);
}
END_TEST

START_TEST(sdk_refuses_peers_that_cannot_be)
{
    struct packice_peer_options options = PACKICE_PEER_OPTIONS_INIT;
    packice_peer *peer = NULL;
    options.flags = 1;
    FAILS(packice_peer_new(&options, &peer), -EINVAL);
    options.flags = 0;
    options.default_ttl = NAN;
    FAILS(packice_peer_new(&options, &peer), -EINVAL);
    options.default_ttl = 0;
    options.struct_size = 3;
    FAILS(packice_peer_new(&options, &peer), -EINVAL);
    ck_assert_ptr_null(peer);
    ck_assert_str_eq(packice_version(), PACKICE_VERSION);
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_keeps_a_private_peer_to_its_client, ON(TARGET_PRIVATE) },
        { sdk_shares_a_named_peer_while_anybody_has_it, ON(TARGET_NAMED) },
        { sdk_makes_and_ends_a_named_peer_in_many_threads, ON(TARGET_NAMED) },
        { sdk_lets_a_peer_live_until_its_last_client, ON(TARGET_PEER) },
        { sdk_bounds_a_peer_as_told, ON(TARGET_PEER) },
        { sdk_refuses_peers_that_cannot_be, ON(TARGET_PEER) },
    };
    return RUN_CASES("sdk_peer", cases);
}
