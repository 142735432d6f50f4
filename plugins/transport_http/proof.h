/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof to a client on the same machine that a path leads it to the very file that the node
 * has: a lock on a byte that the client chose, for as long as nothing else is asked over its
 * connection. docs/protocol.md, "Files of the same machine".
 */
#ifndef HTTP_PROOF_H
#define HTTP_PROOF_H

#include "connection.h"

/* Locks the byte that the request names, if it names one, and keeps the answer's descriptor for
 * that. 0 also where there is nothing to lock; -EINVAL: no such byte. */
int32_t http_proof_begin(struct http_connection *connection, struct http_answer *answer,
                         struct pk_error *err);

/* Lets go of it. */
void http_proof_end(struct http_connection *connection);

#endif
