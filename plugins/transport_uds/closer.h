/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes descriptors of strangers. That can take as long as a stranger likes, who may serve the
 * file system behind one or have a socket linger, so no thread that anybody waits for does it: nor
 * does one let the kernel do it, which closes what is received without room for it, and what a
 * socket still holds when it is closed.
 */
#ifndef UDS_CLOSER_H
#define UDS_CLOSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outlives its owner as long as something is being closed. Any thread may call it. */
struct uds_closer;

/* What is being closed of one client. */
struct uds_closing;

/* NULL without memory. */
struct uds_closer *uds_closer_new(void);
/* Gives it up; NULL is fine. */
void uds_closer_release(struct uds_closer *closer);

/* Whether it can be given more: few are being closed. */
bool uds_closer_is_ready(struct uds_closer *closer);

/* NULL without memory. */
struct uds_closing *uds_closing_new(void);
/* Whether nothing of the client is being closed. */
bool uds_closing_is_over(struct uds_closing *closing);
/* Whether its socket is being received from (uds_closer_skip); or no more of it should be closed.
 */
bool uds_closing_skips(struct uds_closing *closing);
bool uds_closing_is_much(struct uds_closing *closing);

/* Closes them, later. They are the closer's from now on; fds stays the caller's. closing: whose
 * they were, or NULL. Never blocks, unless no thread can be had. */
void uds_closer_close(struct uds_closer *closer, struct uds_closing *closing, const int *fds,
                      uint32_t count);

/* Receives, later, the next `size` bytes of a socket, and has the kernel close what came with them;
 * until that is over nobody else may receive from it. -EAGAIN, -ENOMEM: it will not. */
int32_t uds_closer_skip(struct uds_closer *closer, struct uds_closing *closing, int fd,
                        size_t size);

/* Closes a socket that was shut down for receiving, so that nothing comes in any more; later, if
 * something in it was not received. closing, or NULL, is given up with it. */
void uds_closer_hang_up(struct uds_closer *closer, struct uds_closing *closing, int fd);
/* Whether it is closed at once, or the closer is ready. */
bool uds_closer_may_hang_up(struct uds_closer *closer, int fd);

#endif
