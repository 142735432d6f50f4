/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One anonymous memory file: made, given room, opened anew, sealed. All that this plugin asks of
 * the kernel for it. Never maps one: the memory of a file that a client can still cut short may
 * raise SIGBUS under whoever maps it.
 */
#ifndef BLOB_MEMFD_MEMFD_H
#define BLOB_MEMFD_MEMFD_H

#include <fcntl.h>
#include <packice/types.h>
#include <stdbool.h>

/* What makes a memfd immutable: content, size, and the set of seals itself. */
#define MEMFD_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Finds the memfd_create(2) flags that this kernel knows, and runs one file through its whole life,
 * so that a machine on which none of it can work is told at the start. Errors: -EOPNOTSUPP with
 * what is missing; -EBUSY: no descriptors left. */
int32_t memfd_probe(uint32_t *ret_flags, struct pk_error *err);

/* Makes an empty file. Errors: -EBUSY: no descriptors left; -ENOSPC: no memory. */
int32_t memfd_make(uint32_t flags, int *ret_fd, struct pk_error *err);

/* Whether a descriptor is one of the last that may be open. They are given lowest first, so a high
 * number says how many are in use. Blobs stop short of the limit: connections and readers need
 * descriptors too, and what is stored must stay readable. */
bool memfd_near_limit(int fd);

/* -ENOSPC: so many bytes are more than the system calls available: it would hand out page after
 * page until nothing is left for anybody, and then kill. */
int32_t memfd_room(uint64_t size, struct pk_error *err);

/* Writes all of it. Errors: -EACCES: it is sealed; -ENOSPC: no memory; -EFBIG: over a limit of the
 * process. */
int32_t memfd_write(int fd, uint64_t offset, const void *data, uint64_t size, struct pk_error *err);

/* Gives the file `size` bytes that are there to stay (more than 0). Errors: -ENOSPC: not so much
 * memory; -EFBIG: over a limit of the process. */
int32_t memfd_reserve(int fd, uint64_t size, struct pk_error *err);

/* An open file description of its own; access is O_RDWR or O_RDONLY. Does not wait. -EBUSY: no
 * descriptors left, or a lease (F_SETLEASE) on the file would hold up whoever opens it. */
int32_t memfd_reopen(int fd, int access, int *ret_fd, struct pk_error *err);

/* One more descriptor of the same description. -EBUSY: none left. */
int32_t memfd_duplicate(int fd, int *ret_fd, struct pk_error *err);

/* How many bytes it holds just now. */
int32_t memfd_size(int fd, uint64_t *ret_size, struct pk_error *err);

/* Sets all MEMFD_SEALS at once; 0 when all are there. -EBUSY: a writable map is left, and nothing
 * changed; -EINVAL: somebody froze another set of seals. May wait for long (a sixth of a second)
 * where pages are pinned. */
int32_t memfd_seal(int fd, struct pk_error *err);

/* Whether all MEMFD_SEALS are set: whatever else it may be, nobody can change it any more. */
bool memfd_is_sealed(int fd);

/* Fills holes of a file of `size` bytes, sealed or not. Errors as memfd_reserve. */
int32_t memfd_fill(int fd, uint64_t size, struct pk_error *err);

#endif
