/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child, the host that opens it, and one call of each slot.
 */
#include "blob_fault_fixture.h"

#include "blob_fault.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct child_blob {
    struct fixture *f;
};

/* ---- the child ---- */

static int32_t
child_call(struct fixture *f, uint32_t op, struct pk_error *err)
{
    f->calls[op]++;
    ck_assert_uint_eq(f->emitting, 0);
    return f->child_rc == 0 ? 0 : pk_fail(err, f->child_rc, "the child's own");
}

static struct child_blob *
child_blob_new(struct fixture *f)
{
    struct child_blob *blob = calloc(1, sizeof(*blob));
    ck_assert_ptr_nonnull(blob);
    blob->f = f;
    f->blobs++;
    return blob;
}

static int32_t
child_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
             void **ret_blob, struct pk_error *err)
{
    struct fixture *f = instance;
    ck_assert_str_eq(key->id, "id");
    ck_assert_uint_eq(index, 2);
    ck_assert_uint_eq(size, 10);
    int32_t rc = child_call(f, PK_BLOB_CREATE, err);
    if (rc == 0)
        *ret_blob = child_blob_new(f);
    return rc;
}

static int32_t
child_adopt(void *instance, const struct pk_key *key, uint32_t index,
            const struct pk_handle *handle, void **ret_blob, struct pk_error *err)
{
    struct fixture *f = instance;
    (void)key;
    (void)index;
    ck_assert_int_eq(close(handle->fd), 0);
    int32_t rc = child_call(f, PK_BLOB_ADOPT, err);
    if (rc == 0)
        *ret_blob = child_blob_new(f);
    return rc;
}

static int32_t
child_read(void *blob, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
           struct pk_error *err)
{
    struct child_blob *child = blob;
    ck_assert_uint_eq(offset, 3);
    memset(data, 'r', size);
    int32_t rc = child_call(child->f, PK_BLOB_READ, err);
    if (rc == 0)
        *ret_size = size;
    return rc;
}

static int32_t
child_write(void *blob, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    struct child_blob *child = blob;
    (void)data;
    ck_assert_uint_eq(offset, 3);
    child->f->written = size;
    return child_call(child->f, PK_BLOB_WRITE, err);
}

static int32_t
child_size(void *blob, uint64_t *ret_size, struct pk_error *err)
{
    struct child_blob *child = blob;
    int32_t rc = child_call(child->f, PK_BLOB_SIZE, err);
    if (rc == 0)
        *ret_size = 10;
    return rc;
}

static int32_t
child_seal(void *blob, uint64_t size, struct pk_error *err)
{
    struct child_blob *child = blob;
    ck_assert_uint_eq(size, 10);
    return child_call(child->f, PK_BLOB_SEAL, err);
}

static int32_t
child_emit(struct fixture *f, uint32_t op, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct pk_handle handle = { .struct_size = sizeof(handle), .kind = PK_HANDLE_FD, .size = 10 };
    int32_t rc = child_call(f, op, err);
    if (rc != 0)
        return rc;
    handle.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(handle.fd, 0);
    f->emitting++;
    emit(arg, &handle);
    f->emitting--;
    return 0;
}

static int32_t
child_handle(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct child_blob *child = blob;
    ck_assert_uint_eq(access, PK_ACCESS_READ);
    return child_emit(child->f, PK_BLOB_HANDLE, emit, arg, err);
}

static int32_t
child_share(void *blob, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct child_blob *child = blob;
    return child_emit(child->f, PK_BLOB_SHARE, emit, arg, err);
}

static int32_t
child_export(void *blob, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct child_blob *child = blob;
    return child_emit(child->f, PK_BLOB_EXPORT, emit, arg, err);
}

static void
child_free(void *blob)
{
    struct child_blob *child = blob;
    child->f->calls[PK_BLOB_FREE]++;
    ck_assert_uint_eq(child->f->emitting, 0);
    child->f->freed++;
    child->f->blobs--;
    free(child);
}

static int32_t
child_remove(void *blob, struct pk_error *err)
{
    struct child_blob *child = blob;
    struct fixture *f = child->f;
    f->removed++;
    f->blobs--;
    free(child);
    return child_call(f, PK_BLOB_REMOVE, err);
}

static int32_t
child_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
              struct pk_error *err)
{
    struct fixture *f = instance;
    memcpy(f->published, blobs, manifest->blob_count * sizeof(blobs[0]));
    for (uint32_t i = 0; i < manifest->blob_count; i++)
        ck_assert_ptr_eq(((struct child_blob *)blobs[i])->f, f);
    return child_call(f, PK_BLOB_PUBLISH, err);
}

static int32_t
child_unpublish(void *instance, const struct pk_key *key, struct pk_error *err)
{
    ck_assert_str_eq(key->id, "id");
    return child_call(instance, PK_BLOB_UNPUBLISH, err);
}

static int32_t
child_evict(void *instance, const struct pk_key *key, struct pk_error *err)
{
    ck_assert_str_eq(key->id, "id");
    return child_call(instance, PK_BLOB_EVICT, err);
}

static int32_t
child_find(struct fixture *f, uint32_t op, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    static const uint64_t sizes[FIXTURE_FOUND] = { 10, 10, 10 };
    const struct pk_manifest manifest = {
        .struct_size = sizeof(manifest),
        .blob_count = FIXTURE_FOUND,
        .key = { "id", 7 },
        .sizes = sizes,
        .meta = "",
    };
    void *blobs[FIXTURE_FOUND];
    struct pk_blob_found found = { .struct_size = sizeof(found), .manifest = &manifest };
    int32_t rc = child_call(f, op, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; op == PK_BLOB_LOOKUP && i < FIXTURE_FOUND; i++)
        blobs[i] = child_blob_new(f);
    found.blobs = op == PK_BLOB_LOOKUP ? blobs : NULL;
    f->emitting++;
    emit(arg, &found);
    f->emitting--;
    return 0;
}

static int32_t
child_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
             struct pk_error *err)
{
    ck_assert_str_eq(object_id, "id");
    return child_find(instance, PK_BLOB_LOOKUP, emit, arg, err);
}

static int32_t
child_recover(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    return child_find(instance, PK_BLOB_RECOVER, emit, arg, err);
}

static int32_t
child_verify(void *blob, struct pk_error *err)
{
    struct child_blob *child = blob;
    return child_call(child->f, PK_BLOB_VERIFY, err);
}

static int32_t
child_put(void *instance, const struct pk_key *key, uint32_t index, const void *data, uint64_t size,
          void **ret_blob, struct pk_error *err)
{
    struct fixture *f = instance;
    ck_assert_mem_eq(data, "0123456789", size);
    return child_create(f, key, index, size, ret_blob, err);
}

static const void *
child_bytes(void *blob)
{
    const struct child_blob *child = blob;
    return child->f;
}

static uint32_t
child_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    const struct fixture *f = instance;
    (void)op;
    ck_assert_uint_eq(bytes, 10);
    return f->blocks;
}

static void
child_traits(void *instance, struct pk_blob_traits *ret_traits)
{
    (void)instance;
    ret_traits->flags = PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL;
    ret_traits->blobs_max = 5;
    ret_traits->poll_interval = 6;
}

static void
child_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    const struct fixture *f = instance;
    const struct pk_stat stat = { sizeof(stat), PK_STAT_GAUGE, "blobs", "Blobs",
                                  (uint64_t)f->blobs };
    emit(arg, &stat);
}

static const struct pk_blob_ops child_ops = {
    .struct_size = sizeof(child_ops),
    .may_block = child_may_block,
    .traits = child_traits,
    .create = child_create,
    .read = child_read,
    .write = child_write,
    .size = child_size,
    .seal = child_seal,
    .handle = child_handle,
    .free = child_free,
    .remove = child_remove,
    .publish = child_publish,
    .unpublish = child_unpublish,
    .lookup = child_lookup,
    .recover = child_recover,
    .evict = child_evict,
    .export_blob = child_export,
    .adopt = child_adopt,
    .stats = child_stats,
    .verify = child_verify,
    .put = child_put,
    .bytes = child_bytes,
    .share = child_share,
};

/* ---- the host ---- */

static int32_t
host_child(void *ctx, const struct pk_conf *conf, struct pk_child *ret_child, struct pk_error *err)
{
    /* the host is the fake's, and the fake is the fixture's first member */
    struct fixture *f = ctx;
    ck_assert_ptr_eq(conf, &f->fake.conf);
    if (f->child_rc != 0)
        return pk_fail(err, f->child_rc, "the child's own");
    f->opened++;
    ret_child->kind = PK_KIND_BLOB;
    ret_child->ops = &f->child;
    ret_child->instance = f;
    return 0;
}

void
fixture_prepare(struct fixture *f)
{
    const struct pk_plugin *plugin = blob_fault_entry();
    memset(f, 0, sizeof(*f));
    fake_factory_host_init(&f->fake, plugin);
    f->fake.host.child = host_child;
    f->ops = plugin->ops;
    f->child = child_ops;
    f->err = (struct pk_error)PK_ERROR_INIT;
    f->fake.values[0].child = &f->fake.conf; /* any will do: the fake host looks for no plugin */
    f->fake.values[1].items = f->rules;
    fake_factory_host_set(&f->fake, "seed", 1);
}

void
fixture_rule(struct fixture *f, const char *rule)
{
    ck_assert_uint_lt(f->fake.values[1].item_count, FIXTURE_RULES_MAX);
    f->rules[f->fake.values[1].item_count++] = rule;
}

int32_t
fixture_try_open(struct fixture *f)
{
    return f->ops->open(&f->fake.host, &f->fake.conf, &f->fault, &f->err);
}

void
fixture_open(struct fixture *f, const char *rule)
{
    fixture_prepare(f);
    if (rule != NULL)
        fixture_rule(f, rule);
    ck_assert_msg(fixture_try_open(f) == 0, "%s", f->err.message);
}

void
fixture_close(struct fixture *f)
{
    f->ops->close(f->fault);
    ck_assert_int_eq(f->blobs, 0);
}

/* ---- one call of each slot ---- */

static const struct pk_key key = { "id", 7 };

/* A blob as blob_fault has it, made past all rules. */
static void *
blob_of(struct fixture *f)
{
    struct blob_fault_blob *blob = blob_fault_wrap(f->fault, child_blob_new(f));
    ck_assert_ptr_nonnull(blob);
    return blob;
}

static void
let_go(void *opaque)
{
    struct blob_fault_blob *blob = opaque;
    struct child_blob *child = blob->child;
    child->f->blobs--;
    free(child);
    free(blob);
}

static void
take_handle(void *arg, const struct pk_handle *handle)
{
    ++*(uint32_t *)arg;
    ck_assert_int_eq(close(handle->fd), 0);
}

struct taken {
    uint32_t count;
    bool opened;
};

static void
take_found(void *arg, const struct pk_blob_found *found)
{
    struct taken *taken = arg;
    taken->count++;
    ck_assert_uint_eq(found->manifest->key.epoch, 7);
    ck_assert_int_eq(found->blobs != NULL, taken->opened);
    for (uint32_t i = 0; taken->opened && i < found->manifest->blob_count; i++)
        let_go(found->blobs[i]);
}

static int32_t
run_made(struct fixture *f, uint32_t op)
{
    struct pk_handle handle = { .struct_size = sizeof(handle), .kind = PK_HANDLE_FD };
    void *const untouched = f;
    void *blob = untouched;
    int32_t rc;
    if (op == PK_BLOB_CREATE) {
        rc = f->ops->create(f->fault, &key, 2, 10, &blob, &f->err);
    } else {
        handle.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        rc = f->ops->adopt(f->fault, &key, 2, &handle, &blob, &f->err);
    }
    ck_assert_int_eq(rc == 0, blob != untouched);
    if (rc == 0)
        let_go(blob);
    return rc;
}

static int32_t
run_bytes(struct fixture *f, uint32_t op, void *blob)
{
    char data[10] = { 0 };
    uint64_t got = 77;
    int32_t rc;
    if (op == PK_BLOB_WRITE)
        return f->ops->write(blob, 3, data, sizeof(data), &f->err);
    if (op == PK_BLOB_READ)
        rc = f->ops->read(blob, 3, data, sizeof(data), &got, &f->err);
    else
        rc = f->ops->size(blob, &got, &f->err);
    ck_assert_uint_eq(got, rc == 0 ? 10 : 77);
    return rc;
}

static int32_t
run_handle(struct fixture *f, uint32_t op, void *blob)
{
    uint32_t count = 0;
    int32_t rc = op == PK_BLOB_HANDLE
                     ? f->ops->handle(blob, PK_ACCESS_READ, take_handle, &count, &f->err)
                     : f->ops->export_blob(blob, take_handle, &count, &f->err);
    ck_assert_uint_eq(count, rc == 0 ? 1 : 0);
    return rc;
}

static int32_t
run_find(struct fixture *f, uint32_t op)
{
    struct taken taken = { .opened = op == PK_BLOB_LOOKUP };
    int32_t rc = op == PK_BLOB_LOOKUP ? f->ops->lookup(f->fault, "id", take_found, &taken, &f->err)
                                      : f->ops->recover(f->fault, take_found, &taken, &f->err);
    ck_assert_uint_eq(taken.count, rc == 0 ? 1 : 0);
    return rc;
}

static int32_t
run_publish(struct fixture *f)
{
    static const uint64_t sizes[2] = { 10, 10 };
    void *blobs[2] = { blob_of(f), blob_of(f) };
    const struct pk_manifest manifest = {
        .struct_size = sizeof(manifest), .blob_count = 2, .key = key, .sizes = sizes, .meta = ""
    };
    int32_t rc = f->ops->publish(f->fault, &manifest, blobs, &f->err);
    let_go(blobs[0]);
    let_go(blobs[1]);
    return rc;
}

static int32_t
run_on_blob(struct fixture *f, uint32_t op)
{
    void *blob = blob_of(f);
    int32_t rc = 0;
    switch (op) {
    case PK_BLOB_FREE:
        f->ops->free(blob);
        return 0;
    case PK_BLOB_REMOVE:
        return f->ops->remove(blob, &f->err);
    case PK_BLOB_SEAL:
        rc = f->ops->seal(blob, 10, &f->err);
        break;
    case PK_BLOB_VERIFY:
        rc = f->ops->verify(blob, &f->err);
        break;
    case PK_BLOB_HANDLE:
    case PK_BLOB_EXPORT:
        rc = run_handle(f, op, blob);
        break;
    default:
        rc = run_bytes(f, op, blob);
        break;
    }
    let_go(blob);
    return rc;
}

int32_t
fixture_run(struct fixture *f, uint32_t op)
{
    switch (op) {
    case PK_BLOB_CREATE:
    case PK_BLOB_ADOPT:
        return run_made(f, op);
    case PK_BLOB_LOOKUP:
    case PK_BLOB_RECOVER:
        return run_find(f, op);
    case PK_BLOB_PUBLISH:
        return run_publish(f);
    case PK_BLOB_UNPUBLISH:
        return f->ops->unpublish(f->fault, &key, &f->err);
    case PK_BLOB_EVICT:
        return f->ops->evict(f->fault, &key, &f->err);
    default:
        return run_on_blob(f, op);
    }
}

/* ---- figures ---- */

struct wanted {
    const char *name;
    uint64_t value;
};

static void
pick_stat(void *arg, const struct pk_stat *stat)
{
    struct wanted *wanted = arg;
    ck_assert_uint_eq(strspn(stat->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(stat->name));
    if (strcmp(stat->name, wanted->name) != 0)
        return;
    ck_assert_uint_eq(wanted->value, UINT64_MAX);
    wanted->value = stat->value;
}

uint64_t
fixture_stat(struct fixture *f, const char *name)
{
    struct wanted wanted = { name, UINT64_MAX };
    f->ops->stats(f->fault, pick_stat, &wanted);
    return wanted.value;
}
