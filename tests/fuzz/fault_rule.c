/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of blob_fault as somebody may write them: one that can be followed, within its bounds, or
 * refused with a line for people.
 */
#include "fuzz.h"
#include "rule.h"
#include "word.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static void
check_rule(const struct fault_rule *rule)
{
    FUZZ_CHECK(rule->ops != 0 && (rule->ops & 1U) == 0 && rule->ops < 1U << FAULT_OPS);
    FUZZ_CHECK(rule->chance > 0 && rule->chance <= FAULT_CERTAIN);
    FUZZ_CHECK(rule->first > 0 && rule->first <= rule->last && rule->every > 0);
    FUZZ_CHECK(rule->delay <= FAULT_DELAY_MAX && (rule->delay > 0 || rule->error > 0));
    FUZZ_CHECK(rule->error == 0 || fault_error_find(fault_error_name(rule->error)) == rule->error);
    FUZZ_CHECK((!rule->after && !rule->part) || rule->error > 0);
    FUZZ_CHECK(!rule->part || rule->ops == 1U << PK_BLOB_WRITE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_autofree char *text = strndup((const char *)data, size);
    struct pk_error err = PK_ERROR_INIT;
    struct fault_rule rule = { .ops = 77 };
    FUZZ_CHECK(text != NULL);
    int32_t rc = fault_rule_parse(text, &rule, &err);
    FUZZ_CHECK(rc == 0 || (rc == -EINVAL && rule.ops == 77));
    if (rc == 0)
        check_rule(&rule);
    for (const char *c = err.message; *c != '\0'; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
    FUZZ_CHECK(rc == 0 || err.message[0] != '\0');
    return 0;
}
