/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed memory files, made in the ways that the kernel offers.
 */
#include "floor.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int
make(void)
{
    return (int)bench_done(memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
}

static void
write_all(int fd, const char *data, size_t size)
{
    for (size_t done = 0; done < size;)
        done += (size_t)bench_done(pwrite(fd, data + done, size - done, (off_t)done), "pwrite");
}

static void
map_and_copy(int fd, const char *data, size_t size)
{
    bench_done(ftruncate(fd, (off_t)size), "ftruncate");
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        bench_die("can't map %zu bytes", size);
    memcpy(map, data, size);
    bench_done(munmap(map, size), "munmap");
}

int
floor_memfd_fill(enum floor_way way, const void *data, size_t size)
{
    int fd = make();
    if (way == FLOOR_FALLOCATE)
        bench_done(fallocate(fd, 0, 0, (off_t)size), "fallocate");
    if (way == FLOOR_MMAP)
        map_and_copy(fd, data, size);
    else
        write_all(fd, data, size);
    bench_done(fcntl(fd, F_ADD_SEALS, ALL_SEALS), "F_ADD_SEALS");
    return fd;
}

int
floor_memfd_sparse(size_t size, uint64_t number)
{
    char first = bench_byte(number, 0);
    char last = bench_byte(number, size - 1);
    int fd = make();
    bench_done(pwrite(fd, &first, 1, 0), "pwrite");
    bench_done(pwrite(fd, &last, 1, (off_t)(size - 1)), "pwrite");
    bench_done(fcntl(fd, F_ADD_SEALS, ALL_SEALS), "F_ADD_SEALS");
    return fd;
}
