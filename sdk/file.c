/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob as a stdio file, with a position of its own. It holds on to the blob, so that a file for
 * reading outlives its lease, and one for writing ends with the seal instead of preventing it.
 */
#include "sdk/held.h"
#include <errno.h>
#include <packice/cleanup.h>

struct file {
    struct packice_blob *blob;
    uint64_t position;
};

static ssize_t
file_read(void *cookie, char *data, size_t size)
{
    struct file *file = cookie;
    uint64_t count = 0;
    int32_t rc = packice_blob_read(file->blob, file->position, data, size, &count, NULL);
    if (rc != 0) {
        errno = -rc;
        return -1;
    }
    file->position += count;
    return (ssize_t)count;
}

/* What fits of size bytes, as write(2) at the end of a full disk. */
static size_t
fitting(const struct file *file, size_t size)
{
    uint64_t end = file->blob->size;
    if (end == PK_UNSIZED)
        return size;
    uint64_t room = file->position < end ? end - file->position : 0;
    return size < room ? size : (size_t)room;
}

static ssize_t
file_write(void *cookie, const char *data, size_t size)
{
    struct file *file = cookie;
    size_t fits = fitting(file, size);
    int32_t rc = fits > 0 ? packice_blob_write(file->blob, file->position, data, fits, NULL) : 0;
    if (rc == 0 && fits < size)
        rc = -EFBIG;
    if (rc != 0)
        errno = -rc;
    if (rc != 0 && rc != -EFBIG)
        return 0; /* fopencookie(3): never a negative value */
    file->position += fits;
    return (ssize_t)fits;
}

static int
file_seek(void *cookie, off64_t *offset, int whence)
{
    struct file *file = cookie;
    uint64_t base = 0;
    int32_t rc = 0;
    if (whence == SEEK_CUR)
        base = file->position;
    else if (whence == SEEK_END)
        rc = packice_blob_size(file->blob, &base, NULL);
    else if (whence != SEEK_SET)
        rc = -EINVAL;
    off64_t position = 0;
    if (rc == 0 && (__builtin_add_overflow((off64_t)base, *offset, &position) || position < 0))
        rc = -EINVAL;
    if (rc != 0) {
        errno = -rc;
        return -1;
    }
    file->position = (uint64_t)position;
    *offset = position;
    return 0;
}

static int
file_close(void *cookie)
{
    struct file *file = cookie;
    packice_blob_unref(file->blob);
    free(file);
    return 0;
}

int32_t
packice_blob_open(struct packice_blob *blob, FILE **ret_file, struct pk_error *err)
{
    int32_t rc = packice_blob_check(blob, err); /* before there is a file that could only fail */
    if (rc != 0)
        return rc;
    struct file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a file");
    file->blob = packice_blob_ref(blob);
    cookie_io_functions_t calls = { .read = file_read, .seek = file_seek, .close = file_close };
    if (blob->writable)
        calls.write = file_write;
    FILE *stream = fopencookie(file, blob->writable ? "r+" : "r", calls);
    if (stream == NULL) {
        (void)file_close(file);
        return pk_fail(err, -ENOMEM, "no memory for a file");
    }
    *ret_file = stream;
    return 0;
}
