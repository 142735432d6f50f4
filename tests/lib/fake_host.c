/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every completion is made without a lock held, as the real host does. It checks that the transport
 * keeps to the contract: no call in a closed session, no session closed twice.
 */
#include "fake_host.h"
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#define FAKE_DEADLINE 30 /* seconds until a wait fails */
#define FAKE_CALLS_MAX (1U << 18)
#define FAKE_BULK ((size_t)1024) /* bytes */

/* What was asked. */
struct fake_note {
    char *id;
    char *data;
    size_t data_size;
};

struct pk_session {
    bool closed;
    uint32_t calls; /* open */
};

struct fake_call {
    TAILQ_ENTRY(fake_call) entry;
    struct pk_session *session;
    pk_done_fn *done;
    void *arg;
    uint32_t verb;
    uint32_t access;
    uint32_t count;
    uint64_t inline_max;
    const char *data; /* the transport's */
    int *fds;         /* of a put: this call's own, fd_count of them */
    uint32_t fd_count;
    uint32_t note;
    char mode[8];
    char name[PK_ID_MAX + 1];
    char id[PK_ID_MAX + 1];
};

TAILQ_HEAD(fake_calls, fake_call);

struct fake_host {
    struct pk_host table;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct fake_calls later;
    struct fake_calls kept; /* held and stuck */
    struct fake_note *notes;
    uint32_t started;
    uint32_t released;
    uint32_t open_calls;
    uint32_t sessions;
    uint32_t complaints;
    uint32_t unblocked;
    struct pk_principal principal;
    bool refuse;
    bool end;
};

/* ---- answers ---- */

static int
new_descriptor(void)
{
    int fd = memfd_create("fake", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "bytes", 5), 5);
    return fd;
}

static bool
is_mode(const struct fake_call *call, const char *mode)
{
    return strcmp(call->mode, mode) == 0;
}

/* A good answer with the bytes instead of a lease. */
static uint32_t
fill_inline(const struct fake_call *call, struct pk_handle *handles, const char *bulk)
{
    uint32_t count = is_mode(call, "bulk") ? 1 : call->count;
    for (uint32_t i = 0; i < count; i++)
        handles[i] = (struct pk_handle){
            .struct_size = (uint32_t)sizeof(handles[i]),
            .kind = PK_HANDLE_DATA,
            .fd = -1,
            .size = is_mode(call, "bulk") ? call->count * FAKE_BULK : 5,
            .data = is_mode(call, "bulk") ? bulk : "bytes",
        };
    return count;
}

static bool
is_inline(const struct fake_call *call)
{
    uint64_t size = call->count * (is_mode(call, "bulk") ? FAKE_BULK : 5);
    return call->verb == PK_VERB_ACQUIRE && size > 0 && size <= call->inline_max;
}

/* What a put was given stays until it is answered. */
static void
check_data(struct fake_host *host, const struct fake_call *call)
{
    const struct fake_note *note = &host->notes[call->note];
    if (call->verb == PK_VERB_PUT && note->data_size > 0 && call->fds == NULL)
        ck_assert_mem_eq(call->data, note->data, note->data_size);
}

/* An object has one blob at least. */
static uint32_t
fill_handles(const struct fake_call *call, struct pk_handle *handles)
{
    handles[0] = (struct pk_handle){
        .struct_size = (uint32_t)sizeof(handles[0]),
        .kind = PK_HANDLE_URL,
        .fd = -1,
        .text = "http://127.0.0.1/",
    };
    uint32_t count = is_mode(call, "bulk") ? 1 : call->count;
    for (uint32_t i = 0; i < count; i++) {
        bool both = is_mode(call, "both");
        bool path = both || is_mode(call, "path");
        handles[i] = (struct pk_handle){
            .struct_size = (uint32_t)sizeof(handles[i]),
            .kind = path ? PK_HANDLE_PATH : PK_HANDLE_FD,
            .fd = path && !both ? -1 : new_descriptor(),
            .text = path ? call->name : NULL,
            .size = 5,
        };
    }
    return count > 0 ? count : 1;
}

static void
answer(struct fake_host *host, struct fake_call *call, int32_t status)
{
    struct pk_handle handles[PK_BLOBS_MAX];
    struct pk_reply reply = {
        .struct_size = (uint32_t)sizeof(reply),
        .verb = call->verb,
        .status = status,
        .message = status == 0 ? "" : "as the test wants it",
        .object_id = call->id,
        .lease_id = "00000000-0000-4000-8000-000000000000",
        .epoch = 1,
        .meta = "",
    };
    static const char bulk[PK_BLOBS_MAX * FAKE_BULK]; /* zeros */
    check_data(host, call);
    if (status == 0 && call->verb == PK_VERB_ACQUIRE) {
        bool bytes = is_inline(call);
        reply.handles = handles;
        reply.handle_stride = (uint32_t)sizeof(handles[0]);
        reply.blob_count = bytes ? fill_inline(call, handles, bulk) : fill_handles(call, handles);
        reply.lease_id = bytes ? NULL : reply.lease_id;
        reply.access = call->access;
        reply.state = call->access == PK_ACCESS_CREATE ? PK_STATE_CREATING : PK_STATE_SEALED;
        reply.ttl = 1000000000;
    }
    pthread_mutex_lock(&host->lock);
    struct pk_session *session = call->session;
    bool last = --session->calls == 0 && session->closed;
    pthread_mutex_unlock(&host->lock);
    if (last)
        free(session);
    for (uint32_t i = 0; i < call->fd_count; i++)
        (void)close(call->fds[i]);
    call->done(call->arg, &reply);
    free(call->fds);
    free(call);
    /* Only now: a test that finds no open calls knows that all completions have returned. */
    pthread_mutex_lock(&host->lock);
    host->open_calls--;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}

static struct fake_call *
take_kept(struct fake_host *host, const char *name, const struct pk_session *session)
{
    struct fake_call *call;
    pthread_mutex_lock(&host->lock);
    TAILQ_FOREACH (call, &host->kept, entry) {
        if (name != NULL ? strcmp(call->name, name) == 0
                         : call->session == session && strcmp(call->mode, "held") == 0)
            break;
    }
    if (call != NULL)
        TAILQ_REMOVE(&host->kept, call, entry);
    pthread_mutex_unlock(&host->lock);
    return call;
}

void
fake_host_let(struct fake_host *host, const char *name)
{
    struct fake_call *call;
    while ((call = take_kept(host, name, NULL)) != NULL)
        answer(host, call, 0);
}

void
fake_host_unblock(struct fake_host *host)
{
    pthread_mutex_lock(&host->lock);
    host->unblocked++;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
}

static void *
run(void *arg)
{
    struct fake_host *host = arg;
    pthread_mutex_lock(&host->lock);
    while (!host->end || !TAILQ_EMPTY(&host->later)) {
        struct fake_call *call = TAILQ_FIRST(&host->later);
        if (call == NULL) {
            pthread_cond_wait(&host->changed, &host->lock);
            continue;
        }
        TAILQ_REMOVE(&host->later, call, entry);
        pthread_mutex_unlock(&host->lock);
        answer(host, call, 0);
        pthread_mutex_lock(&host->lock);
    }
    pthread_mutex_unlock(&host->lock);
    return NULL;
}

/* ---- the table ---- */

static void
fake_log(void *ctx, uint32_t level, const char *message)
{
    struct fake_host *host = ctx;
    (void)message;
    pthread_mutex_lock(&host->lock);
    host->complaints += level <= PK_LOG_WARN;
    pthread_mutex_unlock(&host->lock);
}

static uint64_t
fake_now(void *ctx)
{
    (void)ctx;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int32_t
fake_session_open(void *ctx, const struct pk_principal *principal, struct pk_session **ret_session,
                  struct pk_error *err)
{
    struct fake_host *host = ctx;
    struct pk_session *session = calloc(1, sizeof(*session));
    ck_assert_ptr_nonnull(session);
    pthread_mutex_lock(&host->lock);
    bool refuse = host->refuse;
    if (!refuse) {
        host->sessions++;
        host->principal = *principal;
        pthread_cond_broadcast(&host->changed);
    }
    pthread_mutex_unlock(&host->lock);
    if (refuse) {
        free(session);
        return pk_fail(err, -EBUSY, "too many sessions");
    }
    *ret_session = session;
    return 0;
}

static void
fake_session_close(void *ctx, struct pk_session *session)
{
    struct fake_host *host = ctx;
    struct fake_call *call;
    while ((call = take_kept(host, NULL, session)) != NULL)
        answer(host, call, -ECANCELED);
    pthread_mutex_lock(&host->lock);
    ck_assert(!session->closed);
    session->closed = true;
    host->sessions--;
    bool last = session->calls == 0;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
    if (last)
        free(session);
}

static void
read_id(struct fake_call *call)
{
    const char *colon = strchr(call->id, ':');
    ck_assert_ptr_nonnull(colon);
    char *end;
    (void)snprintf(call->mode, sizeof(call->mode), "%.*s", (int)(colon - call->id), call->id);
    call->count = (uint32_t)strtoul(colon + 1, &end, 10);
    ck_assert_int_eq(*end, ':');
    ck_assert_uint_le(call->count, PK_BLOBS_MAX);
    (void)snprintf(call->name, sizeof(call->name), "%s", end + 1);
}

static struct fake_call *
new_call(const struct pk_request *request)
{
    struct fake_call *call = calloc(1, sizeof(*call));
    ck_assert_ptr_nonnull(call);
    const char *id = request->object_id != NULL ? request->object_id : request->lease_id;
    call->verb = request->verb;
    call->access = request->access;
    call->inline_max = request->inline_max;
    call->data = request->data;
    (void)snprintf(call->mode, sizeof(call->mode), "now");
    (void)snprintf(call->id, sizeof(call->id), "%s", id != NULL ? id : "");
    if (request->object_id != NULL)
        read_id(call);
    return call;
}

/* What a put brought, by its bytes or in its files. */
static void
note_data(struct fake_note *note, struct fake_call *call, const struct pk_request *request)
{
    const char *handles = (const char *)request->handles;
    uint64_t size = request->data_size;
    for (uint32_t i = 0; handles != NULL && i < request->blob_count; i++)
        size += request->sizes[i];
    note->data = malloc(size + 1);
    ck_assert_ptr_nonnull(note->data);
    if (handles == NULL && size > 0)
        memcpy(note->data, request->data, size);
    note->data_size = size;
    if (handles == NULL)
        return;
    ck_assert_uint_gt(request->blob_count, 0);
    call->fds = calloc(request->blob_count, sizeof(int));
    ck_assert_ptr_nonnull(call->fds);
    char *end = note->data;
    for (; call->fd_count < request->blob_count; call->fd_count++) {
        struct pk_handle handle;
        memcpy(&handle, handles + (size_t)call->fd_count * request->handle_stride, sizeof(handle));
        ck_assert_uint_eq(handle.kind, PK_HANDLE_FD);
        ck_assert_int_eq(pread(handle.fd, end, handle.size, 0), (ssize_t)handle.size);
        end += handle.size;
        call->fds[call->fd_count] = handle.fd;
    }
}

static void
note_call(struct fake_host *host, struct fake_call *call, struct pk_session *session,
          const struct pk_request *request)
{
    ck_assert(!session->closed);
    ck_assert_uint_lt(host->started, FAKE_CALLS_MAX);
    struct fake_note *note = &host->notes[host->started];
    note->id = strdup(call->id);
    if (call->verb == PK_VERB_PUT)
        note_data(note, call, request);
    call->note = host->started++;
    host->open_calls++;
    host->released += call->verb == PK_VERB_RELEASE;
    call->session = session;
    session->calls++;
    if (strcmp(call->mode, "later") == 0)
        TAILQ_INSERT_TAIL(&host->later, call, entry);
    else if (strcmp(call->mode, "held") == 0 || strcmp(call->mode, "stuck") == 0)
        TAILQ_INSERT_TAIL(&host->kept, call, entry);
    pthread_cond_broadcast(&host->changed);
}

static void
fake_call_slot(void *ctx, struct pk_session *session, const struct pk_request *request,
               pk_done_fn *done, void *arg, uint64_t *ret_call)
{
    struct fake_host *host = ctx;
    struct fake_call *call = new_call(request);
    call->done = done;
    call->arg = arg;
    bool now = !is_mode(call, "later") && !is_mode(call, "held") && !is_mode(call, "stuck");
    bool fail = strcmp(call->mode, "fail") == 0;
    if (ret_call != NULL)
        *ret_call = 1;
    pthread_mutex_lock(&host->lock);
    note_call(host, call, session, request);
    if (strcmp(call->mode, "block") == 0) {
        while (host->unblocked == 0)
            (void)pthread_cond_wait(&host->changed, &host->lock);
        host->unblocked--;
    }
    pthread_mutex_unlock(&host->lock);
    if (now && strcmp(call->mode, "let") == 0)
        fake_host_let(host, call->name);
    if (now)
        answer(host, call, fail ? -ENOENT : 0);
}

static void
fake_cancel(void *ctx, struct pk_session *session, uint64_t call)
{
    (void)ctx;
    (void)session;
    (void)call;
}

static void
fake_stats(void *ctx, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    (void)ctx;
    char name[16] = "objects"; /* borrowed for the call alone */
    struct pk_stat stat = { (uint32_t)sizeof(stat), PK_STAT_GAUGE, name, "", 7 };
    emit(arg, &stat);
    (void)snprintf(name, sizeof(name), "leases");
    stat.value = 8;
    emit(arg, &stat);
}

struct fake_host *
fake_host_new(void)
{
    struct fake_host *host = calloc(1, sizeof(*host));
    ck_assert_ptr_nonnull(host);
    host->notes = calloc(FAKE_CALLS_MAX, sizeof(*host->notes));
    ck_assert_ptr_nonnull(host->notes);
    (void)pthread_mutex_init(&host->lock, NULL);
    (void)pthread_cond_init(&host->changed, NULL);
    TAILQ_INIT(&host->later);
    TAILQ_INIT(&host->kept);
    host->table = (struct pk_host){
        .struct_size = (uint32_t)sizeof(host->table),
        .ctx = host,
        .log = fake_log,
        .now = fake_now,
        .session_open = fake_session_open,
        .session_close = fake_session_close,
        .call = fake_call_slot,
        .cancel = fake_cancel,
        .stats = fake_stats,
    };
    ck_assert_int_eq(pthread_create(&host->thread, NULL, run, host), 0);
    return host;
}

void
fake_host_free(struct fake_host *host)
{
    pthread_mutex_lock(&host->lock);
    host->end = true;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
    (void)pthread_join(host->thread, NULL);
    ck_assert_uint_eq(host->open_calls, 0);
    ck_assert_uint_eq(host->sessions, 0);
    for (uint32_t i = 0; i < host->started; i++) {
        free(host->notes[i].id);
        free(host->notes[i].data);
    }
    free(host->notes);
    (void)pthread_mutex_destroy(&host->lock);
    (void)pthread_cond_destroy(&host->changed);
    free(host);
}

const struct pk_host *
fake_host_table(struct fake_host *host)
{
    return &host->table;
}

/* ---- what was seen ---- */

static uint32_t
look(struct fake_host *host, const uint32_t *value)
{
    pthread_mutex_lock(&host->lock);
    uint32_t seen = *value;
    pthread_mutex_unlock(&host->lock);
    return seen;
}

/* Waits until *value is at least, or exactly, what is wanted. */
static void
wait_for(struct fake_host *host, const uint32_t *value, uint32_t wanted, bool exactly)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += FAKE_DEADLINE;
    int r = 0;
    pthread_mutex_lock(&host->lock);
    while (r == 0 && (exactly ? *value != wanted : *value < wanted))
        r = pthread_cond_timedwait(&host->changed, &host->lock, &end);
    uint32_t seen = *value;
    pthread_mutex_unlock(&host->lock);
    ck_assert_msg(r == 0, "waited for %u, saw %u", wanted, seen);
}

uint32_t
fake_host_started(struct fake_host *host)
{
    return look(host, &host->started);
}

void
fake_host_wait_started(struct fake_host *host, uint32_t count)
{
    wait_for(host, &host->started, count, false);
}

const char *
fake_host_call_id(struct fake_host *host, uint32_t index)
{
    pthread_mutex_lock(&host->lock);
    const char *id = index < host->started ? host->notes[index].id : "";
    pthread_mutex_unlock(&host->lock);
    return id;
}

const char *
fake_host_call_data(struct fake_host *host, uint32_t index, size_t *ret_size)
{
    pthread_mutex_lock(&host->lock);
    ck_assert_uint_lt(index, host->started);
    const struct fake_note *note = &host->notes[index];
    pthread_mutex_unlock(&host->lock);
    *ret_size = note->data_size;
    return note->data;
}

uint32_t
fake_host_released(struct fake_host *host)
{
    return look(host, &host->released);
}

uint32_t
fake_host_open_calls(struct fake_host *host)
{
    return look(host, &host->open_calls);
}

uint32_t
fake_host_sessions(struct fake_host *host)
{
    return look(host, &host->sessions);
}

void
fake_host_wait_sessions(struct fake_host *host, uint32_t count)
{
    wait_for(host, &host->sessions, count, true);
}

struct pk_principal
fake_host_principal(struct fake_host *host)
{
    pthread_mutex_lock(&host->lock);
    struct pk_principal principal = host->principal;
    pthread_mutex_unlock(&host->lock);
    return principal;
}

void
fake_host_refuse(struct fake_host *host, bool refuse)
{
    pthread_mutex_lock(&host->lock);
    host->refuse = refuse;
    pthread_mutex_unlock(&host->lock);
}

uint32_t
fake_host_complaints(struct fake_host *host)
{
    return look(host, &host->complaints);
}
