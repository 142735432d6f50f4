/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin's table: its options, and an instance's life from open to close. What goes on in
 * between is the loop's.
 */
#include "transport_uds.h"
#include <grp.h>
#include <packice/cleanup.h>
#include <string.h>

#define UDS_GROUP_ROOM (1U << 20) /* bytes: the longest entry of a group that is read */
#define UDS_SPIN_MAX 1000000000U  /* nanoseconds */

enum {
    OPTION_PATH,
    OPTION_MODE,
    OPTION_GROUP,
    OPTION_MAX_CLIENTS,
    OPTION_MAX_REQUEST,
    OPTION_MAX_DATA,
    OPTION_MAX_PENDING,
    OPTION_MAX_OUTPUT,
    OPTION_WRITE_TIMEOUT,
    OPTION_SPIN,
    OPTION_COUNT,
};

static const struct pk_option uds_option_table[OPTION_COUNT] = {
    [OPTION_PATH] = { PK_OPTION_PATH, PK_OPTION_REQUIRED, "path", NULL, NULL,
                      "the socket's path; at most 103 bytes" },
    [OPTION_MODE] = { PK_OPTION_STRING, 0, "mode", "0660", NULL,
                      "permissions of the socket file, in octal: who may write to it may connect" },
    [OPTION_GROUP] = { PK_OPTION_STRING, 0, "group", NULL, NULL,
                       "group of the socket file, by name or number" },
    [OPTION_MAX_CLIENTS] = { PK_OPTION_INT, 0, "max_clients", "1024", NULL,
                             "connections at once; more are answered busy and closed" },
    [OPTION_MAX_REQUEST] = { PK_OPTION_SIZE, 0, "max_request", "1MiB", NULL,
                             "bytes of one request; a longer one ends its connection" },
    [OPTION_MAX_DATA] = { PK_OPTION_SIZE, 0, "max_data", "1MiB", NULL,
                          "bytes of blobs behind one request, and behind one reply to a read; a "
                          "request with more ends its connection" },
    [OPTION_MAX_PENDING] = { PK_OPTION_INT, 0, "max_pending", "4096", NULL,
                             "unanswered requests of one connection; no more are read meanwhile" },
    [OPTION_MAX_OUTPUT] = { PK_OPTION_SIZE, 0, "max_output", "4MiB", NULL,
                            "bytes of replies that wait for one client; above that no more of its "
                            "requests are read" },
    [OPTION_WRITE_TIMEOUT] = { PK_OPTION_DURATION, 0, "write_timeout", "30s", NULL,
                               "a client that takes none of its replies for so long is "
                               "disconnected" },
    [OPTION_SPIN] = { PK_OPTION_DURATION, 0, "spin", "0", NULL,
                      "look for requests so long after the last one before sleeping, at most 1s" },
};

/* ---- options ---- */

static int32_t
parse_mode(const char *text, mode_t *ret_mode, struct pk_error *err)
{
    size_t size = strlen(text);
    if (size == 0 || size > 4 || strspn(text, "01234567") != size || strtoul(text, NULL, 8) > 0777)
        return pk_fail(err, -EINVAL, "mode: '%.32s' is not an octal mode from 0 to 0777", text);
    *ret_mode = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

static int32_t
find_group(const char *name, gid_t *ret_group, struct pk_error *err)
{
    struct group entry;
    struct group *found = NULL;
    char *room = malloc(UDS_GROUP_ROOM);
    if (room == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)getgrnam_r(name, &entry, room, UDS_GROUP_ROOM, &found);
    free(room); /* nothing but the number was wanted */
    if (found == NULL)
        return pk_fail(err, -EINVAL, "group: there is no group '%.64s'", name);
    *ret_group = entry.gr_gid;
    return 0;
}

static int32_t
parse_group(const char *text, gid_t *ret_group, struct pk_error *err)
{
    if (text == NULL || text[0] == '\0')
        return 0;
    if (strspn(text, "0123456789") != strlen(text))
        return find_group(text, ret_group, err);
    errno = 0;
    unsigned long number = strtoul(text, NULL, 10);
    if (errno != 0 || number >= UINT32_MAX)
        return pk_fail(err, -EINVAL, "group: %.64s is not a group's number", text);
    *ret_group = (gid_t)number;
    return 0;
}

static int32_t
parse_bound(const struct pk_conf *conf, uint32_t index, uint64_t *ret_bound, struct pk_error *err)
{
    const struct pk_value *value = pk_conf_at(conf, index);
    if (value->number == 0)
        return pk_fail(err, -EINVAL, "%s: must be more than 0", value->name);
    *ret_bound = value->number;
    return 0;
}

static int32_t
parse_spin(const struct pk_conf *conf, uint64_t *ret_spin, struct pk_error *err)
{
    const struct pk_value *value = pk_conf_at(conf, OPTION_SPIN);
    if (value->number > UDS_SPIN_MAX)
        return pk_fail(err, -EINVAL, "spin: must be at most 1s");
    *ret_spin = value->number;
    return 0;
}

static int32_t
parse_options(const struct pk_conf *conf, struct uds_options *options, struct pk_error *err)
{
    options->path = pk_conf_at(conf, OPTION_PATH)->text;
    options->group = (gid_t)-1;
    int32_t r = parse_mode(pk_conf_at(conf, OPTION_MODE)->text, &options->mode, err);
    if (r == 0)
        r = parse_group(pk_conf_at(conf, OPTION_GROUP)->text, &options->group, err);
    if (r == 0)
        r = parse_bound(conf, OPTION_MAX_CLIENTS, &options->max_clients, err);
    if (r == 0)
        r = parse_bound(conf, OPTION_MAX_REQUEST, &options->max_request, err);
    if (r == 0)
        r = parse_bound(conf, OPTION_MAX_DATA, &options->max_data, err);
    if (r == 0)
        r = parse_bound(conf, OPTION_MAX_PENDING, &options->max_pending, err);
    if (r == 0)
        r = parse_bound(conf, OPTION_MAX_OUTPUT, &options->max_output, err);
    if (r == 0)
        r = parse_bound(conf, OPTION_WRITE_TIMEOUT, &options->write_timeout, err);
    if (r == 0)
        r = parse_spin(conf, &options->spin, err);
    return r;
}

/* ---- life ---- */

void
uds_transport_free(struct uds_transport *transport)
{
    (void)pthread_mutex_destroy(&transport->loop.lock);
    uds_closer_release(transport->passed.closer);
    free(transport);
}

static int32_t
take_address(struct uds_transport *transport, struct pk_error *err)
{
    struct uds_address_wish wish = {
        .path = transport->options.path,
        .mode = transport->options.mode,
        .group = transport->options.group,
    };
    int32_t r = uds_address_take(&wish, &transport->address, err);
    if (r < 0)
        return r;
    int fd = pk_steal_fd(transport->address.listen_fd);
    r = uds_listener_init(&transport->listener, transport, fd, err);
    if (r < 0) {
        uds_listener_finish(&transport->listener);
        uds_address_release(&transport->address);
    }
    return r;
}

static int32_t
transport_uds_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                   struct pk_error *err)
{
    pk_autofree struct uds_transport *transport = calloc(1, sizeof(*transport));
    if (transport == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    transport->host = host;
    TAILQ_INIT(&transport->connections);
    TAILQ_INIT(&transport->lingering);
    uds_flights_init(&transport->flights);
    int32_t r = parse_options(conf, &transport->options, err);
    if (r == 0)
        r = uds_loop_init(&transport->loop, transport, err);
    if (r < 0)
        return r;
    transport->passed.closer = uds_closer_new();
    if (transport->passed.closer == NULL)
        r = pk_fail(err, -ENOMEM, "out of memory");
    else
        r = take_address(transport, err);
    if (r < 0) {
        uds_loop_finish(&transport->loop);
        uds_transport_free(pk_steal(transport));
        return r;
    }
    *ret_instance = pk_steal(transport);
    return 0;
}

static int32_t
transport_uds_start(void *instance, struct pk_error *err)
{
    struct uds_transport *transport = instance;
    int32_t r = uds_listener_start(&transport->listener, err);
    if (r == 0)
        r = uds_loop_start(&transport->loop, transport, err);
    return r;
}

static void
transport_uds_stop(void *instance, uint64_t deadline)
{
    struct uds_transport *transport = instance;
    uds_loop_stop(&transport->loop, deadline);
}

/* Calls that stop had to cut off may complete later still: the last one frees the memory then. */
static void
transport_uds_close(void *instance)
{
    struct uds_transport *transport = instance;
    uds_listener_finish(&transport->listener);
    uds_address_release(&transport->address);
    uds_loop_finish(&transport->loop);
    pthread_mutex_lock(&transport->loop.lock);
    transport->closed = true;
    bool last = transport->calls == 0;
    pthread_mutex_unlock(&transport->loop.lock);
    if (last)
        uds_transport_free(transport);
}

static void
transport_uds_address(void *instance, char *text, uint64_t size)
{
    const struct uds_transport *transport = instance;
    (void)snprintf(text, size, "%s", transport->options.path);
}

/* ---- figures ---- */

struct figure {
    const char *name;
    const char *help;
    uint32_t kind;
    atomic_uint_fast64_t *value;
};

static void
transport_uds_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    struct uds_counters *counters = &((struct uds_transport *)instance)->counters;
    const struct figure figures[] = {
        { "clients", "connections open", PK_STAT_GAUGE, &counters->clients },
        { "accepted", "connections made", PK_STAT_COUNTER, &counters->accepted },
        { "refused", "connections turned away", PK_STAT_COUNTER, &counters->refused },
        { "dropped", "clients disconnected because they read nothing", PK_STAT_COUNTER,
          &counters->dropped },
        { "requests", "requests received", PK_STAT_COUNTER, &counters->requests },
        { "replies", "replies made", PK_STAT_COUNTER, &counters->replies },
        { "bytes_in", "bytes received", PK_STAT_COUNTER, &counters->bytes_in },
        { "bytes_out", "bytes sent", PK_STAT_COUNTER, &counters->bytes_out },
        { "descriptors", "descriptors sent", PK_STAT_COUNTER, &counters->descriptors },
        { "queued_bytes", "bytes of replies that wait for their readers", PK_STAT_GAUGE,
          &counters->queued },
        { "turns", "times that a connection was seen to", PK_STAT_COUNTER, &counters->turns },
        { "spins", "times that requests were looked for without sleeping", PK_STAT_COUNTER,
          &counters->spins },
    };
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        struct pk_stat stat = {
            .struct_size = (uint32_t)sizeof(stat),
            .kind = figures[i].kind,
            .name = figures[i].name,
            .help = figures[i].help,
            .value = atomic_load(figures[i].value),
        };
        emit(arg, &stat);
    }
}

static const struct pk_transport_ops transport_uds_ops = {
    .struct_size = (uint32_t)sizeof(transport_uds_ops),
    .open = transport_uds_open,
    .start = transport_uds_start,
    .stop = transport_uds_stop,
    .close = transport_uds_close,
    .address = transport_uds_address,
    .stats = transport_uds_stats,
};

static const struct pk_plugin transport_uds_plugin = {
    .struct_size = (uint32_t)sizeof(transport_uds_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_TRANSPORT,
    .option_count = OPTION_COUNT,
    .option_stride = (uint32_t)sizeof(struct pk_option),
    .name = "transport_uds",
    .version = PACKICE_VERSION,
    .summary = "JSON requests over a Unix stream socket, blobs as descriptors",
    .options = uds_option_table,
    .ops = &transport_uds_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &transport_uds_plugin;
}
