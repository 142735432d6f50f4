/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as text: repaired they are UTF-8, printable they hold no control character, and a point
 * in time that could be read is written as it was.
 */
#include "core/wire/text.h"
#include "fuzz.h"

#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

/* jansson's word on UTF-8 is the one that counts on the wire. */
static void
check_utf8(const char *text)
{
    json_t *json = json_string(text);
    FUZZ_CHECK((json != NULL) == pk_wire_utf8_valid(text));
    json_decref(json);
    pk_autofree char *repaired = pk_wire_utf8_repair(text);
    FUZZ_CHECK(repaired != NULL && pk_wire_utf8_valid(repaired));
    FUZZ_CHECK(!pk_wire_utf8_valid(text) || strcmp(text, repaired) == 0);
    pk_autofree char *printable = pk_wire_printable(repaired);
    FUZZ_CHECK(printable != NULL && pk_wire_utf8_valid(printable));
    FUZZ_CHECK(!pk_wire_has_control(printable));
}

static void
check_time(const char *text)
{
    char again[PK_WIRE_TIME_SIZE];
    uint64_t first = 0;
    uint64_t second = 0;
    if (pk_wire_time_parse(text, &first) != 0)
        return;
    pk_wire_time_format(first, again);
    FUZZ_CHECK(pk_wire_time_parse(again, &second) == 0);
    FUZZ_CHECK(second == first - first % 1000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_autofree char *text = strndup((const char *)data, size);
    FUZZ_CHECK(text != NULL);
    check_utf8(text);
    check_time(text);
    return 0;
}
