/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rule: which operations fail or are held up, how, and at which of their calls. As it is
 * written: packice-blob_fault(5). It counts nothing itself.
 */
#ifndef BLOB_FAULT_RULE_H
#define BLOB_FAULT_RULE_H

#include <packice/types.h>
#include <stdbool.h>

#define FAULT_DELAY_MAX UINT64_C(10000000000) /* nanoseconds */
#define FAULT_CERTAIN 1000000U                /* a chance of so many in a million */

struct fault_rule {
    uint32_t ops;    /* bits 1 << PK_BLOB_* */
    uint32_t chance; /* in a million, of a call that the numbers let through */
    uint64_t first;  /* the first call it is for, counted from 1 for each operation */
    uint64_t last;   /* the last one */
    uint64_t every;  /* only of those whose number it divides */
    uint64_t delay;  /* nanoseconds, at most FAULT_DELAY_MAX; 0 = none */
    int32_t error;   /* an errno, positive; 0 = none */
    bool after;      /* the error comes once the child has done its work */
    bool part;       /* half of what is written is, before the error */
};

/* Reads one rule. -EINVAL: what is wrong, the character at which it begins, and what may have been
 * meant. */
int32_t fault_rule_parse(const char *text, struct fault_rule *ret_rule, struct pk_error *err);

/* Whether the rule is for call number `call` (from 1) of the operation, `draw` being that call's
 * random number. */
bool fault_rule_hits(const struct fault_rule *rule, uint32_t op, uint64_t call, uint64_t draw);

#endif
