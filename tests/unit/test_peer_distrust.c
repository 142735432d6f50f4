/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factories that break their contract: whatever they say, the peer answers with an error, and
 * nobody else's objects or leases suffer.
 */
#include "peer_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#define ELSEWHERE 9007199254740000U /* an epoch that lease_mem has not come to */

static void
open_plain(void)
{
    world_open(&world, &plain_options);
}

static void
open_durable(void)
{
    struct world_options options = plain_options;

    options.durable = true;
    world_open(&world, &options);
}

/* ---- leases ---- */

static int32_t (*real_grant)(void *instance, const struct pk_lease_request *request,
                             struct pk_lease *ret_lease, struct pk_error *err);
static void (*spoil)(struct pk_lease *lease);
static struct pk_lease known; /* of the object that is there already */

static int32_t
spoilt_grant(void *instance, const struct pk_lease_request *request, struct pk_lease *ret_lease,
             struct pk_error *err)
{
    int32_t rc = real_grant(instance, request, ret_lease, err);
    if (rc == 0)
        spoil(ret_lease);
    return rc;
}

static void
spoil_epoch(struct pk_lease *lease)
{
    lease->epoch = lease->access == PK_ACCESS_CREATE ? 0 : known.epoch;
}

static void
spoil_no_epoch(struct pk_lease *lease)
{
    lease->epoch = 0;
}

static void
spoil_object(struct pk_lease *lease)
{
    (void)snprintf(lease->object_id, sizeof(lease->object_id), "another");
}

static void
spoil_access(struct pk_lease *lease)
{
    lease->access ^= PK_ACCESS_READ | PK_ACCESS_CREATE;
}

static void
spoil_ids(struct pk_lease *lease)
{
    memset(lease->lease_id, 'x', sizeof(lease->lease_id));
    memset(lease->object_id, 'x', sizeof(lease->object_id));
}

static void
spoil_lease_id(struct pk_lease *lease)
{
    memcpy(lease->lease_id, known.lease_id, sizeof(lease->lease_id));
}

START_TEST(grant_that_makes_no_sense_harms_nobody)
{
    static void (*const spoils[])(struct pk_lease * lease) = {
        spoil_epoch, spoil_no_epoch, spoil_object, spoil_access, spoil_ids,
    };
    char id[16];

    open_plain();
    struct answer sealed = put("known", 1);
    struct answer making = create_sized("making", 1);
    known.epoch = making.epoch;
    real_grant = world.lease->ops.lease.grant;
    world.lease->ops.lease.grant = spoilt_grant;
    for (uint32_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
        spoil = spoils[i];
        (void)snprintf(id, sizeof(id), "x%u", i);
        ck_assert_int_eq(create_sized(id, 1).status, -EIO);
        ck_assert_int_eq(read_object("known").status, -EIO);
        ck_assert_uint_eq(stat_of("objects"), 2);
        ck_assert_uint_eq(stat_of("bytes"), 2);
    }
    world.lease->ops.lease.grant = real_grant;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, making.lease_id).status, 0);
    ck_assert_int_eq(read_object("known").status, 0);
    ck_assert_uint_eq(read_object("known").epoch, sealed.epoch);
    close_world();
}
END_TEST

START_TEST(lease_id_that_is_given_twice_leaves_the_first_alone)
{
    open_plain();
    struct answer making = create_sized("making", 1);
    memcpy(known.lease_id, making.lease_id, sizeof(known.lease_id));
    real_grant = world.lease->ops.lease.grant;
    world.lease->ops.lease.grant = spoilt_grant;
    spoil = spoil_lease_id;
    ck_assert_int_eq(create_sized("x", 1).status, -EIO);
    world.lease->ops.lease.grant = real_grant;
    ck_assert_uint_eq(stat_of("objects"), 1);
    ck_assert_uint_eq(stat_of("leases"), 1);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "making").status, 0);
    close_world();
}
END_TEST

static int32_t
renew_of_another(void *instance, const char *lease_id, uint64_t ttl, struct pk_lease *ret_lease,
                 struct pk_error *err)
{
    (void)instance;
    (void)lease_id;
    (void)ttl;
    (void)err;
    memset(ret_lease, 'x', sizeof(*ret_lease));
    ret_lease->access = PK_ACCESS_READ;
    return 0;
}

START_TEST(renew_that_tells_of_another_lease_is_an_error)
{
    open_plain();
    struct answer created = create_sized("x", 1);
    world.lease->ops.lease.renew = renew_of_another;
    ck_assert_int_eq(lease_verb(PK_VERB_RENEW, created.lease_id).status, -EIO);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    close_world();
}
END_TEST

START_TEST(end_of_a_lease_without_a_proper_id_is_ignored)
{
    struct pk_lease lease;

    open_plain();
    (void)create_sized("x", 1);
    memset(&lease, 'x', sizeof(lease));
    pk_peer_lease_ended(world.peer, &lease);
    pk_peer_changed(world.peer, NULL);
    ck_assert_uint_eq(stat_of("leases"), 1);
    close_world();
}
END_TEST

/* ---- storage ---- */

static int32_t (*real_lookup)(void *instance, const char *object_id, pk_blob_emit_fn *emit,
                              void *arg, struct pk_error *err);
static void (*distort)(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs);
static pk_blob_emit_fn *real_emit;
static void *real_arg;
static uint32_t emits;

static void
distorted_emit(void *arg, const struct pk_blob_found *found)
{
    struct pk_manifest manifest = *found->manifest;
    struct pk_blob_found distorted = *found;
    void *blobs[PK_BLOBS_MAX] = { NULL };

    (void)arg;
    if (found->blobs != NULL)
        memcpy(blobs, found->blobs, manifest.blob_count * sizeof(void *));
    distorted.manifest = &manifest;
    distorted.blobs = blobs;
    distort(&distorted, &manifest, blobs);
    for (uint32_t i = 0; i < emits; i++)
        real_emit(real_arg, &distorted);
}

static int32_t
distorted_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
                 struct pk_error *err)
{
    real_emit = emit;
    real_arg = arg;
    return real_lookup(instance, object_id, distorted_emit, NULL, err);
}

static void *lost[PK_BLOBS_MAX]; /* what a distortion kept back, to be freed by the test */

static void
one_blob_missing(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs)
{
    (void)found;
    (void)manifest;
    lost[0] = blobs[0];
    blobs[0] = NULL;
}

static void
fewer_blobs(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs)
{
    (void)found;
    manifest->blob_count--;
    lost[0] = blobs[manifest->blob_count];
}

static void
other_sizes(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs)
{
    static const uint64_t sizes[2] = { 400, 400 };

    (void)found;
    (void)blobs;
    manifest->sizes = sizes;
}

static void
unlike_sizes(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs)
{
    static const uint64_t sizes[2] = { PK_SIZE_MAX, PK_SIZE_MAX };

    (void)found;
    (void)blobs;
    manifest->sizes = sizes;
}

static void
no_blobs(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs)
{
    (void)manifest;
    memcpy(lost, blobs, 2 * sizeof(void *));
    found->blobs = NULL;
}

static void
another_id(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs)
{
    (void)found;
    (void)blobs;
    manifest->key.id = "another";
}

static void
keep_both(struct pk_blob_found *found, struct pk_manifest *manifest, void **blobs)
{
    (void)found;
    (void)manifest;
    memcpy(lost, blobs, 2 * sizeof(void *));
}

static void
free_lost(void)
{
    for (uint32_t i = 0; i < PK_BLOBS_MAX; i++) {
        if (lost[i] != NULL)
            world.blob->ops.blob.free(lost[i]);
        lost[i] = NULL;
    }
}

static void
put_two(void)
{
    const uint64_t sizes[2] = { 5, 6 };
    struct answer created = ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                                     .access = PK_ACCESS_CREATE,
                                                     .object_id = "x",
                                                     .sizes = sizes,
                                                     .blob_count = 2 });
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
}

START_TEST(lookup_that_makes_no_sense_is_an_error_and_leaks_nothing)
{
    static void (*const distortions[])(struct pk_blob_found * found, struct pk_manifest * manifest,
                                       void **blobs) = {
        one_blob_missing, fewer_blobs, other_sizes, unlike_sizes, no_blobs, another_id,
    };

    open_durable();
    put_two();
    real_lookup = world.blob->ops.blob.lookup;
    for (uint32_t i = 0; i < sizeof(distortions) / sizeof(distortions[0]); i++) {
        world_restart(&world); /* it is recovered, and looked up when it is wanted */
        distort = distortions[i];
        emits = 1;
        world.blob->ops.blob.lookup = distorted_lookup;
        struct answer read = read_object("x");
        ck_assert_msg(read.status == -EIO, "distortion %u: %d", i, read.status);
        ck_assert_str_ne(read.message, "");
        free_lost();
        world.blob->ops.blob.lookup = real_lookup;
        ck_assert_int_eq(read_object("x").status, 0);
    }
    close_world();
}
END_TEST

START_TEST(lookup_that_emits_nothing_is_an_error)
{
    open_durable();
    put_two();
    world_restart(&world);
    real_lookup = world.blob->ops.blob.lookup;
    world.blob->ops.blob.lookup = distorted_lookup;
    distort = keep_both;
    emits = 0;
    ck_assert_int_eq(read_object("x").status, -EIO);
    free_lost();
    world.blob->ops.blob.lookup = real_lookup;
    ck_assert_int_eq(read_object("x").status, 0);
    close_world();
}
END_TEST

/* ---- what slots return ---- */

static int32_t nonsense; /* what the slots below return, without a word */

static int32_t
odd_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size, void **ret_blob,
           struct pk_error *err)
{
    (void)instance;
    (void)key;
    (void)index;
    (void)size;
    (void)ret_blob;
    (void)err;
    return nonsense;
}

static int32_t
odd_seal(void *blob, uint64_t size, struct pk_error *err)
{
    (void)blob;
    (void)size;
    memset(err->message, 'x', sizeof(err->message));
    return nonsense;
}

static int32_t
odd_handle(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    (void)blob;
    (void)access;
    (void)emit;
    (void)arg;
    (void)err;
    return nonsense;
}

static int32_t
odd_read(void *blob, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
         struct pk_error *err)
{
    (void)blob;
    (void)offset;
    (void)data;
    (void)err;
    *ret_size = size + 1;
    return nonsense;
}

static int32_t
odd_renew(void *instance, const char *lease_id, uint64_t ttl, struct pk_lease *ret_lease,
          struct pk_error *err)
{
    (void)instance;
    (void)lease_id;
    (void)ttl;
    (void)ret_lease;
    (void)err;
    return nonsense;
}

static void
expect_io(struct answer answer)
{
    ck_assert_int_eq(answer.status, -EIO);
    ck_assert_str_ne(answer.message, "");
}

START_TEST(answers_that_are_no_errors_are_taken_for_some)
{
    static const int32_t odd[] = { 7, INT32_MAX, INT32_MIN, -100000 };
    char bytes[4];

    open_plain();
    const struct pk_blob_ops real = world.blob->ops.blob;
    struct answer created = create_sized("x", 1);
    for (uint32_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        nonsense = odd[i];
        world.blob->ops.blob.create = odd_create;
        world.blob->ops.blob.seal = odd_seal;
        world.blob->ops.blob.handle = odd_handle;
        world.blob->ops.blob.read = odd_read;
        world.lease->ops.lease.renew = odd_renew;
        expect_io(create_sized("y", 1));
        expect_io(lease_verb(PK_VERB_SEAL, created.lease_id));
        expect_io(lease_verb(PK_VERB_RENEW, created.lease_id));
        expect_io(ask((struct pk_request){
            .verb = PK_VERB_READ, .lease_id = created.lease_id, .data = bytes, .data_size = 4 }));
        world.blob->ops.blob = real;
        world.blob->ops.blob.handle = odd_handle;
        expect_io(create_sized("y", 1));
        world.blob->ops.blob = real;
    }
    nonsense = 0; /* which is worse: nothing was done */
    world.blob->ops.blob.create = odd_create;
    expect_io(create_sized("y", 1));
    world.blob->ops.blob = real;
    world.blob->ops.blob.handle = odd_handle;
    expect_io(create_sized("y", 1));
    world.blob->ops.blob.read = odd_read;
    expect_io(ask((struct pk_request){
        .verb = PK_VERB_READ, .lease_id = created.lease_id, .data = bytes, .data_size = 4 }));
    world.blob->ops.blob = real;
    ck_assert_uint_eq(stat_of("objects"), 1);
    close_world();
}
END_TEST

START_TEST(error_without_a_message_gets_one)
{
    open_plain();
    world.blob->ops.blob.create = odd_create;
    nonsense = -ENOSPC;
    struct answer created = create_sized("x", 1);
    ck_assert_int_eq(created.status, -ENOSPC);
    ck_assert_ptr_nonnull(strstr(created.message, "No space"));
    close_world();
}
END_TEST

static uint32_t
open_descriptors(void)
{
    uint32_t count = 0;
    DIR *folder = opendir("/proc/self/fd");

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

static uint32_t handle_kind; /* of the handles below */
static uint32_t handle_count;

static int32_t
many_handles(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    (void)blob;
    (void)access;
    (void)err;
    for (uint32_t i = 0; i < handle_count; i++) {
        const struct pk_handle handle = {
            .struct_size = sizeof(handle),
            .kind = handle_kind,
            .fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
            .text = handle_kind == PK_HANDLE_PATH ? "/dev/null" : NULL,
        };
        emit(arg, &handle);
    }
    return nonsense;
}

START_TEST(handles_that_were_not_asked_for_are_closed)
{
    open_plain();
    uint32_t before = open_descriptors();
    world.blob->ops.blob.handle = many_handles;
    handle_count = 3;
    for (handle_kind = PK_HANDLE_FD; handle_kind <= PK_HANDLE_PATH; handle_kind++) {
        nonsense = 0;
        expect_io(create_sized("x", 1));
        nonsense = -EBUSY;
        ck_assert_int_eq(create_sized("x", 1).status, -EBUSY);
        ck_assert_uint_eq(open_descriptors(), before);
    }
    close_world();
}
END_TEST

static void
take_path(void *arg, const struct pk_reply *reply)
{
    int *fd = arg;

    ck_assert_int_eq(reply->status, 0);
    ck_assert_uint_eq(reply->handles[0].kind, PK_HANDLE_PATH);
    ck_assert_str_eq(reply->handles[0].text, "/dev/null");
    *fd = reply->handles[0].fd;
}

START_TEST(descriptor_beside_a_path_belongs_to_whoever_is_told)
{
    const struct pk_request request = {
        .struct_size = sizeof(request),
        .verb = PK_VERB_ACQUIRE,
        .access = PK_ACCESS_CREATE,
        .object_id = "x",
    };
    int fd = -1;

    open_plain();
    uint32_t before = open_descriptors();
    world.blob->ops.blob.handle = many_handles;
    handle_kind = PK_HANDLE_PATH;
    handle_count = 1;
    nonsense = 0;
    pk_peer_call(world.sessions[0], &request, take_path, &fd, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(open_descriptors(), before + 1);
    ck_assert_int_eq(close(fd), 0);
    close_world();
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        grant_that_makes_no_sense_harms_nobody,
        lease_id_that_is_given_twice_leaves_the_first_alone,
        renew_that_tells_of_another_lease_is_an_error,
        end_of_a_lease_without_a_proper_id_is_ignored,
        lookup_that_makes_no_sense_is_an_error_and_leaks_nothing,
        lookup_that_emits_nothing_is_an_error,
        answers_that_are_no_errors_are_taken_for_some,
        error_without_a_message_gets_one,
        handles_that_were_not_asked_for_are_closed,
        descriptor_beside_a_path_belongs_to_whoever_is_told,
    };
    return SUITE_RUN("peer_distrust", cases);
}
