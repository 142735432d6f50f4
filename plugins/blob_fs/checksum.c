/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums. A file is read piece by piece: it never maps it, as a disk error under a map is a
 * signal.
 */
#include "checksum.h"

#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>

#define PIECE ((size_t)256 << 10)

struct state {
    XXH3_state_t *hash;
    void *piece;
};

static void
state_finish(struct state *state)
{
    (void)XXH3_freeState(state->hash);
    free(state->piece);
}

int32_t
checksum_file(int fd, const char *path, uint64_t size, XXH128_canonical_t *ret_sum,
              struct pk_error *err)
{
    __attribute__((cleanup(state_finish))) struct state state = { XXH3_createState(),
                                                                  malloc(PIECE) };
    uint64_t done = 0;
    size_t got = 0;
    if (state.hash == NULL || state.piece == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)XXH3_128bits_reset(state.hash);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
    do {
        int error = disk_read(fd, state.piece, PIECE, (off_t)done, &got);
        if (error != 0)
            return disk_fail(err, error, "%s: cannot be read", path);
        (void)XXH3_128bits_update(state.hash, state.piece, got);
        done += got;
    } while (got == PIECE);
    if (done != size)
        return pk_fail(err, -EIO, "%s: has another size than it was sealed with", path);
    XXH128_canonicalFromHash(ret_sum, XXH3_128bits_digest(state.hash));
    return 0;
}

void
checksum_bytes(const void *data, uint64_t size, XXH128_canonical_t *ret_sum)
{
    XXH128_canonicalFromHash(ret_sum, XXH3_128bits(data, size));
}
