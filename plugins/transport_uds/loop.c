/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work is never done inside a completion but in turns, which only an event's callback gives: so the
 * host may complete calls in any depth of recursion, and no connection holds up the others.
 */
#include "loop.h"
#include "call.h"
#include "connection.h"
#include "transport_uds.h"
#include <packice/cleanup.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#define UDS_SPEND 512          /* of all turns' budgets, before the loop looks for events again */
#define UDS_DECODED (1U << 16) /* bytes; most requests need less once they are decoded */

static void
wake(struct uds_loop *loop)
{
    uint64_t one = 1;
    /* Fails only when the counter is full, and then the loop is awake. */
    ssize_t ignored = write(loop->wake_fd, &one, sizeof(one));
    (void)ignored;
}

static void
begin_stop(struct uds_transport *transport, uint64_t deadline)
{
    uint64_t now = transport->host->now(transport->host->ctx);
    uint64_t left = deadline > now ? deadline - now : 0;
    struct timeval time = {
        .tv_sec = (time_t)(left / 1000000000U),
        .tv_usec = (suseconds_t)(left % 1000000000U / 1000U),
    };
    transport->stopping = true;
    uds_listener_finish(&transport->listener);
    if (TAILQ_EMPTY(&transport->connections) || evtimer_add(&transport->loop.cut, &time) < 0) {
        (void)event_base_loopbreak(transport->loop.base);
        return;
    }
    struct uds_connection *connection;
    TAILQ_FOREACH (connection, &transport->connections, link) {
        uds_connection_end_input(connection);
        uds_loop_enqueue(&transport->loop, connection);
    }
}

static void
finish_completed(struct uds_loop *loop)
{
    struct uds_calls calls = STAILQ_HEAD_INITIALIZER(calls);
    pthread_mutex_lock(&loop->lock);
    STAILQ_CONCAT(&calls, &loop->completed);
    pthread_mutex_unlock(&loop->lock);
    while (!STAILQ_EMPTY(&calls)) {
        struct uds_call *call = STAILQ_FIRST(&calls);
        STAILQ_REMOVE_HEAD(&calls, next);
        uds_call_finish(call);
    }
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct uds_transport *transport = arg;
    struct uds_loop *loop = &transport->loop;
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof(count)); /* before looking at what it stood for */
    (void)ignored;
    pthread_mutex_lock(&loop->lock);
    bool stop = loop->stop;
    uint64_t deadline = loop->deadline;
    pthread_mutex_unlock(&loop->lock);
    finish_completed(loop);
    if (stop && !transport->stopping)
        begin_stop(transport, deadline);
    uds_loop_settle(loop);
}

static void
on_cut(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct uds_transport *transport = arg;
    (void)event_base_loopbreak(transport->loop.base);
}

static void
close_connections(struct uds_transport *transport)
{
    while (!TAILQ_EMPTY(&transport->connections))
        uds_connection_close(TAILQ_FIRST(&transport->connections));
    while (!TAILQ_EMPTY(&transport->lingering))
        uds_connection_release(TAILQ_FIRST(&transport->lingering));
}

/* From here on whoever completes a call drops it, under the lock. */
static void
end(struct uds_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->ended = true;
    while (!STAILQ_EMPTY(&loop->completed)) {
        struct uds_call *call = STAILQ_FIRST(&loop->completed);
        STAILQ_REMOVE_HEAD(&loop->completed, next);
        uds_call_drop(call);
    }
    pthread_mutex_unlock(&loop->lock);
}

/* ---- the thread ---- */

/* Not on a single CPU, where those who are waited for run only while nobody spins. */
static bool
may_spin(const struct uds_transport *transport)
{
    cpu_set_t cpus;
    if (transport->options.spin == 0)
        return false;
    return sched_getaffinity(0, sizeof(cpus), &cpus) != 0 || CPU_COUNT(&cpus) > 1;
}

/* Looks for events until there were none for a while. */
static void
spin(struct uds_transport *transport)
{
    const struct pk_host *host = transport->host;
    struct uds_loop *loop = &transport->loop;
    uint64_t now = host->now(host->ctx);
    uint64_t end = now + transport->options.spin;
    for (; now < end && !event_base_got_break(loop->base); now = host->now(host->ctx)) {
        uds_count(&transport->counters.spins, 1);
        loop->found = false;
        (void)event_base_loop(loop->base, EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
        if (loop->found)
            end = host->now(host->ctx) + transport->options.spin;
    }
}

/* Until a callback breaks the loop. */
static void
serve(struct uds_transport *transport)
{
    struct event_base *base = transport->loop.base;
    if (!may_spin(transport)) {
        (void)event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
        return;
    }
    do {
        if (event_base_loop(base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
            return;
        spin(transport);
    } while (!event_base_got_break(base));
}

static void *
run(void *arg)
{
    struct uds_transport *transport = arg;
    struct uds_loop *loop = &transport->loop;
    atomic_store_explicit(&loop->self, pthread_self(), memory_order_relaxed);
    (void)pthread_setname_np(pthread_self(), "pk-uds");
    serve(transport);
    uds_listener_finish(&transport->listener);
    close_connections(transport);
    end(loop);
    atomic_store_explicit(&loop->self, 0, memory_order_relaxed);
    return NULL;
}

int32_t
uds_loop_init(struct uds_loop *loop, struct uds_transport *transport, struct pk_error *err)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)event_config_require_features(config, EV_FEATURE_ET);
    /* Timers are few, so the time is asked for when there is one. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV
                                            | EVENT_BASE_FLAG_NO_CACHE_TIME);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == NULL)
        return pk_fail(err, -ENOMEM, "can't make an event loop");
    loop->received = malloc(UDS_INPUT_SHARED);
    loop->room = (struct pk_wire_room){ .memory = malloc(UDS_DECODED), .size = UDS_DECODED };
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->received == NULL || loop->room.memory == NULL || loop->wake_fd < 0) {
        int32_t r = pk_fail(err, loop->wake_fd < 0 ? -errno : -ENOMEM, "can't make an event loop");
        if (loop->wake_fd >= 0)
            (void)close(loop->wake_fd);
        free(loop->received);
        free(loop->room.memory);
        event_base_free(base);
        return r;
    }
    (void)pthread_mutex_init(&loop->lock, NULL);
    loop->base = base;
    TAILQ_INIT(&loop->turns);
    STAILQ_INIT(&loop->completed);
    (void)event_assign(&loop->wake, base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, transport);
    (void)evtimer_assign(&loop->cut, base, on_cut, transport);
    return 0;
}

void
uds_loop_finish(struct uds_loop *loop)
{
    (void)event_del(&loop->wake);
    (void)event_del(&loop->cut);
    event_base_free(loop->base);
    (void)close(loop->wake_fd);
    free(loop->received);
    free(loop->room.memory);
}

int32_t
uds_loop_start(struct uds_loop *loop, struct uds_transport *transport, struct pk_error *err)
{
    if (event_add(&loop->wake, NULL) < 0)
        return pk_fail(err, -ENOMEM, "can't start the event loop");
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&loop->thread, NULL, run, transport);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return pk_fail(err, -r, "can't start a thread: %s", strerror(r));
    return 0;
}

void
uds_loop_stop(struct uds_loop *loop, uint64_t deadline)
{
    pthread_mutex_lock(&loop->lock);
    loop->stop = true;
    loop->deadline = deadline;
    pthread_mutex_unlock(&loop->lock);
    wake(loop);
    (void)pthread_join(loop->thread, NULL);
}

/* With the lock held; drops it. */
static void
drop_late(struct uds_loop *loop, struct uds_call *call)
{
    struct uds_transport *transport = call->connection->transport;
    uds_call_drop(call);
    bool last = transport->closed && transport->calls == 0;
    pthread_mutex_unlock(&loop->lock);
    if (last)
        uds_transport_free(transport);
}

bool
uds_loop_is_here(const struct uds_loop *loop)
{
    /* Nobody but the thread itself can find its own there, so no order is needed. */
    pthread_t self = atomic_load_explicit(&loop->self, memory_order_relaxed);
    return self != 0 && pthread_equal(self, pthread_self());
}

void
uds_loop_complete(struct uds_loop *loop, struct uds_call *call)
{
    if (uds_loop_is_here(loop)) {
        uds_call_finish(call);
        return;
    }
    pthread_mutex_lock(&loop->lock);
    if (loop->ended) {
        drop_late(loop, call);
        return;
    }
    bool first = STAILQ_EMPTY(&loop->completed);
    STAILQ_INSERT_TAIL(&loop->completed, call, next);
    if (first)
        wake(loop);
    pthread_mutex_unlock(&loop->lock);
}

void
uds_loop_enqueue(struct uds_loop *loop, struct uds_connection *connection)
{
    if (connection->queued || connection->dead)
        return;
    connection->queued = true;
    TAILQ_INSERT_TAIL(&loop->turns, connection, turn);
}

void
uds_loop_dequeue(struct uds_loop *loop, struct uds_connection *connection)
{
    if (!connection->queued)
        return;
    connection->queued = false;
    TAILQ_REMOVE(&loop->turns, connection, turn);
}

static void
settle_round(struct uds_loop *loop)
{
    struct uds_connection *last = TAILQ_LAST(&loop->turns, uds_turns);
    bool was_last = false;
    while (!was_last) {
        struct uds_connection *connection = TAILQ_FIRST(&loop->turns);
        was_last = connection == last;
        uds_loop_dequeue(loop, connection);
        uds_connection_turn(connection);
    }
}

void
uds_loop_settle(struct uds_loop *loop)
{
    loop->found = true;
    for (loop->spent = 0; loop->spent < UDS_SPEND && !TAILQ_EMPTY(&loop->turns);)
        settle_round(loop);
    /* Through the kernel: an event made active here would be run before others are looked for. */
    if (!TAILQ_EMPTY(&loop->turns))
        wake(loop);
}
