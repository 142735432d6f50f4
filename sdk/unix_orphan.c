/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection does for nobody who waits: replies that may still come, and leases that are to
 * be released, whose ids go with the next request, whatever that is.
 */
#include "sdk/unix_conn.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* Requests that timed out and may still be answered. A node that owes so many is given up. */
#define ORPHANS_MAX 1024U

#define CAPACITY_MIN 64U

/* ---- replies ---- */

void
packice_conn_abandon(struct packice_conn *conn, const struct pk_request *requests, size_t count,
                     uint64_t tag)
{
    struct packice_orphan *orphan =
        calloc(1, sizeof(*orphan) + count * sizeof(orphan->requests[0]));
    if (orphan == NULL) {
        packice_conn_break_locked(conn, -ECONNRESET, "no memory to wait for a late reply");
        return;
    }
    orphan->tag = tag;
    orphan->count = count;
    for (size_t i = 0; i < count; i++) {
        orphan->requests[i].verb = requests != NULL ? requests[i].verb : PK_WIRE_VERB_STATS;
        orphan->requests[i].inline_max = requests != NULL ? requests[i].inline_max : 0;
    }
    TAILQ_INSERT_TAIL(&conn->orphans, orphan, entry);
    if (++conn->orphan_count > ORPHANS_MAX)
        packice_conn_break_locked(conn, -ECONNRESET,
                                  "the node left too many requests without an answer");
}

struct packice_orphan *
packice_conn_find_orphan(struct packice_conn *conn, uint64_t tag)
{
    struct packice_orphan *orphan;
    TAILQ_FOREACH (orphan, &conn->orphans, entry) {
        if (orphan->tag == tag)
            break;
    }
    return orphan;
}

void
packice_conn_take_orphan(struct packice_conn *conn, struct packice_orphan *orphan)
{
    TAILQ_REMOVE(&conn->orphans, orphan, entry);
    conn->orphan_count--;
}

/* ---- leases ---- */

static int32_t
add(struct packice_releases *releases, const char *lease_id)
{
    if (releases->count == releases->capacity) {
        size_t capacity = releases->capacity > 0 ? 2 * releases->capacity : CAPACITY_MIN;
        void *ids = realloc(releases->ids, capacity * sizeof(releases->ids[0]));
        if (ids == NULL)
            return -ENOMEM;
        releases->ids = ids;
        releases->capacity = capacity;
    }
    (void)memcpy(releases->ids[releases->count++], lease_id, PK_LEASE_ID_LEN + 1);
    return 0;
}

int32_t
packice_conn_release(struct packice_conn *conn, const char *lease_id, size_t *ret_count)
{
    (void)pthread_mutex_lock(&conn->lock);
    int32_t rc = add(&conn->releases, lease_id);
    *ret_count = conn->releases.count;
    (void)pthread_mutex_unlock(&conn->lock);
    return rc;
}

void
packice_conn_add_late(void *arg, const char *lease_id)
{
    struct packice_conn *conn = arg;
    if (strlen(lease_id) == PK_LEASE_ID_LEN) /* nobody has looked at this answer yet */
        (void)add(&conn->releases, lease_id);
}

/* The id of one that is still to be released, taken out; false: there is none. */
static bool
take_last(struct packice_conn *conn, char lease_id[PK_LEASE_ID_LEN + 1])
{
    struct packice_releases *from = conn->releases.count > 0 ? &conn->releases : &conn->riding;
    if (from->count == 0)
        return false;
    (void)memcpy(lease_id, from->ids[--from->count], PK_LEASE_ID_LEN + 1);
    return true;
}

/* Releases one lease, and with it as many as go along. With the turn; lets it go. */
static int32_t
send_release(struct packice_conn *conn, const char *lease_id, uint64_t deadline)
{
    const struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                        .verb = PK_VERB_RELEASE,
                                        .lease_id = lease_id };
    uint64_t tag = ++conn->last_tag;
    size_t sent = 0;
    packice_conn_abandon(conn, &request, 1, tag);
    int32_t rc = packice_conn_send(conn, &request, 1, tag, deadline, &sent, NULL);
    if (rc == 0)
        return 0;
    struct packice_orphan *orphan = packice_conn_find_orphan(conn, tag);
    if (orphan != NULL) /* it went with the connection otherwise */
        packice_conn_take_orphan(conn, orphan);
    free(orphan);
    (void)add(&conn->releases, lease_id);
    return rc;
}

void
packice_conn_flush(struct packice_conn *conn, uint64_t deadline)
{
    char lease_id[PK_LEASE_ID_LEN + 1];
    int32_t rc = 0;
    (void)pthread_mutex_lock(&conn->lock);
    while (rc == 0 && conn->releases.count + conn->riding.count > 0) {
        rc = packice_conn_take_turn(conn, deadline, NULL);
        if (rc != 0)
            break;
        if (take_last(conn, lease_id))
            rc = send_release(conn, lease_id, deadline);
        else /* they went along with another thread's request */
            packice_conn_end_turn(conn);
    }
    (void)pthread_mutex_unlock(&conn->lock);
}

void
packice_conn_forget_releases(struct packice_conn *conn)
{
    free(pk_steal(conn->releases.ids));
    free(pk_steal(conn->riding.ids));
}
