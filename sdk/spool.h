/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of this process that holds the bytes of a blob which is elsewhere, or on its way there: a
 * memfd, sealed as a node would seal it.
 */
#ifndef PACKICE_SDK_SPOOL_H
#define PACKICE_SDK_SPOOL_H

#include <packice/types.h>

/* An empty memfd, of which nothing can be executed where the kernel knows how; -1 with errno. */
int packice_spool_memfd(const char *name);

/* A spool of so many bytes, all zero, that can't grow; PK_UNSIZED: it is empty, and can. -EMFILE,
 * -ENFILE, -ENOMEM. */
int32_t packice_spool_new(uint64_t size, int *ret_fd, struct pk_error *err);

/* A spool of these bytes, sealed: nobody can change it any more. -ENOSPC: no memory for the bytes;
 * -EMFILE, ... */
int32_t packice_spool_bytes(const void *data, uint64_t size, int *ret_fd, struct pk_error *err);

/* Nobody can change it any more, and *ret_size is what it holds. 0 also when it was sealed before;
 * -EBUSY: somebody still has a writable map. */
int32_t packice_spool_seal(int fd, uint64_t *ret_size, struct pk_error *err);

/* A descriptor for reading alone, with an offset of its own. Does not wait. -EMFILE, ...; -EBUSY: a
 * lease (F_SETLEASE) on the file would hold up whoever opens it; -ENOENT: /proc is not mounted. */
int32_t packice_spool_reopen(int fd, int *ret_fd, struct pk_error *err);

#endif
