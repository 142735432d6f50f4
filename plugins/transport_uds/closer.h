/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes descriptors of strangers. That can take as long as a stranger likes, who may serve the
 * file system behind one or have a socket linger, so no thread that anybody waits for does it.
 */
#ifndef UDS_CLOSER_H
#define UDS_CLOSER_H

#include <stdbool.h>
#include <stdint.h>

/* Outlives its owner as long as something is being closed. */
struct uds_closer;

/* NULL without memory. */
struct uds_closer *uds_closer_new(void);
/* Gives it up; NULL is fine. */
void uds_closer_release(struct uds_closer *closer);

/* Whether it can be given more: few are being closed. */
bool uds_closer_is_ready(struct uds_closer *closer);

/* Closes them, later. They are the closer's from now on; fds stays the caller's. Never blocks,
 * unless no thread can be had. */
void uds_closer_close(struct uds_closer *closer, const int *fds, uint32_t count);

#endif
