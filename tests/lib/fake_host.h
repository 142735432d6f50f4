/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for a transport under test: answers calls as their object's id says, at once, later on
 * another thread, or when the test lets it; and remembers what it was asked. It has no objects.
 *
 * An id is "MODE:COUNT:NAME". COUNT descriptors come with a good answer to acquire,
 * or a URL where it is 0. MODE is
 *   now    answered before `call` returns
 *   later  answered soon, by a thread
 *   held   answered when the test says fake_host_let(NAME), or with -ECANCELED when the session
 *          closes, before session_close returns
 *   stuck  as held, but a closing session leaves it alone: it is answered after that
 *   block  at once, but `call` does not go on before fake_host_unblock
 *   path   COUNT path handles of the path NAME, at once
 *   both   the same, each with a descriptor beside its path
 *   fail   -ENOENT, at once
 *   bulk   one blob of COUNT KiB, at once
 * A read whose blobs fit its inline_max is answered with their bytes. A put keeps its bytes until
 * it is answered.
 * A discard of "let:0:NAME" lets NAME be answered before its own answer, on the same stack.
 * All other verbs succeed at once.
 */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <packice/plugin.h>
#include <stdbool.h>

struct fake_host;

struct fake_host *fake_host_new(void);
/* All calls were answered, all sessions closed: the test fails otherwise. */
void fake_host_free(struct fake_host *host);

const struct pk_host *fake_host_table(struct fake_host *host);

/* Answers what is held or stuck under this name; from the caller's thread. */
void fake_host_let(struct fake_host *host, const char *name);

/* Lets one `block` go on. */
void fake_host_unblock(struct fake_host *host);

/* What was asked so far. The wait fails the test when it takes too long. */
uint32_t fake_host_started(struct fake_host *host);
void fake_host_wait_started(struct fake_host *host, uint32_t count);
/* The object's or lease's id of call `index`, in order of their start. */
const char *fake_host_call_id(struct fake_host *host, uint32_t index);
/* The bytes that came with it: *ret_size of them; of descriptors, what is in their files. */
const char *fake_host_call_data(struct fake_host *host, uint32_t index, size_t *ret_size);
/* Releases among them. */
uint32_t fake_host_released(struct fake_host *host);
/* Calls started and not answered. */
uint32_t fake_host_open_calls(struct fake_host *host);

uint32_t fake_host_sessions(struct fake_host *host);
void fake_host_wait_sessions(struct fake_host *host, uint32_t count);
/* The principal of the session opened last. */
struct pk_principal fake_host_principal(struct fake_host *host);
/* Sessions are refused with -EBUSY from now on, or not. */
void fake_host_refuse(struct fake_host *host, bool refuse);

/* Error and warning lines logged so far. */
uint32_t fake_host_complaints(struct fake_host *host);

#endif
