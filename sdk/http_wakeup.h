/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pair of sockets by which curl_multi_wakeup(3) wakes a thread. libcurl before 8.8 leaves them
 * open over an exec, and tells nobody which they are.
 */
#ifndef PACKICE_SDK_HTTP_WAKEUP_H
#define PACKICE_SDK_HTTP_WAKEUP_H

#include <curl/curl.h>

/* Finds the pair of a multi handle that nobody uses yet, closes it on exec, and gives it; -1 for
 * what isn't found: libcurl wakes in another way, or there is no /proc. */
void packice_http_wakeup_guard(CURLM *multi, int ret_fds[2]);

#endif
