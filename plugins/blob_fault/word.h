/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a rule: what operations and errors are called, and which of them somebody meant who
 * wrote another. It keeps nothing and knows no rule.
 */
#ifndef BLOB_FAULT_WORD_H
#define BLOB_FAULT_WORD_H

#include <packice/blob.h>

#define FAULT_OPS (PK_BLOB_VERIFY + 1U) /* PK_BLOB_* count from 1 */

/* What the operation (PK_BLOB_*) is called in a rule, a message and a figure. */
const char *fault_op_name(uint32_t op);

/* PK_BLOB_*, or 0 if none is called so. */
uint32_t fault_op_find(const char *word);

/* What an errno is called ("EIO"); "an error" if it has no name. Any thread. */
const char *fault_error_name(int32_t error);

/* The errno of this name, positive, or 0 if there is none. */
int32_t fault_error_find(const char *word);

/* The word nearest to this one among the operations, or, with `effects`, among the errors and what
 * else a rule can do; NULL if none is near enough to be what was meant. */
const char *fault_word_suggest(const char *word, uint32_t effects);

#endif
