/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and durations as somebody may write them in a config: within bounds, or refused with a
 * reason.
 */
#include "core/option.h"
#include "fuzz.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static void
check(int32_t (*parse)(const char *text, uint64_t *ret_value, struct pk_error *err),
      const char *text)
{
    struct pk_error err = PK_ERROR_INIT;
    uint64_t value = UINT64_MAX;
    int32_t rc = parse(text, &value, &err);
    FUZZ_CHECK(rc == 0 || rc == -EINVAL);
    FUZZ_CHECK(rc == 0 ? value <= INT64_MAX : value == UINT64_MAX && err.message[0] != '\0');
    FUZZ_CHECK(rc != 0 || strpbrk(text, "0123456789") != NULL);
    FUZZ_CHECK(rc != 0 || strpbrk(text, "-+") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_autofree char *text = strndup((const char *)data, size);
    FUZZ_CHECK(text != NULL);
    check(pk_option_parse_size, text);
    check(pk_option_parse_duration, text);
    return 0;
}
