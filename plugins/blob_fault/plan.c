/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is due at each call, and the counters behind it. Nothing here takes a lock.
 */
#include "plan.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <time.h>

#define RULES_MAX 64U
#define SECOND UINT64_C(1000000000)

int32_t
fault_plan_init(struct fault_plan *plan, const struct pk_value *rules, uint64_t seed,
                struct pk_error *err)
{
    struct pk_error why = PK_ERROR_INIT;
    if (rules->item_count > RULES_MAX)
        return pk_fail(err, -EINVAL, "rules: %" PRIu32 ", but at most %u can be", rules->item_count,
                       RULES_MAX);
    pk_autofree struct fault_rule *read = calloc(RULES_MAX, sizeof(*read));
    if (read == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < rules->item_count; i++) {
        int32_t rc = fault_rule_parse(rules->items[i], &read[i], &why);
        if (rc != 0)
            return pk_fail(err, rc, "rules: rule %" PRIu32 ": %s", i + 1, why.message);
    }
    plan->seed = seed;
    plan->rules = pk_steal(read);
    plan->rule_count = rules->item_count;
    return 0;
}

void
fault_plan_finish(struct fault_plan *plan)
{
    free(plan->rules);
}

bool
fault_plan_may_block(const struct fault_plan *plan, uint32_t op)
{
    for (uint32_t i = 0; i < plan->rule_count; i++) {
        const struct fault_rule *rule = &plan->rules[i];
        if ((rule->ops & 1U << op) != 0 && (rule->delay != 0 || rule->after))
            return true;
    }
    return false;
}

bool
fault_plan_has(const struct fault_plan *plan, uint32_t op)
{
    for (uint32_t i = 0; i < plan->rule_count; i++)
        if ((plan->rules[i].ops & 1U << op) != 0)
            return true;
    return false;
}

/* SplitMix64: a number for each, and neighbours have nothing in common. */
static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* Every rule that hits adds its delay; the first of them with an error decides which. */
static void
decide(const struct fault_plan *plan, struct fault_verdict *verdict)
{
    for (uint32_t i = 0; i < plan->rule_count; i++) {
        const struct fault_rule *rule = &plan->rules[i];
        uint64_t draw = mix(mix(mix(plan->seed) + i * FAULT_OPS + verdict->op) + verdict->call);
        if (!fault_rule_hits(rule, verdict->op, verdict->call, draw))
            continue;
        verdict->delay += rule->delay;
        if (rule->error == 0 || verdict->error != 0 || verdict->op == PK_BLOB_FREE)
            continue;
        verdict->error = rule->error;
        verdict->after = rule->after;
        verdict->part = rule->part;
        verdict->rule = i + 1;
    }
    if (verdict->delay > FAULT_DELAY_MAX)
        verdict->delay = FAULT_DELAY_MAX;
}

static void
wait_for(uint64_t nanoseconds)
{
    struct timespec left = { .tv_sec = (time_t)(nanoseconds / SECOND),
                             .tv_nsec = (long)(nanoseconds % SECOND) };
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

int32_t
fault_begin(struct fault_plan *plan, uint32_t op, struct fault_verdict *ret_verdict,
            struct pk_error *err)
{
    *ret_verdict = (struct fault_verdict){ .plan = plan, .op = op, .call = ++plan->calls[op] };
    decide(plan, ret_verdict);
    if (ret_verdict->delay != 0) {
        plan->delayed++;
        wait_for(ret_verdict->delay);
    }
    if (ret_verdict->error == 0 || ret_verdict->after || ret_verdict->part)
        return 0;
    return fault_inject(ret_verdict, err);
}

bool
fault_is_after(const struct fault_verdict *verdict)
{
    return verdict->error != 0 && verdict->after;
}

int32_t
fault_inject(const struct fault_verdict *verdict, struct pk_error *err)
{
    verdict->plan->failed[verdict->op]++;
    return pk_fail(err, -verdict->error, "%s injected: call %" PRIu64 " of %s, rule %" PRIu32,
                   fault_error_name(verdict->error), verdict->call, fault_op_name(verdict->op),
                   verdict->rule);
}

int32_t
fault_end(const struct fault_verdict *verdict, int32_t rc, struct pk_error *err)
{
    return rc == 0 && fault_is_after(verdict) ? fault_inject(verdict, err) : rc;
}

void
fault_plan_stats(struct fault_plan *plan, void (*emit)(void *arg, const struct pk_stat *stat),
                 void *arg)
{
    char name[32];
    struct pk_stat stat = {
        .struct_size = sizeof(stat),
        .kind = PK_STAT_COUNTER,
        .name = "delayed",
        .help = "Calls held up by a rule",
        .value = plan->delayed,
    };
    emit(arg, &stat);
    stat.name = name;
    stat.help = "Calls failed by a rule";
    for (uint32_t op = 1; op < FAULT_OPS; op++) {
        if (op == PK_BLOB_FREE)
            continue;                                                       /* can't fail */
        (void)snprintf(name, sizeof(name), "failed_%s", fault_op_name(op)); /* always fits */
        stat.value = plan->failed[op];
        emit(arg, &stat);
    }
}
