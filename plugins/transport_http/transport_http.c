/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin's table: its options, and an instance's life from open to close. What goes on in
 * between is the loop's.
 */
#include "transport_http.h"
#include <packice/cleanup.h>
#include <string.h>

#define HTTP_HEADER_MIN 1024U /* bytes: below that no sensible client gets through */

enum {
    OPTION_LISTEN,
    OPTION_TOKEN_FILE,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_CLIENT_CA,
    OPTION_INSECURE,
    OPTION_PATHS,
    OPTION_MAX_CLIENTS,
    OPTION_MAX_HEADER,
    OPTION_MAX_REQUEST,
    OPTION_MAX_BODY,
    OPTION_HEADER_TIMEOUT,
    OPTION_BODY_TIMEOUT,
    OPTION_WRITE_TIMEOUT,
    OPTION_IDLE_TIMEOUT,
    OPTION_COUNT,
};

static const struct pk_option http_option_table[OPTION_COUNT] = {
    [OPTION_LISTEN] = { PK_OPTION_STRING, 0, "listen", "127.0.0.1:8080", NULL,
                        "ADDRESS:PORT to listen on; port 0 takes a free one" },
    [OPTION_TOKEN_FILE] = { PK_OPTION_PATH, 0, "token_file", NULL, NULL,
                            "a file of `NAME TOKEN` lines: callers must bear one of the tokens" },
    [OPTION_CERT] = { PK_OPTION_PATH, 0, "cert", NULL, NULL,
                      "certificate chain in PEM: TLS is spoken, and nothing else" },
    [OPTION_KEY] = { PK_OPTION_PATH, 0, "key", NULL, NULL, "the certificate's private key in PEM" },
    [OPTION_CLIENT_CA] = { PK_OPTION_PATH, 0, "client_ca", NULL, NULL,
                           "certificates in PEM: a client must show one that these have signed" },
    [OPTION_INSECURE] = { PK_OPTION_BOOL, 0, "insecure", "no", NULL,
                          "listen beyond this machine although anybody may call" },
    [OPTION_PATHS] = { PK_OPTION_BOOL, 0, "paths", "no", NULL,
                       "tell storage paths to callers elsewhere too: they share the volume" },
    [OPTION_MAX_CLIENTS] = { PK_OPTION_INT, 0, "max_clients", "1024", NULL,
                             "connections at once; more are answered 503 and closed" },
    [OPTION_MAX_HEADER] = { PK_OPTION_SIZE, 0, "max_header", "16KiB", NULL,
                            "bytes of a request's head" },
    [OPTION_MAX_REQUEST] = { PK_OPTION_SIZE, 0, "max_request", "1MiB", NULL,
                             "bytes of the JSON of one request" },
    [OPTION_MAX_BODY] = { PK_OPTION_SIZE, 0, "max_body", "1TiB", NULL,
                          "bytes of one upload; the peer's limits hold besides" },
    [OPTION_HEADER_TIMEOUT] = { PK_OPTION_DURATION, 0, "header_timeout", "10s", NULL,
                                "how long the head of a request may take to arrive" },
    [OPTION_BODY_TIMEOUT] = { PK_OPTION_DURATION, 0, "body_timeout", "30s", NULL,
                              "how long each 4 KiB of a body may take" },
    [OPTION_WRITE_TIMEOUT] = { PK_OPTION_DURATION, 0, "write_timeout", "30s", NULL,
                               "a client that takes none of its response for so long is "
                               "disconnected" },
    [OPTION_IDLE_TIMEOUT] = { PK_OPTION_DURATION, 0, "idle_timeout", "60s", NULL,
                              "how long a connection may stay between two requests" },
};

/* ---- options ---- */

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
parse_bounds(const struct pk_conf *conf, struct http_options *options, struct pk_error *err)
{
    const struct {
        uint32_t index;
        uint64_t *value;
    } bounds[] = {
        { OPTION_MAX_CLIENTS, &options->max_clients },
        { OPTION_MAX_HEADER, &options->max_header },
        { OPTION_MAX_REQUEST, &options->max_request },
        { OPTION_MAX_BODY, &options->max_body },
        { OPTION_HEADER_TIMEOUT, &options->header_timeout },
        { OPTION_BODY_TIMEOUT, &options->body_timeout },
        { OPTION_WRITE_TIMEOUT, &options->write_timeout },
        { OPTION_IDLE_TIMEOUT, &options->idle_timeout },
    };
    int32_t r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(bounds) / sizeof(bounds[0]); i++)
        r = parse_bound(conf, bounds[i].index, bounds[i].value, err);
    if (r == 0 && (options->max_header < HTTP_HEADER_MIN || options->max_header > 1U << 20))
        r = pk_fail(err, -EINVAL, "max_header: from 1KiB to 1MiB");
    if (r == 0 && options->max_request > PK_WIRE_REQUEST_MAX)
        r = pk_fail(err, -EINVAL, "max_request: at most 1MiB");
    return r;
}

static int32_t
parse_options(const struct pk_conf *conf, struct http_options *options, struct pk_error *err)
{
    options->listen = pk_conf_at(conf, OPTION_LISTEN)->text;
    options->files.tokens = pk_conf_at(conf, OPTION_TOKEN_FILE)->text;
    options->files.cert = pk_conf_at(conf, OPTION_CERT)->text;
    options->files.key = pk_conf_at(conf, OPTION_KEY)->text;
    options->files.client_ca = pk_conf_at(conf, OPTION_CLIENT_CA)->text;
    options->insecure = pk_conf_at(conf, OPTION_INSECURE)->number != 0;
    options->paths = pk_conf_at(conf, OPTION_PATHS)->number != 0;
    return parse_bounds(conf, options, err);
}

/* ---- life ---- */

void
http_transport_free(struct http_transport *transport)
{
    http_secrets_unref(transport->secrets);
    (void)pthread_mutex_destroy(&transport->secrets_lock);
    (void)pthread_mutex_destroy(&transport->loop.lock);
    free(transport);
}

struct http_secrets *
http_transport_secrets(struct http_transport *transport)
{
    pthread_mutex_lock(&transport->secrets_lock);
    struct http_secrets *secrets = http_secrets_ref(transport->secrets);
    pthread_mutex_unlock(&transport->secrets_lock);
    return secrets;
}

/* Nobody must be able to call from elsewhere by an oversight. */
static int32_t
check_open_door(const struct http_address *address, const struct http_options *options,
                struct pk_error *err)
{
    if (address->loopback || options->insecure || options->files.tokens != NULL
        || options->files.client_ca != NULL)
        return 0;
    return pk_fail(err, -EINVAL,
                   "listen: %s can be reached from elsewhere: give token_file or client_ca, or say "
                   "insecure = yes",
                   options->listen);
}

static int32_t
take_address(struct http_transport *transport, struct pk_error *err)
{
    int32_t r = http_address_take(transport->options.listen, &transport->address, err);
    if (r < 0)
        return r;
    r = check_open_door(&transport->address, &transport->options, err);
    if (r < 0) {
        (void)close(transport->address.fd);
        return r;
    }
    int fd = pk_steal_fd(transport->address.fd);
    r = http_listener_init(&transport->listener, transport, fd, err);
    if (r < 0)
        http_listener_finish(&transport->listener);
    return r;
}

static int32_t
prepare(struct http_transport *transport, const struct pk_conf *conf, struct pk_error *err)
{
    int32_t r = parse_options(conf, &transport->options, err);
    if (r == 0)
        r = http_secrets_read(&transport->options.files, &transport->secrets, err);
    return r;
}

static int32_t
transport_http_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                    struct pk_error *err)
{
    struct http_transport *transport = calloc(1, sizeof(*transport));
    if (transport == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    transport->host = host;
    transport->conf = conf;
    transport->listener.fd = -1;
    TAILQ_INIT(&transport->connections);
    (void)pthread_mutex_init(&transport->secrets_lock, NULL);
    int32_t r = prepare(transport, conf, err);
    bool looped = r == 0 && (r = http_loop_init(&transport->loop, transport, err)) == 0;
    if (r == 0)
        r = take_address(transport, err);
    if (r < 0) {
        if (looped)
            http_loop_finish(&transport->loop);
        http_transport_free(transport);
        return r;
    }
    *ret_instance = transport;
    return 0;
}

static int32_t
transport_http_start(void *instance, struct pk_error *err)
{
    struct http_transport *transport = instance;
    int32_t r = http_listener_start(&transport->listener, err);
    if (r == 0)
        r = http_loop_start(&transport->loop, transport, err);
    return r;
}

static void
transport_http_stop(void *instance, uint64_t deadline)
{
    struct http_transport *transport = instance;
    http_loop_stop(&transport->loop, deadline);
}

/* Calls that stop had to cut off may complete later still: the last one frees the memory then. */
static void
transport_http_close(void *instance)
{
    struct http_transport *transport = instance;
    http_listener_finish(&transport->listener);
    http_loop_finish(&transport->loop);
    pthread_mutex_lock(&transport->loop.lock);
    transport->closed = true;
    bool last = transport->calls == 0;
    pthread_mutex_unlock(&transport->loop.lock);
    if (last)
        http_transport_free(transport);
}

static void
transport_http_address(void *instance, char *text, uint64_t size)
{
    const struct http_transport *transport = instance;
    (void)snprintf(text, size, "%s://%s", transport->options.files.cert != NULL ? "https" : "http",
                   transport->address.text);
}

/* ---- new values ---- */

/* What a running instance can't follow. */
static int32_t
check_change(const struct http_transport *transport, const struct pk_conf *conf,
             struct pk_error *err)
{
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        const char *now = pk_conf_at(transport->conf, i)->text;
        const char *next = pk_conf_at(conf, i)->text;
        bool file =
            i == OPTION_TOKEN_FILE || i == OPTION_CERT || i == OPTION_KEY || i == OPTION_CLIENT_CA;
        if (!file && (now == NULL || next == NULL ? now != next : strcmp(now, next) != 0))
            return pk_fail(err, -EINVAL, "%s: can't change while the node runs",
                           http_option_table[i].name);
    }
    if ((pk_conf_at(conf, OPTION_CERT)->text == NULL) != (transport->options.files.cert == NULL))
        return pk_fail(err, -EINVAL, "cert: TLS begins and ends with a restart");
    return 0;
}

/* Who is connected stays so: a token is looked up with each request, and a certificate was shown
 * already. */
static int32_t
transport_http_reload(void *instance, const struct pk_conf *conf, struct pk_error *err)
{
    struct http_transport *transport = instance;
    struct http_options options = { 0 };
    struct http_secrets *secrets = NULL;
    int32_t r = check_change(transport, conf, err);
    if (r == 0)
        r = parse_options(conf, &options, err);
    if (r == 0)
        r = check_open_door(&transport->address, &options, err);
    if (r == 0)
        r = http_secrets_read(&options.files, &secrets, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&transport->secrets_lock);
    struct http_secrets *before = transport->secrets;
    transport->secrets = secrets;
    pthread_mutex_unlock(&transport->secrets_lock);
    http_secrets_unref(before);
    return 0;
}

/* ---- figures ---- */

static void
transport_http_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    struct http_counters *counters = &((struct http_transport *)instance)->counters;
    const struct {
        const char *name;
        const char *help;
        uint32_t kind;
        atomic_uint_fast64_t *value;
    } figures[] = {
        { "clients", "connections open", PK_STAT_GAUGE, &counters->clients },
        { "accepted", "connections made", PK_STAT_COUNTER, &counters->accepted },
        { "refused", "connections turned away", PK_STAT_COUNTER, &counters->refused },
        { "dropped", "clients given up because they took too long", PK_STAT_COUNTER,
          &counters->dropped },
        { "requests", "requests received", PK_STAT_COUNTER, &counters->requests },
        { "failures", "responses that are errors", PK_STAT_COUNTER, &counters->failures },
        { "bytes_in", "bytes received", PK_STAT_COUNTER, &counters->bytes_in },
        { "bytes_out", "bytes sent", PK_STAT_COUNTER, &counters->bytes_out },
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

static const struct pk_transport_ops transport_http_ops = {
    .struct_size = (uint32_t)sizeof(transport_http_ops),
    .open = transport_http_open,
    .start = transport_http_start,
    .stop = transport_http_stop,
    .close = transport_http_close,
    .address = transport_http_address,
    .reload = transport_http_reload,
    .stats = transport_http_stats,
};

static const struct pk_plugin transport_http_plugin = {
    .struct_size = (uint32_t)sizeof(transport_http_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_TRANSPORT,
    .option_count = OPTION_COUNT,
    .option_stride = (uint32_t)sizeof(struct pk_option),
    .name = "transport_http",
    .version = PACKICE_VERSION,
    .summary = "JSON requests over HTTP, blobs as streams of bytes",
    .options = http_option_table,
    .ops = &transport_http_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &transport_http_plugin;
}
