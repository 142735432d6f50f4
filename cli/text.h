/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that comes from elsewhere and may end on a terminal: which of it is harmless to show, and
 * how the rest is spelled out. It never prints.
 */
#ifndef PACKICE_CLI_TEXT_H
#define PACKICE_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The same text with every byte and character that could steer a terminal (control characters,
 * what is not UTF-8, marks that reorder a line) spelled as \xNN or \u{NNNN}. malloc'd, the
 * caller's; NULL without memory. */
char *text_escape(const char *text);

/* How many bytes of data, from its start, may go to a terminal as they are: all of it for plain
 * text with tabs and line ends. A character cut short at the end counts as fine to write later: it
 * is left out, unless `last` says that nothing follows. *ret_binary tells whether what stopped it
 * was something a terminal should not get. */
size_t text_showable(const char *data, size_t size, bool last, bool *ret_binary);

#endif
