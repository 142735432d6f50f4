/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of blob_memfd share: an instance, and short calls that must succeed.
 */
#ifndef BLOB_MEMFD_FIXTURE_H
#define BLOB_MEMFD_FIXTURE_H

#include "fake_factory_host.h"

#include <check.h>
#include <fcntl.h>
#include <packice/blob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct pk_plugin *blob_memfd_entry(void);

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct fixture {
    struct fake_factory_host fake;
    const struct pk_blob_ops *ops;
    void *memfd;
    struct pk_error err;
};

static inline void
fixture_prepare(struct fixture *f)
{
    const struct pk_plugin *plugin = blob_memfd_entry();
    memset(f, 0, sizeof(*f));
    fake_factory_host_init(&f->fake, plugin);
    f->ops = plugin->ops;
    f->err = (struct pk_error)PK_ERROR_INIT;
}

static inline void
fixture_open(struct fixture *f)
{
    fixture_prepare(f);
    ck_assert_int_eq(f->ops->open(&f->fake.host, &f->fake.conf, &f->memfd, &f->err), 0);
}

static inline void
fixture_close(struct fixture *f)
{
    f->ops->close(f->memfd);
}

static inline int32_t
try_create(struct fixture *f, uint64_t size, void **ret_blob)
{
    const struct pk_key key = { "../a b/\xf0\x9f\xa7\x8a", 1 };
    return f->ops->create(f->memfd, &key, 0, size, ret_blob, &f->err);
}

static inline void *
create(struct fixture *f, uint64_t size)
{
    void *blob = NULL;
    ck_assert_int_eq(try_create(f, size, &blob), 0);
    ck_assert_ptr_nonnull(blob);
    return blob;
}

static inline void
keep_handle(void *arg, const struct pk_handle *handle)
{
    *(struct pk_handle *)arg = *handle;
}

static inline struct pk_handle
get_handle(struct fixture *f, void *blob, uint32_t access)
{
    struct pk_handle handle = { .fd = -1 };
    ck_assert_int_eq(f->ops->handle(blob, access, keep_handle, &handle, &f->err), 0);
    ck_assert_uint_eq(handle.struct_size, sizeof(handle));
    ck_assert_uint_eq(handle.kind, PK_HANDLE_FD);
    ck_assert_int_ge(handle.fd, 0);
    ck_assert_uint_eq(handle.offset, 0);
    ck_assert_int_eq(fcntl(handle.fd, F_GETFD), FD_CLOEXEC);
    return handle;
}

static inline int
get_fd(struct fixture *f, void *blob, uint32_t access)
{
    return get_handle(f, blob, access).fd;
}

static inline void
put(struct fixture *f, void *blob, uint64_t offset, const char *text)
{
    ck_assert_int_eq(f->ops->write(blob, offset, text, strlen(text), &f->err), 0);
}

static inline void
seal(struct fixture *f, void *blob, uint64_t size)
{
    ck_assert_int_eq(f->ops->seal(blob, size, &f->err), 0);
}

static inline uint64_t
size_of(struct fixture *f, void *blob)
{
    uint64_t size = 0;
    ck_assert_int_eq(f->ops->size(blob, &size, &f->err), 0);
    return size;
}

static inline void
discard(struct fixture *f, void *blob)
{
    ck_assert_int_eq(f->ops->remove(blob, &f->err), 0);
}

static inline void
assert_content(int fd, const char *text)
{
    char got[4096];
    ssize_t size = pread(fd, got, sizeof(got), 0);
    ck_assert_int_eq(size, (ssize_t)strlen(text));
    ck_assert_int_eq(memcmp(got, text, (size_t)size), 0);
}

#endif
