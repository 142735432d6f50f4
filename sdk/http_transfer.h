/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one blob over HTTP, to and from a file of this process, in bounded memory.
 */
#ifndef PACKICE_SDK_HTTP_TRANSFER_H
#define PACKICE_SDK_HTTP_TRANSFER_H

#include "sdk/http.h"
#include "sdk/link.h"

/* A download that breaks off is taken up again where it was. It is given up after so many tries in
 * a row that bring less than so many bytes each. */
#define PACKICE_HTTP_TRIES 8U
#define PACKICE_HTTP_PROGRESS (1U << 20)

/* Sends the whole file as the blob's bytes. */
int32_t packice_http_upload(struct packice_http *http, const struct packice_transfer *transfer,
                            struct pk_error *err);

/* Fills the file, which is empty, with the blob's bytes: exactly as many as transfer->size. */
int32_t packice_http_download(struct packice_http *http, const struct packice_transfer *transfer,
                              struct pk_error *err);

#endif
