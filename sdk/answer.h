/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer: a reply that is the receiver's own, wherever it came from. It keeps the descriptors
 * that nobody took, and closes them with itself.
 */
#ifndef PACKICE_SDK_ANSWER_H
#define PACKICE_SDK_ANSWER_H

#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

struct packice_answer {
    struct pk_reply reply;     /* everything it points to lies behind this struct */
    struct pk_handle *handles; /* those of reply, to be changed; fd -1 once taken */
    uint64_t generation;       /* of the connection it came by; see struct packice_ask */
    bool remote;               /* no descriptors came: the link moves the bytes of its blobs */
};

/* Copies a reply with all its text. The descriptors in its handles are now the answer's; on -ENOMEM
 * they are closed. */
int32_t packice_answer_copy(const struct pk_reply *reply, struct packice_answer **ret_answer);

/* Takes the descriptor of one handle out: the caller's from now on; -1 if there is none. */
int packice_answer_take_fd(struct packice_answer *answer, uint32_t handle);

/* NULL is fine. */
void packice_answer_free(struct packice_answer *answer);

/* Frees the first count answers and leaves NULLs behind. */
void packice_answers_free(struct packice_answer **answers, size_t count);

/* Whether an answer holds what a reply to this request must: -EPROTO with the member at fault. An
 * error always does. */
int32_t packice_answer_check(const struct packice_answer *answer, const struct pk_request *request,
                             struct pk_error *err);

#endif
