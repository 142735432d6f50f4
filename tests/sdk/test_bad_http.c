/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes over HTTP that lie, babble, or break off: what the client makes of them, that it asks no
 * more often than it should, and that it keeps nothing.
 */
#include "fake_case.h"
#include "fake_http.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACQUIRED_AS(state, blobs) \
    "{\"status\":\"ok\",\"lease_id\":\"" LEASE "\",\"object_id\":\"x\",\"epoch\":1," \
    "\"ttl_seconds\":60,\"meta\":{},\"handles\":[],\"intent\":\"read\",\"state\":\"" state "\"," \
    "\"blobs\":[" blobs "]}"
#define HTTP_BLOB "{\"kind\":\"http\",\"url\":\"/objects/x/blobs/0\",\"size\":1000,\"offset\":0}"
#define ACQUIRED ACQUIRED_AS("sealed", HTTP_BLOB)
#define RELEASED "{\"status\":\"released\"}"
#define RENEWED "{\"status\":\"ok\",\"lease_id\":\"" LEASE "\",\"ttl_seconds\":60}"
#define ETAG "ETag: \"1-0\"\r\n"

#define SIZE 1000U

/* What the fake does with requests for bytes. */
struct script {
    const char *acquired; /* the answer to an acquire; NULL: ACQUIRED */
    const char *raw;      /* instead of it, byte for byte */
    const char *etags[2]; /* of the first and of later answers; NULL: none */
    const char *range;    /* a Content-Range that it says whatever is asked; NULL: the right one */
    const char *get_status;  /* NULL: the right one */
    const char *get_headers; /* more of them; NULL: none */
    const char *raw_get;     /* instead of all that */
    size_t cut;              /* of raw: so many bytes, then it hangs up; 0: all */
    size_t first;            /* so many bytes of the first answer, then it hangs up */
    int gets;                /* how many there were */
    atomic_int releases;     /* how many there were */
    int released;            /* of those, when the get had failed */
    int lock_fd;             /* where it takes the locks that it is asked for; -1: nowhere */
    bool whole;              /* answers with the whole blob where a part was asked for */
    bool never;              /* each answer breaks off before its first byte */
    bool stalls;             /* after `first` bytes it goes silent */
    bool endless;            /* raw or raw_get from its last byte on */
    bool lock_all;           /* takes more than it is asked for */
};

static char bytes[SIZE];

/* ---- the fake's answers ---- */

static void
say_raw(struct fake_answer *answer, const char *raw, size_t cut, bool endless)
{
    answer->bytes = strdup(raw);
    answer->size = cut > 0 ? cut : strlen(raw);
    answer->hang_up = true;
    answer->endless = endless;
    answer->again = 0;
    if (endless && strncmp(raw, "HTTP/1.1 100", 12) != 0) /* that one, all of it */
        answer->again = answer->size - 1;
}

/* The number behind a header's name; -1 if it isn't there. */
static long
header_number(const char *request, const char *header)
{
    const char *found = strstr(request, header);
    return found != NULL ? strtol(found + strlen(header), NULL, 10) : -1;
}

static void
take_lock(const struct script *script, const char *request, struct fake_answer *answer)
{
    long long place = header_number(request, "PackIce-Lock: ");
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = place, .l_len = 1 };
    if (script->lock_all)
        lock.l_len = 2;
    if (script->lock_fd >= 0)
        ck_assert_int_eq(fcntl(script->lock_fd, F_OFD_SETLK, &lock), 0);
    fake_http_bytes(answer, "200 OK", "", NULL, 0);
}

static void
say_bytes(struct script *script, const char *request, struct fake_answer *answer)
{
    char headers[512];
    char range[64] = "";
    long from = header_number(request, "Range: bytes=");
    bool later = script->gets++ > 0;
    bool part = from > 0 && !script->whole;
    size_t start = part ? (size_t)from : 0;
    const char *etag = script->etags[later];
    if (script->raw_get != NULL) {
        say_raw(answer, script->raw_get, 0, script->endless);
        return;
    }
    if (part)
        (void)snprintf(range, sizeof(range), "Content-Range: bytes %zu-%u/%u\r\n", start, SIZE - 1,
                       SIZE);
    (void)snprintf(headers, sizeof(headers), "%s%s%s",
                   script->range != NULL ? script->range : range, etag != NULL ? etag : "",
                   script->get_headers != NULL ? script->get_headers : "");
    const char *status = part ? "206 Partial Content" : "200 OK";
    fake_http_bytes(answer, script->get_status != NULL ? script->get_status : status, headers,
                    bytes + start, SIZE - start);
    size_t head = answer->size - (SIZE - start);
    if (script->never || (!later && script->first > 0)) {
        answer->size = head + (script->never ? 0 : script->first);
        answer->hang_up = !script->stalls;
        answer->silent = script->stalls;
    }
}

/* What comes of the lease; a machine that is slow enough renews it. Whether it was that. */
static bool
follow_lease(struct script *script, const char *request, struct fake_answer *answer)
{
    if (strncmp(request, "POST /release ", 14) == 0) {
        (void)atomic_fetch_add(&script->releases, 1);
        fake_http_json(answer, "200 OK", "", RELEASED);
        return true;
    }
    if (strncmp(request, "POST /renew ", 12) != 0)
        return false;
    fake_http_json(answer, "200 OK", "", RENEWED);
    return true;
}

static void
follow(void *arg, const char *request, struct fake_answer *answer)
{
    struct script *script = arg;
    if (follow_lease(script, request, answer))
        return;
    if (strncmp(request, "HEAD /objects/x/blobs/0 ", 24) == 0)
        take_lock(script, request, answer);
    else if (strncmp(request, "GET /objects/x/blobs/0 ", 23) == 0)
        say_bytes(script, request, answer);
    else if (strncmp(request, "POST /acquire ", 14) == 0 && script->raw != NULL)
        say_raw(answer, script->raw, script->cut, script->endless);
    else if (strncmp(request, "POST /acquire ", 14) == 0)
        fake_http_json(answer, "200 OK", "",
                       script->acquired != NULL ? script->acquired : ACQUIRED);
    else
        ck_abort_msg("the fake was asked: %s", request);
}

/* ---- what the tests do ---- */

/* Gets "x" from a node that does this, looks at its bytes, and releases it. *ret_heard (ret_heard
 * may be NULL): all that the node was asked, malloc'd. */
static int
get_x(struct script *script, double timeout, char **ret_heard)
{
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    void *data = NULL;
    uint64_t size = 0;
    fill(bytes, SIZE, 3);
    struct fake_http *fake = fake_http_start(follow, script);
    MUST(packice_connect(fake_http_target(fake), &client));
    MUST(packice_client_set_timeout(client, timeout));
    int rc = packice_get(client, "x", 0, &lease);
    script->released = atomic_load(&script->releases);
    ck_assert_msg((rc == 0) == (lease != NULL), "a lease without success, or the reverse");
    if (rc == 0) {
        MUST(packice_map(lease, 0, &data, &size));
        ck_assert_uint_eq(size, SIZE);
        ck_assert(filled(data, SIZE, 3));
        MUST(packice_release(lease));
    }
    packice_client_free(client);
    char *heard = fake_http_stop(fake);
    if (ret_heard != NULL)
        *ret_heard = heard;
    else
        free(heard);
    return rc;
}

/* How often `text` is in what was heard. */
static int
count_in(const char *heard, const char *text)
{
    int count = 0;
    for (const char *at = strstr(heard, text); at != NULL; at = strstr(at + 1, text))
        count++;
    return count;
}

START_TEST(sdk_gets_bytes_over_http)
{
    struct script script = { .etags = { ETAG, ETAG }, .lock_fd = -1 };
    char *heard = NULL;
    MUST(get_x(&script, 60, &heard));
    ck_assert_int_eq(count_in(heard, "POST /acquire HTTP/1.1\r\n"), 1);
    ck_assert_int_eq(count_in(heard, "GET /objects/x/blobs/0 HTTP/1.1\r\n"), 1);
    ck_assert_int_eq(count_in(heard, "PackIce-Lease: " LEASE "\r\n"), 1);
    ck_assert_int_eq(count_in(heard, "POST /release HTTP/1.1\r\n"), 1);
    ck_assert_int_eq(count_in(heard, "Accept-Encoding"), 0);
    ck_assert_int_eq(count_in(heard, "Authorization"), 0);
    free(heard);
}
END_TEST

/* None of them is a reply; the node is asked once, and nothing else. */
START_TEST(sdk_refuses_responses_that_are_wrong)
{
    static const char *const raws[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nnonsense",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 302 Found\r\nLocation: /stolen\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /stolen\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}",
        "HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\n<p>no</p>",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        "HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "{\"status\":\"ok\"}",
        "SSH-2.0-node\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
        struct script script = { .raw = raws[i], .lock_fd = -1 };
        char *heard = NULL;
        int rc = get_x(&script, 60, &heard);
        ck_assert_msg(rc == -EPROTO, "%d (%s) instead of -EPROTO: %s", rc, packice_error_message(),
                      raws[i]);
        ck_assert_int_eq(count_in(heard, "HTTP/1.1\r\n"), 1);
        ck_assert_int_eq(count_in(heard, "stolen"), 0);
        free(heard);
    }
}
END_TEST

START_TEST(sdk_bounds_what_a_node_sends_without_end)
{
    static const char *const raws[] = {
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 404 No\r\n\r\n<p>aaaa",
    };
    for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
        struct script script = { .raw = raws[i], .endless = true, .lock_fd = -1 };
        int rc = get_x(&script, 60, NULL);
        ck_assert_msg(rc == -EPROTO, "%d instead of -EPROTO: %s", rc, raws[i]);
    }
    struct script line = { .raw = "HTTP/1.1 200 OK\r\nX: y", .endless = true, .lock_fd = -1 };
    ck_assert_int_ne(get_x(&line, 60, NULL), 0); /* libcurl bounds a line, and calls that -ENOMEM */
    struct script script = { .raw_get = "HTTP/1.1 200 OK\r\n\r\nabc",
                             .endless = true,
                             .lock_fd = -1 };
    ck_assert_int_eq(get_x(&script, 60, NULL), -EPROTO);
}
END_TEST

START_TEST(sdk_takes_no_part_of_a_response_for_the_whole)
{
    static const char raw[] = "HTTP/1.1 200 OK\r\nServer: fake\r\nContent-Length: 300\r\n\r\n"
                              "{\"status\":\"released\"}";
    for (size_t cut = 1; cut < sizeof(raw); cut++) {
        struct script script = { .raw = raw, .cut = cut, .lock_fd = -1 };
        char *heard = NULL;
        int rc = get_x(&script, 60, &heard);
        ck_assert_msg(rc == -ECONNRESET || rc == -EPROTO, "%d after %zu bytes", rc, cut);
        ck_assert_int_eq(count_in(heard, "POST /acquire "), 1);
        free(heard);
    }
}
END_TEST

/* ---- downloads ---- */

START_TEST(sdk_takes_up_a_download_where_it_broke_off)
{
    for (size_t first = 1; first < SIZE; first += first < 5 || first > SIZE - 5 ? 1 : 97) {
        struct script script = { .etags = { ETAG, ETAG }, .first = first, .lock_fd = -1 };
        char range[64];
        char *heard = NULL;
        MUST(get_x(&script, 60, &heard));
        (void)snprintf(range, sizeof(range), "\r\nRange: bytes=%zu-\r\n", first);
        ck_assert_int_eq(count_in(heard, range), 1);
        ck_assert_int_eq(count_in(heard, "If-Range: \"1-0\"\r\n"), 1);
        ck_assert_int_eq(count_in(heard, "GET /objects"), 2);
        free(heard);
    }
}
END_TEST

START_TEST(sdk_begins_a_download_again_where_it_must)
{
    struct script unnamed = { .first = 500, .lock_fd = -1 };
    struct script weak = { .etags = { "ETag: W/\"1\"\r\n", "ETag: W/\"1\"\r\n" },
                           .first = 500,
                           .lock_fd = -1 };
    struct script whole = { .etags = { ETAG, ETAG }, .first = 500, .whole = true, .lock_fd = -1 };
    char *heard = NULL;
    MUST(get_x(&unnamed, 60, &heard));
    ck_assert_int_eq(count_in(heard, "Range:"), 0);
    free(heard);
    MUST(get_x(&weak, 60, &heard));
    ck_assert_int_eq(count_in(heard, "Range:"), 0);
    free(heard);
    MUST(get_x(&whole, 60, NULL));
}
END_TEST

/* Each would put an object together of what does not belong together. The lease is released. */
START_TEST(sdk_refuses_bytes_of_something_else)
{
    struct script scripts[] = {
        { .etags = { ETAG, "ETag: \"2-0\"\r\n" }, .first = 500 },
        { .etags = { ETAG, NULL }, .first = 500 },
        { .etags = { ETAG, "ETag: \"2-0\"\r\n" }, .first = 500, .whole = true },
        { .etags = { ETAG, ETAG }, .first = 500, .range = "Content-Range: bytes 499-999/1000\r\n" },
        { .etags = { ETAG, ETAG }, .first = 500, .range = "Content-Range: bytes 500-999/2000\r\n" },
        { .etags = { ETAG, ETAG }, .first = 500, .range = "Content-Range: bytes 500-999/*\r\n" },
        { .etags = { ETAG, ETAG }, .get_status = "206 Partial Content" },
        { .raw_get = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" },
        { .raw_get = "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\na" },
        { .get_headers = "Content-Encoding: gzip\r\n" },
        { .get_headers = "Content-Encoding: br\r\n" },
        { .get_status = "302 Found", .get_headers = "Location: /objects/y/blobs/0\r\n" },
        { .get_status = "203 Changed" },
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        char *heard = NULL;
        scripts[i].lock_fd = -1;
        int rc = get_x(&scripts[i], 60, &heard);
        ck_assert_msg(rc == -EPROTO, "%d (%s) instead of -EPROTO: script %zu", rc,
                      packice_error_message(), i);
        ck_assert_int_eq(scripts[i].released, 1);
        ck_assert_int_eq(count_in(heard, "/objects/y"), 0);
        free(heard);
    }
}
END_TEST

START_TEST(sdk_gives_up_a_download_that_never_gets_anywhere)
{
    struct script script = { .etags = { ETAG, ETAG }, .never = true, .lock_fd = -1 };
    char *heard = NULL;
    ck_assert_int_eq(get_x(&script, 60, &heard), -ECONNRESET);
    ck_assert_int_eq(script.gets, 8);
    ck_assert_int_eq(script.released, 1);
    free(heard);
}
END_TEST

START_TEST(sdk_gives_up_a_download_that_stands_still)
{
    struct script script = { .etags = { ETAG, ETAG }, .first = 500, .stalls = true, .lock_fd = -1 };
    char *heard = NULL;
    ck_assert_int_eq(get_x(&script, 0.3, &heard), -ETIMEDOUT);
    ck_assert_int_eq(script.gets, 1);
    free(heard);
}
END_TEST

START_TEST(sdk_tells_why_bytes_are_refused)
{
    struct script script = {
        .raw_get =
            "HTTP/1.1 404 Not Found\r\nContent-Length: 69\r\n\r\n"
            "{\"status\":\"error\",\"error\":\"lease_not_found\",\"message\":\"it has ended\"}",
        .lock_fd = -1,
    };
    ck_assert_int_eq(get_x(&script, 60, NULL), -ESTALE);
    struct script full = { .raw_get = "HTTP/1.1 503 Full\r\nContent-Length: 2\r\n\r\n-\n",
                           .lock_fd = -1 };
    ck_assert_int_eq(get_x(&full, 60, NULL), -EBUSY);
}
END_TEST

/* ---- files of the same machine ---- */

/* Gets "x", of which the node says that it is at `path`. */
static int
get_at_path(const char *path, int lock_fd, bool lock_all, char **ret_heard)
{
    char acquired[512];
    struct script script = {
        .acquired = acquired, .etags = { ETAG, ETAG }, .lock_fd = lock_fd, .lock_all = lock_all
    };
    (void)snprintf(acquired, sizeof(acquired),
                   ACQUIRED_AS("sealed", "{\"kind\":\"path\",\"path\":\"%s\",\"url\":"
                                         "\"/objects/x/blobs/0\",\"size\":1000,\"offset\":0}"),
                   path);
    return get_x(&script, 60, ret_heard);
}

/* A file of so many bytes, those of the object or others. */
static void
make_file(const char *path, size_t size, unsigned seed)
{
    char data[2 * SIZE];
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    fill(data, sizeof(data), seed);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(sdk_uses_a_file_that_the_node_proves_to_have)
{
    char *heard = NULL;
    make_file(fake_path, SIZE, 3);
    int fd = open(fake_path, O_RDONLY | O_CLOEXEC);
    MUST(get_at_path(fake_path, fd, false, &heard));
    ck_assert_int_eq(count_in(heard, "GET /objects"), 0);
    ck_assert_int_eq(count_in(heard, "HEAD /objects/x/blobs/0 "), 1);
    free(heard);
    (void)close(fd);
}
END_TEST

START_TEST(sdk_streams_what_a_path_does_not_prove)
{
    char other[128];
    char *heard = NULL;
    (void)snprintf(other, sizeof(other), "%s-other", fake_path);
    make_file(fake_path, SIZE, 4); /* the right size, in another container */
    make_file(other, SIZE, 3);
    int same = open(fake_path, O_RDONLY | O_CLOEXEC);
    int elsewhere = open(other, O_RDONLY | O_CLOEXEC);
    const struct {
        const char *path;
        int lock_fd;
        bool lock_all;
        int heads;
    } cases[] = {
        { fake_path, -1, false, 1 },        /* the node locks nothing */
        { fake_path, elsewhere, false, 1 }, /* another file */
        { fake_path, same, true, 1 },       /* locks whatever it can, or somebody else does */
        { fake_folder, -1, false, 0 },      /* no file, or not of that size: not even asked */
        { "/dev/zero", -1, false, 0 },      { "/nowhere", -1, false, 0 },
        { "/proc/self/exe", -1, false, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MUST(get_at_path(cases[i].path, cases[i].lock_fd, cases[i].lock_all, &heard));
        ck_assert_int_eq(count_in(heard, "GET /objects"), 1);
        ck_assert_int_eq(count_in(heard, "HEAD /objects"), cases[i].heads);
        free(heard);
    }
    (void)close(same);
    (void)close(elsewhere);
    (void)unlink(other);
}
END_TEST

/* ---- who asks, and how often ---- */

static void
answer_list(void *arg, const char *request, struct fake_answer *answer)
{
    atomic_int *asked = arg;
    bool acquires = strncmp(request, "POST /acquire ", 14) == 0;
    int number = atomic_fetch_add(asked, 1) + 1;
    if (acquires || number == 2) { /* reads it whole, over a connection that worked, and goes */
        answer->hang_up = true;
        return;
    }
    fake_http_json(answer, "200 OK", "", "{\"status\":\"ok\",\"objects\":[],\"cursor\":null}");
}

static void
list_all(packice_client *client)
{
    packice_list *list = NULL;
    const struct packice_object *object = NULL;
    MUST(packice_list_new(client, NULL, 0, &list));
    MUST(packice_list_next(list, &object));
    ck_assert_ptr_null(object);
    packice_list_free(list);
}

START_TEST(sdk_asks_twice_only_where_it_does_no_harm)
{
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    atomic_int asked = 0;
    struct fake_http *fake = fake_http_start(answer_list, &asked);
    MUST(packice_connect(fake_http_target(fake), &client));
    list_all(client);
    list_all(client); /* the connection is lost over it, and it is asked for again */
    ck_assert_int_eq(atomic_load(&asked), 3);
    FAILS(packice_get(client, "x", 0, &lease), -ECONNRESET);
    ck_assert_int_eq(atomic_load(&asked), 4);
    packice_client_free(client);
    char *heard = fake_http_stop(fake);
    ck_assert_int_eq(count_in(heard, "POST /acquire "), 1);
    free(heard);
}
END_TEST

START_TEST(sdk_proves_who_asks_by_a_token_that_it_tells_nobody_else)
{
    static const char secret[] = "s3cret.token";
    struct packice_connect_options options = PACKICE_CONNECT_OPTIONS_INIT;
    struct script script = { .etags = { ETAG, ETAG }, .get_status = "500 Oops", .lock_fd = -1 };
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    options.token = secret;
    struct fake_http *fake = fake_http_start(follow, &script);
    MUST(packice_connect_with(fake_http_target(fake), &options, &client));
    FAILS(packice_get(client, "x", 0, &lease), -EPROTO);
    ck_assert_ptr_null(strstr(packice_error_message(), secret));
    packice_client_free(client);
    char *heard = fake_http_stop(fake);
    ck_assert_int_eq(count_in(heard, "Authorization: Bearer s3cret.token\r\n"), 3);
    free(heard);
    static const char *const wrong[] = { "", "two words", "line\r\nHost: other", "t\x7F",
                                         "\xC3\xA4" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        options.token = wrong[i];
        client = NULL;
        FAILS(packice_connect_with("http://127.0.0.1:1", &options, &client), -EINVAL);
        ck_assert_ptr_null(client);
    }
}
END_TEST

static void
answer_nothing(void *arg, const char *request, struct fake_answer *answer)
{
    (void)arg;
    (void)request;
    answer->silent = true;
}

START_TEST(sdk_gives_up_on_a_node_that_says_nothing_over_http)
{
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct fake_http *fake = fake_http_start(answer_nothing, NULL);
    MUST(packice_connect(fake_http_target(fake), &client));
    MUST(packice_client_set_timeout(client, 0.02));
    FAILS(packice_get(client, "x", 0, &lease), -ETIMEDOUT);
    packice_client_free(client);
    free(fake_http_stop(fake));
}
END_TEST

START_TEST(sdk_says_why_it_cannot_connect_over_http)
{
    struct packice_connect_options options = PACKICE_CONNECT_OPTIONS_INIT;
    packice_client *client = NULL;
    static const char *const wrong[] = {
        "http://",
        "http://user@127.0.0.1/",
        "http://user:word@127.0.0.1/",
        "http://127.0.0.1/?a=b",
        "http://127.0.0.1/#a",
        "http://127.0.0.1:99999",
        "http://a b/",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        FAILS(packice_connect(wrong[i], &client), -EINVAL);
        ck_assert_ptr_null(strstr(packice_error_message(), "word"));
    }
    struct fake_http *fake = fake_http_start(answer_nothing, NULL);
    char *gone = strdup(fake_http_target(fake));
    char *secure = NULL;
    ck_assert_int_gt(asprintf(&secure, "https%s", gone + 4), 0);
    FAILS(packice_connect(secure, &client), -EPROTO); /* no TLS there */
    options.ca_file = "/nowhere/ca.pem";
    FAILS(packice_connect_with(secure, &options, &client), -EINVAL);
    options.ca_file = NULL;
    options.cert = "/nowhere/cert.pem";
    FAILS(packice_connect_with(secure, &options, &client), -EINVAL);
    options.cert = NULL;
    options.key = "/nowhere/key.pem";
    FAILS(packice_connect_with(secure, &options, &client), -EINVAL);
    options.key = NULL;
    options.flags = 1;
    FAILS(packice_connect_with(gone, &options, &client), -EINVAL);
    free(fake_http_stop(fake));
    FAILS(packice_connect(gone, &client), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(packice_error_message(), gone));
    ck_assert_ptr_null(client);
    free(secure);
    free(gone);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sdk_gets_bytes_over_http,
        sdk_refuses_responses_that_are_wrong,
        sdk_bounds_what_a_node_sends_without_end,
        sdk_takes_no_part_of_a_response_for_the_whole,
        sdk_takes_up_a_download_where_it_broke_off,
        sdk_begins_a_download_again_where_it_must,
        sdk_refuses_bytes_of_something_else,
        sdk_gives_up_a_download_that_never_gets_anywhere,
        sdk_gives_up_a_download_that_stands_still,
        sdk_tells_why_bytes_are_refused,
        sdk_uses_a_file_that_the_node_proves_to_have,
        sdk_streams_what_a_path_does_not_prove,
        sdk_asks_twice_only_where_it_does_no_harm,
        sdk_proves_who_asks_by_a_token_that_it_tells_nobody_else,
        sdk_gives_up_on_a_node_that_says_nothing_over_http,
        sdk_says_why_it_cannot_connect_over_http,
    };
    return RUN_FAKE_CASES("sdk_bad_http", cases);
}
