/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of either notation for targets that decode them.
 */
#ifndef PK_FUZZ_MESSAGE_H
#define PK_FUZZ_MESSAGE_H

#include "core/wire/binary.h"
#include "fuzz.h"
#include <string.h>

/* A copy of the input, malloc'd, of just its size. Nearly all changes would make a binary message
 * one of another size than it says: so it is made to say the right one, unless its head is not
 * right otherwise. */
static inline char *
fuzz_message(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    if (size >= PK_WIRE_BINARY_HEAD && pk_wire_is_binary(*text))
        (void)pk_wire_binary_store_size(text + 4, size - PK_WIRE_BINARY_HEAD);
    return text;
}

#endif
