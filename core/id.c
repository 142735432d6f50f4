/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which texts may be object ids, and random bytes from a buffer that no two processes share. It
 * keeps no seed of its own: every byte comes from the kernel and is given out once.
 */
#include "core/id.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/* ---- object ids ---- */

/* The bytes of the UTF-8 character at `at`, 0 if there is none; *ret_point is its code point. */
static size_t
utf8_char(const unsigned char *at, uint32_t *ret_point)
{
    static const uint32_t lowest[] = { 0, 0, 0x80U, 0x800U, 0x10000U };
    size_t size = at[0] < 0x80U              ? 1U
                  : (at[0] & 0xe0U) == 0xc0U ? 2U
                  : (at[0] & 0xf0U) == 0xe0U ? 3U
                  : (at[0] & 0xf8U) == 0xf0U ? 4U
                                             : 0U;
    if (size == 0)
        return 0;
    uint32_t point = size == 1 ? at[0] : at[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0U) != 0x80U) /* a NUL stops here too */
            return 0;
        point = point << 6U | (at[i] & 0x3fU);
    }
    if (point < lowest[size] || point > 0x10ffffU || (point >= 0xd800U && point <= 0xdfffU))
        return 0;
    *ret_point = point;
    return size;
}

/* Whether all eight bytes are printable ASCII: no bit over 0x7f, and none gets there when what is
 * beyond the last of them is added, but all when what is before the first is. */
static bool
is_plain(const unsigned char *at)
{
    const uint64_t each = 0x0101010101010101U;
    uint64_t bytes = 0;

    memcpy(&bytes, at, sizeof(bytes));
    return ((bytes | (bytes + each)) & (each * 0x80U)) == 0
           && ((bytes + each * 0x60U) & (each * 0x80U)) == each * 0x80U;
}

/* How many bytes from here on are printable ASCII. */
static size_t
plain_run(const unsigned char *text, size_t size)
{
    size_t at = 0;

    while (size - at >= sizeof(uint64_t) && is_plain(text + at))
        at += sizeof(uint64_t);
    while (at < size && text[at] >= 0x20U && text[at] < 0x7fU)
        at++;
    return at;
}

int32_t
pk_id_measure(const char *id, size_t *ret_size, struct pk_error *err)
{
    size_t size = strnlen(id, PK_ID_MAX + 1U);
    if (size == 0)
        return pk_fail(err, -EINVAL, "the object id is empty");
    if (size > PK_ID_MAX)
        return pk_fail(err, -EINVAL, "the object id is over %d bytes", PK_ID_MAX);

    const unsigned char *text = (const unsigned char *)id;
    for (size_t at = plain_run(text, size); at < size; at += plain_run(text + at, size - at)) {
        uint32_t point = 0;
        size_t step = utf8_char(text + at, &point);
        if (step == 0)
            return pk_fail(err, -EINVAL, "the object id is not UTF-8 at byte %zu", at);
        if (point < 0x20U || (point >= 0x7fU && point <= 0x9fU))
            return pk_fail(err, -EINVAL, "the object id has a control character at byte %zu", at);
        at += step;
    }
    *ret_size = size;
    return 0;
}

int32_t
pk_id_check(const char *id, struct pk_error *err)
{
    size_t size = 0;

    return pk_id_measure(id, &size, err);
}

/* ---- randomness ---- */

/*
 * One page that the kernel zeroes in a forked child, its lock included: there it is empty and
 * free, whatever the parent's threads were doing. The unused bytes are the last `left`.
 */
struct pool {
    atomic_flag taken;
    uint32_t left;
    unsigned char bytes[4096 - 2 * sizeof(uint32_t)];
};

static struct pool *random_pool; /* NULL: no buffer, every request goes to the kernel */
static pthread_once_t random_once = PTHREAD_ONCE_INIT;

static void
pool_init(void)
{
    void *page =
        mmap(NULL, sizeof(struct pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, sizeof(struct pool), MADV_WIPEONFORK) < 0) {
        (void)munmap(page, sizeof(struct pool));
        return;
    }
    (void)madvise(page, sizeof(struct pool), MADV_DONTDUMP); /* a courtesy: cores hold no secrets */
    random_pool = page;
}

static int32_t
kernel_random(void *buf, size_t size)
{
    unsigned char *at = buf;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -EIO;
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

/* Takes from the buffer, and leaves no copy of what it gave. */
static int32_t
pool_take(struct pool *pool, void *buf, size_t size)
{
    if (pool->left < size) {
        if (kernel_random(pool->bytes, sizeof(pool->bytes)) < 0)
            return -EIO;
        pool->left = sizeof(pool->bytes);
    }
    unsigned char *from = pool->bytes + sizeof(pool->bytes) - pool->left;
    memcpy(buf, from, size);
    explicit_bzero(from, size);
    pool->left -= (uint32_t)size;
    return 0;
}

int32_t
pk_random(void *buf, size_t size)
{
    (void)pthread_once(&random_once, pool_init);
    struct pool *pool = random_pool;
    /* Who finds the buffer in use asks the kernel instead: cheaper than waiting, and never stuck.
     */
    if (pool == NULL || size > sizeof(pool->bytes) / 8
        || atomic_flag_test_and_set_explicit(&pool->taken, memory_order_acquire))
        return kernel_random(buf, size);
    int32_t result = pool_take(pool, buf, size);
    atomic_flag_clear_explicit(&pool->taken, memory_order_release);
    return result;
}

int32_t
pk_uuid(char ret_text[PK_LEASE_ID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    if (pk_random(bytes, sizeof(bytes)) < 0)
        return -EIO;
    bytes[6] = (unsigned char)((bytes[6] & 0x0fU) | 0x40U); /* version 4 */
    bytes[8] = (unsigned char)((bytes[8] & 0x3fU) | 0x80U); /* variant of RFC 9562 */

    char *at = ret_text;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4U];
        *at++ = digits[bytes[i] & 0x0fU];
    }
    *at = '\0';
    return 0;
}
