/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks the headers of a shared object against the size of its file. It reads headers only, maps
 * nothing and runs nothing.
 */
#include "core/shared_object.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define SEGMENTS_MAX 256U

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DATA_NATIVE ELFDATA2LSB
#else
#define DATA_NATIVE ELFDATA2MSB
#endif
#if __ELF_NATIVE_CLASS == 64
#define CLASS_NATIVE ELFCLASS64
#else
#define CLASS_NATIVE ELFCLASS32
#endif
#if defined(__x86_64__)
#define MACHINE_NATIVE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE_NATIVE EM_AARCH64
#endif

/* An open file, and what all messages about it begin with. */
struct elf {
    const char *file;
    int fd;
    uint64_t size;
};

static int32_t
elf_read(const struct elf *elf, uint64_t offset, void *buf, size_t size, struct pk_error *err)
{
    char *at = buf;
    while (size > 0) {
        ssize_t got = pread(elf->fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pk_fail(err, -errno, "%s: can't be read: %s", elf->file, strerror(errno));
        if (got == 0)
            return pk_fail(err, -EINVAL, "%s: not a plugin: the file is cut short", elf->file);
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return 0;
}

/* Whether count entries of `stride` bytes from offset on are within the file. */
static bool
elf_holds(const struct elf *elf, uint64_t offset, uint64_t count, uint64_t stride)
{
    return offset <= elf->size && count * stride <= elf->size - offset; /* both are 16 bits wide */
}

static int32_t
header_check(const struct elf *elf, const ElfW(Ehdr) * header, struct pk_error *err)
{
    const unsigned char *ident = header->e_ident;
    if (memcmp(ident, ELFMAG, SELFMAG) != 0)
        return pk_fail(err, -EINVAL, "%s: not a plugin: not a shared object", elf->file);
    bool native = ident[EI_CLASS] == CLASS_NATIVE && ident[EI_DATA] == DATA_NATIVE;
#ifdef MACHINE_NATIVE
    native = native && header->e_machine == MACHINE_NATIVE;
#endif
    if (!native)
        return pk_fail(err, -EINVAL, "%s: not a plugin: built for another machine", elf->file);
    if (header->e_type != ET_DYN || header->e_phentsize != sizeof(ElfW(Phdr))
        || header->e_phnum == 0 || header->e_phnum > SEGMENTS_MAX)
        return pk_fail(err, -EINVAL, "%s: not a plugin: not a shared object", elf->file);
    if (!elf_holds(elf, header->e_phoff, header->e_phnum, header->e_phentsize)
        || (header->e_shoff != 0
            && !elf_holds(elf, header->e_shoff, header->e_shnum, header->e_shentsize)))
        return pk_fail(err, -EINVAL, "%s: not a plugin: the file is cut short", elf->file);
    return 0;
}

static int32_t
segments_check(const struct elf *elf, const ElfW(Ehdr) * header, struct pk_error *err)
{
    bool loaded = false;
    bool dynamic = false;
    for (uint16_t i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        int32_t failed = elf_read(elf, header->e_phoff + (uint64_t)i * sizeof(segment), &segment,
                                  sizeof(segment), err);
        if (failed != 0)
            return failed;
        loaded = loaded || segment.p_type == PT_LOAD;
        dynamic = dynamic || segment.p_type == PT_DYNAMIC;
        if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC)
            continue;
        if (segment.p_offset > elf->size || segment.p_filesz > elf->size - segment.p_offset)
            return pk_fail(err, -EINVAL, "%s: not a plugin: the file is cut short", elf->file);
        if (segment.p_filesz > segment.p_memsz)
            return pk_fail(err, -EINVAL, "%s: not a plugin: damaged", elf->file);
    }
    if (!loaded || !dynamic)
        return pk_fail(err, -EINVAL, "%s: not a plugin: not a shared object", elf->file);
    return 0;
}

int32_t
pk_shared_object_check(const char *file, struct pk_error *err)
{
    /* non-blocking: opening a fifo must not wait for a writer */
    pk_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        return pk_fail(err, -errno, "%s: can't be opened: %s", file, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return pk_fail(err, -EINVAL, "%s: not a plugin: not a regular file", file);

    struct elf elf = { .file = file, .fd = fd, .size = (uint64_t)info.st_size };
    if (elf.size < sizeof(ElfW(Ehdr))) {
        char magic[SELFMAG] = "";
        bool begins = elf.size >= SELFMAG && elf_read(&elf, 0, magic, SELFMAG, NULL) == 0
                      && memcmp(magic, ELFMAG, SELFMAG) == 0;
        return pk_fail(err, -EINVAL, "%s: not a plugin: %s", file,
                       begins ? "the file is cut short" : "not a shared object");
    }
    ElfW(Ehdr) header;
    int32_t failed = elf_read(&elf, 0, &header, sizeof(header), err);
    if (failed == 0)
        failed = header_check(&elf, &header, err);
    if (failed == 0)
        failed = segments_check(&elf, &header, err);
    return failed;
}
