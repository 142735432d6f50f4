/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases of a client over HTTP. It asks nobody; its thread renews.
 */
#include "sdk/http_keep.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

struct packice_kept {
    RB_ENTRY(packice_kept) entry;
    struct packice_renewed renewed;
    char lease_id[PK_LEASE_ID_LEN + 1];
};

static int
compare(const struct packice_kept *one, const struct packice_kept *other)
{
    return strcmp(one->lease_id, other->lease_id);
}

RB_GENERATE_INTERNAL(packice_kept_tree, packice_kept, entry, compare,
                     __attribute__((unused)) static)

int32_t
packice_keep_init(struct packice_keep *keep, struct packice_link *link,
                  const atomic_uint_fast64_t *timeout)
{
    RB_INIT(&keep->leases);
    int32_t rc = packice_renewal_init(&keep->renewal);
    if (rc != 0)
        return rc;
    (void)pthread_mutex_init(&keep->lock, NULL); /* can't fail with default attributes */
    keep->renewal.link = link;
    keep->renewal.timeout = timeout;
    return 0;
}

void
packice_keep_forget(struct packice_keep *keep)
{
    struct packice_kept *kept;
    while ((kept = RB_MIN(packice_kept_tree, &keep->leases)) != NULL) {
        (void)RB_REMOVE(packice_kept_tree, &keep->leases, kept);
        packice_kept_free(kept);
    }
}

void
packice_keep_finish(struct packice_keep *keep)
{
    packice_keep_forget(keep);
    packice_renewal_finish(&keep->renewal);
    (void)pthread_mutex_destroy(&keep->lock);
}

/* With the lock held. */
static struct packice_kept *
find(struct packice_keep *keep, const char *lease_id)
{
    struct packice_kept wanted = { .lease_id = "" };
    (void)strncpy(wanted.lease_id, lease_id, sizeof(wanted.lease_id) - 1);
    return RB_FIND(packice_kept_tree, &keep->leases, &wanted);
}

/* With the lock held. */
static int32_t
plan(struct packice_keep *keep, struct packice_kept *kept, bool endless, uint64_t ttl)
{
    if (endless && ttl != PK_FOREVER)
        return packice_renewal_set(&keep->renewal, &kept->renewed, ttl);
    packice_renewal_remove(&keep->renewal, &kept->renewed);
    return 0;
}

int32_t
packice_keep_add(struct packice_keep *keep, const char *lease_id, bool endless, uint64_t ttl)
{
    int32_t rc = 0;
    (void)pthread_mutex_lock(&keep->lock);
    struct packice_kept *kept = find(keep, lease_id);
    if (kept == NULL) {
        kept = calloc(1, sizeof(*kept));
        if (kept == NULL) {
            rc = -ENOMEM;
        } else {
            (void)strncpy(kept->lease_id, lease_id, sizeof(kept->lease_id) - 1);
            kept->renewed.lease_id = kept->lease_id;
            (void)RB_INSERT(packice_kept_tree, &keep->leases, kept);
        }
    }
    if (rc == 0)
        rc = plan(keep, kept, endless, ttl);
    (void)pthread_mutex_unlock(&keep->lock);
    return rc;
}

int32_t
packice_keep_renewed(struct packice_keep *keep, const char *lease_id, bool endless, uint64_t ttl,
                     bool *ret_known)
{
    (void)pthread_mutex_lock(&keep->lock);
    struct packice_kept *kept = find(keep, lease_id);
    int32_t rc = kept != NULL ? plan(keep, kept, endless, ttl) : 0;
    *ret_known = kept != NULL;
    (void)pthread_mutex_unlock(&keep->lock);
    return rc;
}

void
packice_keep_remove(struct packice_keep *keep, const char *lease_id)
{
    (void)pthread_mutex_lock(&keep->lock);
    struct packice_kept *kept = find(keep, lease_id);
    if (kept != NULL) {
        (void)RB_REMOVE(packice_kept_tree, &keep->leases, kept);
        packice_renewal_remove(&keep->renewal, &kept->renewed);
    }
    (void)pthread_mutex_unlock(&keep->lock);
    packice_kept_free(kept);
}

void
packice_keep_stop(struct packice_keep *keep)
{
    packice_renewal_stop(&keep->renewal);
}

size_t
packice_keep_take(struct packice_keep *keep, struct packice_kept **ret_leases, size_t max)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&keep->lock);
    while (count < max && !RB_EMPTY(&keep->leases)) {
        struct packice_kept *kept = RB_MIN(packice_kept_tree, &keep->leases);
        (void)RB_REMOVE(packice_kept_tree, &keep->leases, kept);
        ret_leases[count++] = kept;
    }
    (void)pthread_mutex_unlock(&keep->lock);
    return count;
}

const char *
packice_kept_id(const struct packice_kept *kept)
{
    return kept->lease_id;
}

void
packice_kept_free(struct packice_kept *kept)
{
    if (kept == NULL)
        return;
    explicit_bzero(kept->lease_id, sizeof(kept->lease_id));
    free(kept);
}
