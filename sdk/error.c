/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as the SDK tells them: a message for each thread, and words for codes.
 */
#include "sdk/error.h"
#include "core/wire/error_name.h"
#include <errno.h>
#include <packice/client.h>
#include <string.h>

static _Thread_local struct pk_error slot = PK_ERROR_INIT;

struct pk_error *
packice_error_slot(void)
{
    return &slot;
}

/* strerror_r, but for the message alone: both of its kinds are about. */
static const char *
describe(int32_t code)
{
    const char *text = strerrordesc_np(-code);
    return text != NULL ? text : "unknown error";
}

int
packice_result(int32_t code)
{
    if (code != 0 && (slot.code != code || slot.message[0] == '\0'))
        (void)pk_fail(&slot, code, "%s", describe(code));
    return code;
}

const char *
packice_error_message(void)
{
    return slot.message;
}

const char *
packice_error_name(int code)
{
    switch (-code) {
    case 0:
        return "ok";
    case ECONNREFUSED:
        return "unreachable";
    case ECONNRESET:
    case EPIPE:
        return "disconnected";
    case EPROTO:
        return "protocol";
    default:
        return pk_wire_error_name(code);
    }
}

const char *
packice_version(void)
{
    return PACKICE_VERSION;
}
