/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: each open instance has one, a locked file in nodes/. By it others see whether whoever
 * claimed or made something still lives.
 */
#ifndef BLOB_FS_TOKEN_H
#define BLOB_FS_TOKEN_H

#include "root.h"

enum token_state {
    TOKEN_LIVE,
    TOKEN_STALLED, /* locked, but not touched for claim_timeout: its claims may be taken over */
    TOKEN_DEAD,    /* nobody holds it, and nobody ever will again */
};

/* Makes root's token known and locks it. */
int32_t token_take(struct fs_root *root, struct pk_error *err);

/* Gives it back, if it was taken. */
void token_drop(struct fs_root *root);

/* Shows the others that we live. To be called several times in each claim_timeout. */
int32_t token_touch(struct fs_root *root, struct pk_error *err);

/* Is our own still there? -ESTALE: another node took us for dead, and may have cleared away what we
 * made. */
int32_t token_check(const struct fs_root *root, struct pk_error *err);

/* Is the token's owner alive? One's own is LIVE. */
int32_t token_look(struct fs_root *root, uint64_t token, enum token_state *ret_state,
                   struct pk_error *err);

/* A dead owner's is taken away before anything of its is: it could not publish any more, should it
 * live after all (a lock that was lost). */
int32_t token_bury(struct fs_root *root, uint64_t token, struct pk_error *err);

#endif
