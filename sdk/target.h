/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of links there are, and how each is made.
 */
#ifndef PACKICE_SDK_TARGET_H
#define PACKICE_SDK_TARGET_H

#include "sdk/link.h"
#include <packice/client.h>

/* To a peer of this process: takes a reference of its own. -ENOMEM, -EBUSY: it has too many. */
int32_t packice_link_peer(packice_peer *peer, struct packice_link **ret_link, struct pk_error *err);

/* To a node, through its socket; connected. Errors: packice_connect. */
int32_t packice_link_unix(const char *path, struct packice_link **ret_link, struct pk_error *err);

/* To a node over HTTP, which answered; options may be NULL. Errors: packice_connect_with. */
int32_t packice_link_http(const char *target, const struct packice_connect_options *options,
                          struct packice_link **ret_link, struct pk_error *err);

#endif
