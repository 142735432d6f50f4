/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: every way in and every way out, at every size where something changes.
 */
#include "target.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t sizes[] = { 0, 1, 4095, 4096, 1U << 20, 33U << 20 };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* What is mapped and read is what was put in. */
static void
check_blob(packice_lease *lease, uint32_t blob, uint64_t size, unsigned seed)
{
    void *data = NULL;
    uint64_t mapped = 1;
    MUST(packice_map(lease, blob, &data, &mapped));
    ck_assert_uint_eq(mapped, size);
    ck_assert_ptr_nonnull(data);
    ck_assert(filled(data, size, seed));
    char tail[8] = "";
    uint64_t count = 9;
    uint64_t offset = size > 5 ? size - 5 : 0;
    MUST(packice_read(lease, blob, offset, tail, sizeof(tail), &count));
    ck_assert_uint_eq(count, size - offset);
    ck_assert_mem_eq(tail, (char *)data + offset, count);
    MUST(packice_read(lease, blob, size, tail, sizeof(tail), &count));
    ck_assert_uint_eq(count, 0);
    MUST(packice_read(lease, blob, UINT64_MAX, tail, sizeof(tail), &count));
    ck_assert_uint_eq(count, 0);
}

static void
check_through_other(const char *id, uint64_t size, unsigned seed)
{
    packice_lease *lease = NULL;
    MUST(packice_get(target.other, id, 0, &lease));
    check_blob(lease, 0, size, seed);
    MUST(packice_release(lease));
}

START_TEST(sdk_shares_what_was_mapped)
{
    for (size_t i = 0; i < SIZES; i++) {
        packice_lease *lease = NULL;
        void *data = NULL;
        uint64_t size = 1;
        MUST(packice_create(target.client, "mapped", sizes[i], &lease));
        ck_assert_uint_eq(packice_lease_access(lease), PACKICE_CREATE);
        ck_assert_uint_eq(packice_lease_state(lease), PACKICE_CREATING);
        MUST(packice_map(lease, 0, &data, &size));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert_ptr_nonnull(data);
        fill(data, size, (unsigned)i);
        void *again = NULL;
        MUST(packice_map(lease, 0, &again, NULL));
        ck_assert_ptr_eq(again, data);
        MUST(packice_seal(lease));
        ck_assert_uint_eq(packice_lease_access(lease), PACKICE_READ);
        ck_assert_uint_eq(packice_lease_state(lease), PACKICE_SEALED);
        MUST(packice_map(lease, 0, &data, &size));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert(filled(data, size, (unsigned)i));
        check_through_other("mapped", size, (unsigned)i);
        MUST(packice_release(lease));
        MUST(packice_discard(target.client, "mapped"));
    }
}
END_TEST

START_TEST(sdk_shares_what_was_written)
{
    for (size_t i = 0; i < SIZES; i++) {
        packice_lease *lease = NULL;
        char *data = malloc(sizes[i] + 1);
        ck_assert_ptr_nonnull(data);
        fill(data, sizes[i], (unsigned)i);
        uint64_t half = sizes[i] / 2;
        MUST(packice_create(target.client, "written", sizes[i], &lease));
        MUST(packice_write(lease, 0, half, data + half, sizes[i] - half));
        MUST(packice_write(lease, 0, 0, data, half));
        FAILS(packice_write(lease, 0, sizes[i], data, 1), -EFBIG);
        FAILS(packice_write(lease, 0, UINT64_MAX, data, 1), -EFBIG);
        FAILS(packice_write(lease, 0, 0, data, UINT64_MAX), -EFBIG);
        MUST(packice_write(lease, 0, sizes[i], data, 0));
        MUST(packice_seal(lease));
        FAILS(packice_write(lease, 0, 0, data, 1), -EACCES);
        MUST(packice_release(lease));
        check_through_other("written", sizes[i], (unsigned)i);
        MUST(packice_discard(target.other, "written"));
        free(data);
    }
}
END_TEST

START_TEST(sdk_puts_in_one_call)
{
    packice_lease *lease = NULL;
    char data[5000];
    fill(data, sizeof(data), 3);
    MUST(packice_put(target.client, "put", data, sizeof(data), NULL));
    check_through_other("put", sizeof(data), 3);
    FAILS(packice_put(target.client, "put", data, sizeof(data), &lease), -EEXIST);
    ck_assert_ptr_null(lease);
    MUST(packice_put(target.client, NULL, data, 0, &lease));
    ck_assert_uint_eq(packice_lease_access(lease), PACKICE_READ);
    ck_assert_uint_eq(strlen(packice_lease_object_id(lease)), 36);
    check_through_other(packice_lease_object_id(lease), 0, 0);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_lets_unsized_blobs_grow)
{
    packice_lease *lease = NULL;
    char data[10000];
    uint64_t size = 1;
    void *first = NULL;
    void *second = NULL;
    fill(data, sizeof(data), 7);
    MUST(packice_create(target.client, "grows", PACKICE_UNSIZED, &lease));
    MUST(packice_lease_blob_size(lease, 0, &size));
    ck_assert_uint_eq(size, 0);
    MUST(packice_write(lease, 0, 0, data, 5000));
    MUST(packice_map(lease, 0, &first, &size));
    ck_assert_uint_eq(size, 5000);
    MUST(packice_write(lease, 0, 5000, data + 5000, 5000));
    MUST(packice_map(lease, 0, &second, &size));
    ck_assert_uint_eq(size, 10000);
    ck_assert(filled(first, 5000, 7)); /* the map before is still there */
    ck_assert(filled(second, 10000, 7));
    MUST(packice_lease_blob_size(lease, 0, &size));
    ck_assert_uint_eq(size, 10000);
    MUST(packice_seal(lease));
    MUST(packice_lease_blob_size(lease, 0, &size));
    ck_assert_uint_eq(size, 10000);
    MUST(packice_release(lease));
    check_through_other("grows", 10000, 7);
}
END_TEST

/* An object of so many blobs, each of another size and with other bytes. */
static void
share_blobs(uint32_t count)
{
    uint64_t wanted[PACKICE_BLOBS_MAX];
    for (uint32_t i = 0; i < count; i++)
        wanted[i] = (i * 613U) % 9000U;
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    options.id = "blobs";
    options.sizes = wanted;
    options.blob_count = count;
    packice_lease *lease = NULL;
    MUST(packice_create_with(target.client, &options, &lease));
    ck_assert_uint_eq(packice_lease_blob_count(lease), count);
    for (uint32_t i = 0; i < count; i++) {
        void *data = NULL;
        uint64_t size = 1;
        MUST(packice_map(lease, i, &data, &size));
        ck_assert_uint_eq(size, wanted[i]);
        fill(data, size, i);
    }
    MUST(packice_seal(lease));
    MUST(packice_release(lease));
    MUST(packice_get(target.other, "blobs", 0, &lease));
    for (uint32_t i = 0; i < count; i++)
        check_blob(lease, i, wanted[i], i);
    void *data = NULL;
    FAILS(packice_map(lease, count, &data, NULL), -EINVAL);
    ck_assert_ptr_null(data);
    MUST(packice_release(lease));
    MUST(packice_discard(target.client, "blobs"));
}

START_TEST(sdk_shares_many_blobs)
{
    share_blobs(1);
    share_blobs(2);
    share_blobs(64);
    share_blobs(PACKICE_BLOBS_MAX);
}
END_TEST

START_TEST(sdk_opens_files_with_positions_of_their_own)
{
    packice_lease *lease = NULL;
    FILE *out = NULL;
    FILE *one = NULL;
    FILE *other = NULL;
    char line[32] = "";
    MUST(packice_create(target.client, "file", 12, &lease));
    MUST(packice_open(lease, 0, &out));
    ck_assert_int_eq(fprintf(out, "line A\nline"), 11);
    ck_assert_int_eq(fseek(out, 5, SEEK_SET), 0);
    ck_assert_int_eq(fputc('1', out), '1');
    ck_assert_int_eq(fseek(out, -1, SEEK_END), 0);
    ck_assert_int_eq(ftell(out), 11);
    ck_assert_int_eq(fputc('\n', out), '\n');
    ck_assert_int_eq(fputc('!', out), '!');
    ck_assert_int_eq(fclose(out), EOF); /* 13 bytes into a blob of 12 */
    ck_assert_int_eq(errno, EFBIG);
    MUST(packice_seal(lease));
    MUST(packice_open(lease, 0, &one));
    MUST(packice_open(lease, 0, &other));
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), one));
    ck_assert_str_eq(line, "line 1\n");
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), other));
    ck_assert_str_eq(line, "line 1\n");
    ck_assert_int_eq(fputc('x', one), EOF);
    MUST(packice_release(lease)); /* files for reading live on */
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), other));
    ck_assert_str_eq(line, "line\n");
    ck_assert_ptr_null(fgets(line, sizeof(line), other));
    ck_assert(feof(other) != 0);
    ck_assert_int_eq(fclose(one), 0);
    ck_assert_int_eq(fclose(other), 0);
}
END_TEST

START_TEST(sdk_copies_through_files_of_any_length)
{
    packice_lease *lease = NULL;
    FILE *file = NULL;
    char bytes[100000];
    char back[sizeof(bytes)] = "";
    fill(bytes, sizeof(bytes), 6);
    MUST(packice_create(target.client, "long", PACKICE_UNSIZED, &lease));
    MUST(packice_open(lease, 0, &file));
    for (size_t at = 0; at < sizeof(bytes); at += 1000)
        ck_assert_uint_eq(fwrite(bytes + at, 1, 1000, file), 1000);
    ck_assert_int_eq(fseek(file, 50001, SEEK_SET), 0);
    ck_assert_int_eq(fgetc(file), (unsigned char)bytes[50001]); /* what it wrote itself */
    ck_assert_int_eq(fclose(file), 0);
    MUST(packice_seal(lease));
    MUST(packice_release(lease));
    MUST(packice_get(target.other, "long", 0, &lease));
    MUST(packice_open(lease, 0, &file));
    ck_assert_uint_eq(fread(back, 1, sizeof(back), file), sizeof(back));
    ck_assert_mem_eq(back, bytes, sizeof(back));
    ck_assert_int_eq(fgetc(file), EOF);
    ck_assert_int_eq(fclose(file), 0);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_tells_a_file_for_writing_that_the_object_was_sealed)
{
    packice_lease *lease = NULL;
    FILE *out = NULL;
    MUST(packice_create(target.client, "late", 4, &lease));
    MUST(packice_open(lease, 0, &out));
    ck_assert_int_eq(fputs("late", out), 1);
    MUST(packice_seal(lease));
    ck_assert_int_eq(fclose(out), EOF);
    ck_assert_int_eq(errno, EACCES);
    MUST(packice_release(lease));
    char data[4] = "";
    uint64_t count = 0;
    MUST(packice_get(target.other, "late", 0, &lease));
    MUST(packice_read(lease, 0, 0, data, 4, &count));
    ck_assert_mem_eq(data, "\0\0\0\0", 4);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_gives_each_reader_an_offset_of_its_own)
{
    packice_lease *leases[2] = { NULL, NULL };
    int fds[3] = { -1, -1, -1 };
    char got[3][8] = { "", "", "" };
    struct packice_get_options options = PACKICE_GET_OPTIONS_INIT;
    options.id = "offsets";
    options.flags = PACKICE_NO_RENEW; /* a lease, and not the bytes */
    MUST(packice_put(target.client, "offsets", "0123456789", 10, NULL));
    for (int i = 0; i < 2; i++)
        MUST(packice_get_with(target.client, &options, &leases[i]));
    for (int i = 0; i < 3; i++)
        MUST(packice_lease_blob_fd(leases[i / 2], 0, &fds[i]));
    ck_assert_int_eq(read(fds[0], got[0], 4), 4);
    ck_assert_int_eq(read(fds[1], got[1], 6), 6);
    ck_assert_int_eq(lseek(fds[0], 0, SEEK_CUR), 4);
    ck_assert_int_eq(lseek(fds[1], 0, SEEK_CUR), 6);
    ck_assert_int_eq(read(fds[2], got[2], 2), 2);
    ck_assert_str_eq(got[0], "0123");
    ck_assert_str_eq(got[1], "012345");
    ck_assert_str_eq(got[2], "01");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(fcntl(fds[i], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
        ck_assert_int_eq(close(fds[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        MUST(packice_release(leases[i]));
}
END_TEST

START_TEST(sdk_gives_descriptors_that_nobody_can_write_through_once_sealed)
{
    packice_lease *lease = NULL;
    int fd = -1;
    MUST(packice_create(target.client, "fd", 100, &lease));
    MUST(packice_lease_blob_fd(lease, 0, &fd));
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(pwrite(fd, "x", 1, 99), 1);
    if (target.kind == TARGET_FILES) { /* while there is such a descriptor, it is not sealed */
        FAILS(packice_seal(lease), -EBUSY);
    } else {
        MUST(packice_seal(lease));
        ck_assert_int_eq(pwrite(fd, "y", 1, 99), -1);
        ck_assert_int_eq(errno, EPERM);
    }
    ck_assert_int_eq(close(fd), 0);
    MUST(packice_seal(lease));
    MUST(packice_lease_blob_fd(lease, 0, &fd));
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_ptr_eq(mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    char byte = 0;
    ck_assert_int_eq(pread(fd, &byte, 1, 99), 1);
    ck_assert_int_eq(byte, 'x');
    FAILS(packice_lease_blob_fd(lease, 1, &fd), -EINVAL);
    ck_assert_int_eq(close(fd), 0);
    MUST(packice_release(lease));
}
END_TEST

/* How many maps of blobs this process has. */
static int
count_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    int count = 0;
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps) != NULL)
        count += strstr(line, "/memfd:") != NULL || strstr(line, "/objects/") != NULL;
    (void)fclose(maps);
    return count;
}

START_TEST(sdk_drops_maps_when_asked)
{
    packice_lease *lease = NULL;
    void *data = NULL;
    int before = count_maps();
    MUST(packice_create(target.client, "unmap", 4096, &lease));
    MUST(packice_unmap(lease, 0)); /* there is none */
    MUST(packice_map(lease, 0, &data, NULL));
    ck_assert_int_eq(count_maps(), before + 1);
    MUST(packice_unmap(lease, 0));
    ck_assert_int_eq(count_maps(), before);
    MUST(packice_map(lease, 0, &data, NULL));
    fill(data, 4096, 1);
    MUST(packice_seal(lease));
    ck_assert_int_eq(count_maps(), before);
    MUST(packice_map(lease, 0, &data, NULL));
    ck_assert(filled(data, 4096, 1));
    ck_assert_int_eq(count_maps(), before + 1);
    MUST(packice_release(lease));
    ck_assert_int_eq(count_maps(), before);
}
END_TEST

START_TEST(sdk_lets_bytes_come_when_they_are_used)
{
    const uint64_t three[] = { 5000, 0, 5000 };
    struct packice_create_options create = PACKICE_CREATE_OPTIONS_INIT;
    struct packice_get_options get = PACKICE_GET_OPTIONS_INIT;
    packice_lease *lease = NULL;
    FILE *file = NULL;
    char bytes[5000];
    int fd = -1;
    fill(bytes, sizeof(bytes), 8);
    create.id = get.id = "later";
    create.sizes = three;
    create.blob_count = 3;
    MUST(packice_create_with(target.client, &create, &lease));
    MUST(packice_write(lease, 0, 0, bytes, sizeof(bytes)));
    MUST(packice_write(lease, 2, 0, bytes, sizeof(bytes)));
    MUST(packice_seal(lease));
    MUST(packice_release(lease));
    get.flags = PACKICE_LAZY;
    packice_client *client = target.kind == TARGET_PRIVATE ? target.client : target_connect();
    MUST(packice_get_with(client, &get, &lease));
    check_blob(lease, 0, three[0], 8);
    MUST(packice_open(lease, 1, &file));
    ck_assert_int_eq(fgetc(file), EOF);
    ck_assert_int_eq(fclose(file), 0);
    if (client != target.client)
        packice_client_free(client);
    check_blob(lease, 0, three[0], 8); /* it came, and stays */
    int rc = packice_lease_blob_fd(lease, 2, &fd);
    ck_assert_int_eq(rc, target.kind == TARGET_HTTP ? -EPIPE : 0); /* too late */
    if (rc == 0)
        ck_assert_int_eq(close(fd), 0);
    MUST(packice_release(lease));
}
END_TEST

/* What was told of bytes on their way. */
struct told {
    int calls;
    uint64_t done;
    uint64_t total;
};

static void
tell(void *arg, uint64_t done, uint64_t total)
{
    struct told *told = arg;
    ck_assert(told->calls == 0 || done > told->done);
    *told = (struct told){ told->calls + 1, done, total };
}

START_TEST(sdk_tells_how_far_bytes_are)
{
    struct packice_connect_options options = PACKICE_CONNECT_OPTIONS_INIT;
    struct packice_get_options get = PACKICE_GET_OPTIONS_INIT;
    const uint64_t size = 3U << 20;
    struct told told = { 0, 0, 0 };
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    void *data = NULL;
    options.progress = tell;
    options.progress_arg = &told;
    MUST(packice_connect_with(target.socket, &options, &client));
    MUST(packice_create(client, "told", size, &lease));
    MUST(packice_map(lease, 0, &data, NULL));
    fill(data, size, 9);
    ck_assert_int_eq(told.calls, 0);
    MUST(packice_seal(lease));
    ck_assert_int_gt(told.calls, 1);
    ck_assert(told.done == size && told.total == size);
    MUST(packice_map(lease, 0, &data, NULL)); /* what was sent need not come back */
    MUST(packice_release(lease));
    told.calls = 0;
    get.id = "told";
    get.flags = PACKICE_LAZY;
    MUST(packice_get_with(client, &get, &lease));
    ck_assert_int_eq(told.calls, 0);
    MUST(packice_map(lease, 0, &data, NULL));
    ck_assert_int_gt(told.calls, 1);
    ck_assert(told.done == size && told.total == size);
    ck_assert(filled(data, size, 9));
    MUST(packice_release(lease));
    packice_client_free(client);
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_shares_what_was_mapped, ON_ALL },
        { sdk_shares_what_was_written, ON_ALL },
        { sdk_puts_in_one_call, ON_ALL },
        { sdk_lets_unsized_blobs_grow, ON_ALL },
        { sdk_shares_many_blobs, ON_ALL },
        { sdk_opens_files_with_positions_of_their_own, ON_ALL },
        { sdk_copies_through_files_of_any_length, ON_ALL },
        { sdk_tells_a_file_for_writing_that_the_object_was_sealed, ON_ALL },
        { sdk_gives_each_reader_an_offset_of_its_own, ON_ALL },
        { sdk_gives_descriptors_that_nobody_can_write_through_once_sealed, ON_ALL },
        { sdk_drops_maps_when_asked, ON_ALL },
        { sdk_lets_bytes_come_when_they_are_used, ON_ALL },
        { sdk_tells_how_far_bytes_are, ON(TARGET_HTTP) },
    };
    return RUN_CASES("sdk_bytes", cases);
}
