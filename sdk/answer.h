/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer: a reply that is the receiver's own, wherever it came from, with the bytes that came
 * with it. It keeps the descriptors that nobody took, and closes them with itself. It is shared by
 * the lease that was made of it and by its blobs.
 */
#ifndef PACKICE_SDK_ANSWER_H
#define PACKICE_SDK_ANSWER_H

#include <packice/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* What the address of bytes is a multiple of. */
#define PACKICE_BYTES_ALIGN 64U

struct packice_answer {
    atomic_uint refs;
    struct pk_reply reply;     /* everything it points to lies behind this struct */
    struct pk_handle *handles; /* those of reply, to be changed; fd -1 once taken */
    uint64_t generation;       /* of the connection it came by; see struct packice_ask */
    bool remote;               /* no descriptors came: the link moves the bytes of its blobs */
};

/* Copies a reply with all its text, and the bytes of DATA handles. The descriptors in its handles
 * are now the answer's; on -ENOMEM they are closed. */
int32_t packice_answer_copy(const struct pk_reply *reply, struct packice_answer **ret_answer);

/* Takes the descriptor of one handle out: the caller's from now on; -1 if there is none. */
int packice_answer_take_fd(struct packice_answer *answer, uint32_t handle);

struct packice_answer *packice_answer_ref(struct packice_answer *answer);
void packice_answer_unref(struct packice_answer *answer); /* NULL is fine */

/* Lets go of the first count answers and leaves NULLs behind. */
void packice_answers_unref(struct packice_answer **answers, size_t count);

/* Whether an answer holds what a reply to this request must: -EPROTO with the member at fault. An
 * error always does. */
int32_t packice_answer_check(const struct packice_answer *answer, const struct pk_request *request,
                             struct pk_error *err);

#endif
