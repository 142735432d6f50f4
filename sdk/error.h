/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What packice_error_message() tells: one error slot for each thread. Every public call fills that
 * of its thread; what runs on other threads has an error of its own.
 */
#ifndef PACKICE_SDK_ERROR_H
#define PACKICE_SDK_ERROR_H

#include <packice/types.h>

/* The slot of this thread, to be given to whatever may fail. Never NULL. */
struct pk_error *packice_error_slot(void);

/* The last line of a public call: sees to it that a failure has a message, and returns code. */
int packice_result(int32_t code);

#endif
