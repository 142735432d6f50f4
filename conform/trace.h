/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin leaves behind, counted from outside: descriptors, threads, files.
 */
#ifndef CONFORM_TRACE_H
#define CONFORM_TRACE_H

#include <stdint.h>

#define TRACE_FILES_MAX 4096U

/* How many this process has. */
uint32_t trace_descriptors(void);
uint32_t trace_threads(void);

/* How many more descriptors it may open. */
uint32_t trace_descriptor_room(void);
/* Lets it open `room` more, and no other. 0, or -1: can't. trace_descriptors_free undoes it. */
int trace_descriptors_exhaust(uint32_t room);
void trace_descriptors_free(void);

/* Regular files below a folder. */
uint32_t trace_files(const char *folder);
/* Calls visit for each, by path, in no order. */
void trace_each_file(const char *folder, void (*visit)(const char *path, uint64_t size, void *arg),
                     void *arg);

/* Removes a folder and all below it, whatever its modes. */
void trace_remove(const char *folder);

#endif
