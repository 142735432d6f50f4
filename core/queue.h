/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of the real executor: a bounded list of works and the threads that run them. Behind
 * pk_queue_* of core/executor.h, whose contracts these keep; nobody else calls them.
 */
#ifndef PK_QUEUE_H
#define PK_QUEUE_H

#include "core/executor.h"

int32_t pk_worker_queue_new(struct pk_executor *executor, const char *name, uint32_t workers,
                            uint32_t bound, struct pk_queue **ret_queue);
void pk_worker_queue_free(struct pk_queue *queue);
int32_t pk_worker_queue_submit(struct pk_queue *queue, struct pk_work *work);
void pk_worker_queue_push(struct pk_queue *queue, struct pk_work *work);
uint32_t pk_worker_queue_waiting(struct pk_queue *queue);

#endif
