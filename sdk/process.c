/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id of this process, kept in a page that the kernel wipes in the child of every fork, however
 * it was made.
 */
#include "sdk/process.h"
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* The page, which stays for as long as the process; NULL: none yet. */
static _Atomic(atomic_int *) page;

static atomic_int *
make_page(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return NULL;
    atomic_int *expected = NULL;
    if (madvise(made, size, MADV_WIPEONFORK) == 0
        && atomic_compare_exchange_strong(&page, &expected, made))
        return made;
    (void)munmap(made, size);
    return expected; /* another thread's, or none that the kernel would wipe */
}

pid_t
packice_process(void)
{
    atomic_int *kept = atomic_load_explicit(&page, memory_order_acquire);
    if (kept == NULL)
        kept = make_page();
    if (kept == NULL)
        return getpid();
    pid_t process = atomic_load_explicit(kept, memory_order_relaxed);
    if (process != 0)
        return process;
    process = getpid();
    atomic_store_explicit(kept, process, memory_order_relaxed);
    return process;
}
