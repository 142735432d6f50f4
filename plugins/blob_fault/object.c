/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots that are about whole objects in storage: published, found, taken away. Their blobs are
 * unwrapped on the way to the child, and wrapped on the way back.
 */
#include "blob_fault.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int32_t
blob_fault_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
                   struct pk_error *err)
{
    struct blob_fault *fault = instance;
    struct fault_verdict verdict;
    void *children[PK_BLOBS_MAX];
    assert(manifest->blob_count <= PK_BLOBS_MAX);
    for (uint32_t i = 0; i < manifest->blob_count; i++)
        children[i] = ((struct blob_fault_blob *)blobs[i])->child;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_PUBLISH, &verdict, err);
    if (rc == 0)
        rc = fault_end(&verdict, fault->child.publish(fault->instance, manifest, children, err),
                       err);
    return rc;
}

int32_t
blob_fault_unpublish(void *instance, const struct pk_key *key, struct pk_error *err)
{
    struct blob_fault *fault = instance;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_UNPUBLISH, &verdict, err);
    if (rc == 0)
        rc = fault_end(&verdict, fault->child.unpublish(fault->instance, key, err), err);
    return rc;
}

int32_t
blob_fault_evict(void *instance, const struct pk_key *key, struct pk_error *err)
{
    struct blob_fault *fault = instance;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_EVICT, &verdict, err);
    if (rc == 0)
        rc = fault_end(&verdict, fault->child.evict(fault->instance, key, err), err);
    return rc;
}

/* ---- what the child finds ---- */

struct finding {
    struct blob_fault *fault;
    bool drop; /* an error is due */
    pk_blob_emit_fn *emit;
    void *arg;
    int32_t status;
    uint32_t spare_count;
    void *spare[PK_BLOBS_MAX]; /* the child's blobs that nobody gets, to be freed behind its slot */
};

/* How many blobs came along; none where the host would refuse the manifest. */
static uint32_t
blobs_of(const struct pk_blob_found *found)
{
    if (found->blobs == NULL || found->manifest == NULL
        || found->manifest->blob_count > PK_BLOBS_MAX)
        return 0;
    return found->manifest->blob_count;
}

/* A child that emits more than once breaks its contract, and isn't kept track of. */
static void
spare_blobs(struct finding *finding, const struct pk_blob_found *found)
{
    for (uint32_t i = 0; i < blobs_of(found) && finding->spare_count < PK_BLOBS_MAX; i++) {
        if (found->blobs[i] != NULL)
            finding->spare[finding->spare_count++] = found->blobs[i];
    }
}

/* All or none. */
static bool
wrap_blobs(struct blob_fault *fault, const struct pk_blob_found *found, void **ret_blobs)
{
    uint32_t count = blobs_of(found);
    for (uint32_t i = 0; i < count; i++) {
        ret_blobs[i] = NULL;
        if (found->blobs[i] != NULL)
            ret_blobs[i] = blob_fault_wrap(fault, found->blobs[i]);
        if (found->blobs[i] == NULL || ret_blobs[i] != NULL)
            continue;
        while (i-- > 0)
            free(ret_blobs[i]);
        return false;
    }
    return true;
}

static void
pass_found(void *arg, const struct pk_blob_found *found)
{
    struct finding *finding = arg;
    void *blobs[PK_BLOBS_MAX];
    if (!finding->drop && !wrap_blobs(finding->fault, found, blobs))
        finding->status = -ENOMEM;
    if (finding->drop || finding->status != 0) {
        spare_blobs(finding, found);
        return;
    }
    const struct pk_blob_found wrapped = {
        .struct_size = sizeof(wrapped),
        .manifest = found->manifest,
        .blobs = blobs_of(found) > 0 ? blobs : NULL,
    };
    finding->emit(finding->arg, &wrapped);
}

static int32_t
find(struct finding *finding, uint32_t op, const char *object_id, struct pk_error *err)
{
    struct blob_fault *fault = finding->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, op, &verdict, err);
    if (rc != 0)
        return rc;
    finding->drop = fault_is_after(&verdict);
    if (op == PK_BLOB_LOOKUP)
        rc = fault->child.lookup(fault->instance, object_id, pass_found, finding, err);
    else
        rc = fault->child.recover(fault->instance, pass_found, finding, err);
    for (uint32_t i = 0; i < finding->spare_count; i++)
        fault->child.free(finding->spare[i]);
    if (rc == 0 && finding->status != 0)
        return pk_fail(err, finding->status, "out of memory");
    return fault_end(&verdict, rc, err);
}

int32_t
blob_fault_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
                  struct pk_error *err)
{
    struct finding finding = { .fault = instance, .emit = emit, .arg = arg };
    return find(&finding, PK_BLOB_LOOKUP, object_id, err);
}

int32_t
blob_fault_recover(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct finding finding = { .fault = instance, .emit = emit, .arg = arg };
    return find(&finding, PK_BLOB_RECOVER, NULL, err);
}
