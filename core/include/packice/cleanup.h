/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scoped cleanup for gcc and clang: memory and descriptors that are let go when their variable goes
 * out of scope. A convenience for code behind the ABI; nothing in the ABI needs it.
 */
#ifndef PACKICE_CLEANUP_H
#define PACKICE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void
pk_cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void
pk_cleanup_close(const int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        (void)close(*fd); /* nothing can be done about it here, and the descriptor is gone */
        errno = saved;
    }
}

#define pk_autofree __attribute__((cleanup(pk_cleanup_free)))
#define pk_autoclose __attribute__((cleanup(pk_cleanup_close)))

/* Hands the value on and leaves `empty` behind, so that the cleanup finds nothing. */
#define pk_steal_as(variable, empty) \
    __extension__({ \
        __typeof__(variable) pk_stolen = (variable); \
        (variable) = (empty); \
        pk_stolen; \
    })
#define pk_steal(pointer) pk_steal_as(pointer, NULL)
#define pk_steal_fd(fd) pk_steal_as(fd, -1)

#endif
