/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire: requests and replies, in JSON or binary, framing and error names, the same for every
 * transport and for the SDK. It never touches a socket or a descriptor: handles carry indexes, and
 * whoever sends or receives the descriptors keeps them. Nothing here keeps state of its own: any
 * thread.
 */
#ifndef PK_WIRE_H
#define PK_WIRE_H

#include "core/wire/binary.h"
#include "core/wire/error_name.h"
#include "core/wire/figures.h"
#include "core/wire/frame.h"
#include "core/wire/reply.h"
#include "core/wire/request.h"
#include "core/wire/url.h"

#endif
