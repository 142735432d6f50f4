/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of one instance, how often each operation was called, and what came of that. What is
 * due at a call follows from the seed, the operation and the number of the call alone, so that it
 * is the same in every run, whichever thread is first. It knows no child.
 */
#ifndef BLOB_FAULT_PLAN_H
#define BLOB_FAULT_PLAN_H

#include "rule.h"
#include "word.h"

#include <packice/plugin.h>
#include <stdatomic.h>

struct fault_plan {
    uint64_t seed;
    struct fault_rule *rules;
    uint32_t rule_count;
    _Atomic uint64_t calls[FAULT_OPS];
    _Atomic uint64_t failed[FAULT_OPS];
    _Atomic uint64_t delayed;
};

/* What is due at one call. */
struct fault_verdict {
    struct fault_plan *plan;
    uint32_t op;   /* PK_BLOB_* */
    uint32_t rule; /* that the error comes from, counted from 1 */
    uint64_t call; /* its number, counted from 1 */
    uint64_t delay;
    int32_t error; /* positive; 0 = none */
    bool after;
    bool part;
};

/* Reads the rules of a LIST option into a plan that is all zero. -EINVAL: which one is wrong, where
 * and how; -ENOMEM. */
int32_t fault_plan_init(struct fault_plan *plan, const struct pk_value *rules, uint64_t seed,
                        struct pk_error *err);
void fault_plan_finish(struct fault_plan *plan);

/* Whether the plan makes calls of this operation wait, or do more than the child's own. Never
 * blocks. */
bool fault_plan_may_block(const struct fault_plan *plan, uint32_t op);

/* Whether a rule is about this operation. */
bool fault_plan_has(const struct fault_plan *plan, uint32_t op);

/* Begins a call: counts it, finds out what is due, and waits if that is a delay. 0, or the error
 * that is due before the child is called. Any thread. */
int32_t fault_begin(struct fault_plan *plan, uint32_t op, struct fault_verdict *ret_verdict,
                    struct pk_error *err);

/* Whether an error is due although the child does its work. */
bool fault_is_after(const struct fault_verdict *verdict);

/* Fails with the error that is due, and counts it. */
int32_t fault_inject(const struct fault_verdict *verdict, struct pk_error *err);

/* Ends a call for which the child answered rc: that, or, after a success, the error that is due. */
int32_t fault_end(const struct fault_verdict *verdict, int32_t rc, struct pk_error *err);

/* Emits how often what was injected. */
void fault_plan_stats(struct fault_plan *plan, void (*emit)(void *arg, const struct pk_stat *stat),
                      void *arg);

#endif
