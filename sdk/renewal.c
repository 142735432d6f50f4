/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that renews. A lease may be released while its renewal is under way: the thread works
 * on copies, and looks whether the lease is still its business before it touches it again.
 */
#include "sdk/renewal.h"
#include "sdk/moment.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

/* For how long a released lease waits for a request to go with. */
#define FLUSH_DELAY UINT64_C(5000000)

static int
compare(const struct packice_renewed *one, const struct packice_renewed *other)
{
    if (one->due != other->due)
        return one->due < other->due ? -1 : 1;
    return (one->sequence > other->sequence) - (one->sequence < other->sequence);
}

RB_GENERATE_INTERNAL(packice_renewed_tree, packice_renewed, entry, compare,
                     __attribute__((unused)) static)

int32_t
packice_renewal_init(struct packice_renewal *renewal)
{
    memset(renewal, 0, sizeof(*renewal));
    RB_INIT(&renewal->tree);
    renewal->flush_due = PK_FOREVER;
    if (pthread_mutex_init(&renewal->lock, NULL) != 0)
        return -ENOMEM;
    if (packice_cond_init(&renewal->changed) != 0) {
        (void)pthread_mutex_destroy(&renewal->lock);
        return -ENOMEM;
    }
    return 0;
}

void
packice_renewal_finish(struct packice_renewal *renewal)
{
    (void)pthread_cond_destroy(&renewal->changed);
    (void)pthread_mutex_destroy(&renewal->lock);
}

/* With the lock held. */
static void
plan(struct packice_renewal *renewal, struct packice_renewed *renewed, uint64_t delay)
{
    renewed->due = packice_now() + delay;
    renewed->sequence = renewal->next_sequence++;
    (void)RB_INSERT(packice_renewed_tree, &renewal->tree, renewed); /* no two have one sequence */
}

/* Asks once. *ttl: what is asked for, then what was granted. */
static int32_t
renew(struct packice_renewal *renewal, const char *lease_id, uint64_t generation, uint64_t *ttl)
{
    struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                  .verb = PK_VERB_RENEW,
                                  .lease_id = lease_id,
                                  .ttl = *ttl };
    struct packice_ask ask = { &request, 1, generation,
                               packice_deadline(0, atomic_load(renewal->timeout)) };
    struct packice_answer *answer = NULL;
    int32_t rc = renewal->link->ops->call(renewal->link, &ask, &answer, NULL);
    if (rc == 0) {
        rc = answer->reply.status;
        if (rc == 0)
            *ttl = answer->reply.ttl;
        packice_answer_unref(answer);
    }
    return rc;
}

/* With the lock held, but not while it asks. */
static void
renew_first(struct packice_renewal *renewal, struct packice_renewed *first)
{
    char lease_id[PK_LEASE_ID_LEN + 1];
    memcpy(lease_id, first->lease_id, sizeof(lease_id));
    uint64_t generation = first->generation;
    uint64_t ttl = first->ttl;
    (void)RB_REMOVE(packice_renewed_tree, &renewal->tree, first);
    renewal->current = first;
    (void)pthread_mutex_unlock(&renewal->lock);
    int32_t rc = renew(renewal, lease_id, generation, &ttl);
    (void)pthread_mutex_lock(&renewal->lock);
    if (renewal->current != first)
        return; /* removed meanwhile: it may be gone */
    renewal->current = NULL;
    if (rc == 0)
        first->ttl = ttl;
    if (rc == -ESTALE || first->ttl == PK_FOREVER)
        first->held = false;
    else
        plan(renewal, first, rc == 0 ? first->ttl / 3 : first->ttl / 9);
}

/* With the lock held, but not while it tells the peer. While leases go on being released it looks
 * again and again, so that nobody has to wake it. */
static void
flush(struct packice_renewal *renewal)
{
    renewal->flush_wanted = false;
    (void)pthread_mutex_unlock(&renewal->lock);
    renewal->link->ops->flush(renewal->link);
    (void)pthread_mutex_lock(&renewal->lock);
    renewal->flush_due = renewal->flush_wanted ? packice_now() + FLUSH_DELAY : PK_FOREVER;
}

static void *
run(void *arg)
{
    struct packice_renewal *renewal = arg;
    (void)pthread_mutex_lock(&renewal->lock);
    while (!renewal->stopping) {
        struct packice_renewed *first = RB_MIN(packice_renewed_tree, &renewal->tree);
        uint64_t due = first != NULL ? first->due : PK_FOREVER;
        uint64_t next = renewal->flush_due < due ? renewal->flush_due : due;
        bool now = next != PK_FOREVER && next <= packice_now();
        if (!now)
            (void)packice_cond_wait(&renewal->changed, &renewal->lock, next);
        else if (next == renewal->flush_due)
            flush(renewal);
        else
            renew_first(renewal, first);
    }
    (void)pthread_mutex_unlock(&renewal->lock);
    return NULL;
}

/* With the lock held. */
static int32_t
start(struct packice_renewal *renewal)
{
    if (renewal->started)
        return 0;
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's own threads' */
    int rc = pthread_create(&renewal->thread, NULL, run, renewal);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return -ENOMEM;
    renewal->started = true;
    return 0;
}

int32_t
packice_renewal_set(struct packice_renewal *renewal, struct packice_renewed *renewed, uint64_t ttl)
{
    (void)pthread_mutex_lock(&renewal->lock);
    int32_t rc = start(renewal);
    if (rc == 0) {
        renewed->ttl = ttl;
        if (renewal->current != renewed) { /* else it is planned anew when that is done */
            if (renewed->held)
                (void)RB_REMOVE(packice_renewed_tree, &renewal->tree, renewed);
            plan(renewal, renewed, ttl / 3);
        }
        renewed->held = true;
        (void)pthread_cond_signal(&renewal->changed);
    }
    (void)pthread_mutex_unlock(&renewal->lock);
    return rc;
}

void
packice_renewal_remove(struct packice_renewal *renewal, struct packice_renewed *renewed)
{
    (void)pthread_mutex_lock(&renewal->lock);
    if (renewal->current == renewed)
        renewal->current = NULL;
    else if (renewed->held)
        (void)RB_REMOVE(packice_renewed_tree, &renewal->tree, renewed);
    renewed->held = false;
    (void)pthread_mutex_unlock(&renewal->lock);
}

int32_t
packice_renewal_flush_soon(struct packice_renewal *renewal)
{
    (void)pthread_mutex_lock(&renewal->lock);
    int32_t rc = start(renewal);
    renewal->flush_wanted = true;
    if (rc == 0 && renewal->flush_due == PK_FOREVER) {
        renewal->flush_due = packice_now() + FLUSH_DELAY;
        (void)pthread_cond_signal(&renewal->changed);
    }
    (void)pthread_mutex_unlock(&renewal->lock);
    return rc;
}

void
packice_renewal_stop(struct packice_renewal *renewal)
{
    (void)pthread_mutex_lock(&renewal->lock);
    renewal->stopping = true;
    (void)pthread_cond_signal(&renewal->changed);
    (void)pthread_mutex_unlock(&renewal->lock);
    if (renewal->started)
        (void)pthread_join(renewal->thread, NULL);
    renewal->started = false;
}
