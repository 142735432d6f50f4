/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object ids, random bytes and UUIDs: what is refused, and that nothing is given out twice, to
 * threads and over fork alike.
 */
#include "core/id.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(accepts_any_script_and_any_path)
{
    static const char *const ids[] = {
        "a",
        "/",
        "..",
        "../../etc/passwd",
        " ",
        "with spaces",
        "\\",
        "\xc3\xa9",
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
        "\xe7\x89\xa9\xe4\xbd\x93",
        "\xf0\x9f\xa7\x8a\xf0\x9f\x8f\xbd",
        "\xc2\xa0",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf4\x8f\xbf\xbf",
    };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        ck_assert_msg(pk_id_check(ids[i], NULL) == 0, "id %zu was refused", i);
}
END_TEST

START_TEST(refuses_what_is_not_clean_utf8)
{
    static const char *const ids[] = {
        "\x01",
        "a\n",
        "\x1f",
        "\x7f",
        "\xc2\x80",         /* C1 */
        "\xc2\x9f",         /* C1 */
        "\x80",             /* a continuation on its own */
        "a\xc3",            /* cut */
        "\xe2\x82",         /* cut */
        "\xf0\x9f\xa7",     /* cut */
        "\xc3(",            /* no continuation */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong */
        "\xe0\x80\xaf",     /* overlong '/' */
        "\xf0\x80\x80\xaf", /* overlong '/' */
        "\xed\xa0\x80",     /* surrogate */
        "\xed\xbf\xbf",     /* surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct pk_error err = PK_ERROR_INIT;
        ck_assert_msg(pk_id_check(ids[i], &err) == -EINVAL, "id %zu was accepted", i);
        ck_assert_str_ne(err.message, "");
    }
}
END_TEST

/* Long runs are looked at in words, so whatever is wrong may stand anywhere in one. */
START_TEST(finds_what_is_wrong_wherever_it_stands)
{
    for (uint32_t byte = 1; byte < 256; byte++) {
        for (size_t at = 0; at < 20; at++) {
            struct pk_error err = PK_ERROR_INIT;
            char id[] = "plain ~ text of twenty";
            char where[32];
            id[at] = (char)byte;
            bool fine = byte >= 0x20 && byte < 0x7f;
            ck_assert_int_eq(pk_id_check(id, &err), fine ? 0 : -EINVAL);
            (void)snprintf(where, sizeof(where), "at byte %zu", at);
            ck_assert(fine || strstr(err.message, where) != NULL);
        }
    }
}
END_TEST

START_TEST(bounds_the_size_in_bytes)
{
    struct pk_error err = PK_ERROR_INIT;
    char id[PK_ID_MAX + 2];
    memset(id, 'x', sizeof(id));
    id[PK_ID_MAX + 1] = '\0';
    ck_assert_int_eq(pk_id_check(id, &err), -EINVAL);
    ck_assert_str_eq(err.message, "the object id is over 255 bytes");
    id[PK_ID_MAX] = '\0';
    ck_assert_int_eq(pk_id_check(id, &err), 0);
    memcpy(id + PK_ID_MAX - 1, "\xc3\xa9", 3); /* the last character ends behind the bound */
    ck_assert_int_eq(pk_id_check(id, &err), -EINVAL);
    ck_assert_int_eq(pk_id_check("", &err), -EINVAL);
    ck_assert_str_eq(err.message, "the object id is empty");
}
END_TEST

START_TEST(fills_any_size_with_different_bytes)
{
    static const size_t sizes[] = { 1, 7, 16, 500, 511, 512, 4000, 4096, 100000 };
    static unsigned char a[100000];
    static unsigned char b[100000];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(a, 0, sizeof(a));
        memset(b, 0, sizeof(b));
        ck_assert_int_eq(pk_random(a, sizes[i]), 0);
        ck_assert_int_eq(pk_random(b, sizes[i]), 0);
        if (sizes[i] >= 16) {
            ck_assert_int_ne(memcmp(a, b, sizes[i]), 0);
            /* its very end was filled, and what is behind it was not */
            ck_assert_int_ne(memcmp(a + sizes[i] - 16, b + sizes[i] - 16, 16), 0);
        }
        if (sizes[i] < sizeof(a))
            ck_assert_uint_eq(a[sizes[i]], 0);
    }
    ck_assert_int_eq(pk_random(a, 0), 0);
}
END_TEST

START_TEST(uuids_have_the_form_of_version_4)
{
    for (int i = 0; i < 1000; i++) {
        char text[PK_LEASE_ID_LEN + 1];
        ck_assert_int_eq(pk_uuid(text), 0);
        ck_assert_uint_eq(strlen(text), PK_LEASE_ID_LEN);
        ck_assert_uint_eq(strspn(text, "0123456789abcdef-"), PK_LEASE_ID_LEN);
        for (size_t at = 0; at < PK_LEASE_ID_LEN; at++)
            ck_assert_int_eq(text[at] == '-', at == 8 || at == 13 || at == 18 || at == 23);
        ck_assert_int_eq(text[14], '4');
        ck_assert_ptr_nonnull(strchr("89ab", text[19]));
    }
}
END_TEST

#define PER_THREAD 5000U
#define THREADS 4U
static char uuids[THREADS * PER_THREAD][PK_LEASE_ID_LEN + 1];

static void *
make_uuids(void *arg)
{
    char(*mine)[PK_LEASE_ID_LEN + 1] = arg;
    for (size_t i = 0; i < PER_THREAD; i++) {
        if (pk_uuid(mine[i]) != 0)
            return mine;
    }
    return NULL;
}

static int
uuid_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

START_TEST(threads_never_get_the_same_bytes)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_uuids, uuids[i * PER_THREAD]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    qsort(uuids, THREADS * PER_THREAD, sizeof(uuids[0]), uuid_compare);
    for (size_t i = 1; i < THREADS * PER_THREAD; i++)
        ck_assert_str_ne(uuids[i - 1], uuids[i]);
}
END_TEST

START_TEST(a_forked_child_gets_other_bytes)
{
    unsigned char mine[64];
    unsigned char its[64];
    int ends[2];
    ck_assert_int_eq(pk_random(mine, 1), 0); /* from here on there is a buffer to share */
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        bool done = pk_random(its, sizeof(its)) == 0
                    && write(ends[1], its, sizeof(its)) == (ssize_t)sizeof(its);
        _exit(done ? 0 : 1);
    }
    ck_assert_int_eq(pk_random(mine, sizeof(mine)), 0);
    ck_assert_int_eq(read(ends[0], its, sizeof(its)), (ssize_t)sizeof(its));
    ck_assert_int_ne(memcmp(mine, its, sizeof(mine)), 0);
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        accepts_any_script_and_any_path,        refuses_what_is_not_clean_utf8,
        finds_what_is_wrong_wherever_it_stands, bounds_the_size_in_bytes,
        fills_any_size_with_different_bytes,    uuids_have_the_form_of_version_4,
        threads_never_get_the_same_bytes,       a_forked_child_gets_other_bytes,
    };
    return SUITE_RUN("id", cases);
}
