/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON to the binary notation, by docs/protocol.md and none of the wire's own encoders, so that
 * what tests say in JSON can be tried in both.
 */
#ifndef TEST_NOTATION_H
#define TEST_NOTATION_H

#include "core/wire/wire.h"

/* The binary message that says what a JSON object does, malloc'd; NULL if the text is none. */
char *notation_binary(const char *text, size_t size, size_t *ret_size);

/* As the functions of the wire; with TEST_NOTATION=binary in the environment, of that message,
 * where there is one. */
int32_t notation_request_decode(const char *text, size_t size, struct pk_wire_request **ret_request,
                                struct pk_error *err);
int32_t notation_reply_parse(const char *text, size_t size, struct pk_wire_reply **ret_reply,
                             struct pk_error *err);

#endif
