/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a node: the peer's own, and those of its factories under their names.
 */
#include "core/peer_state.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct prefixed {
    void (*emit)(void *arg, const struct pk_stat *stat);
    void *arg;
    const char *prefix;
};

static void
emit_prefixed(void *arg, const struct pk_stat *stat)
{
    const struct prefixed *to = arg;
    struct pk_stat named = *stat;
    char name[128];

    if (stat->name == NULL || snprintf(name, sizeof(name), "%s_%s", to->prefix, stat->name) < 0)
        return;
    named.name = name;
    to->emit(to->arg, &named);
}

/* How many descriptors the process has open; 0 where nobody says. Linux 6.2 and newer tells it as
 * the folder's size; before, they are counted, but for the one that counts. */
static uint64_t
count_descriptors(void)
{
    uint64_t count = 0;
    struct stat info;
    if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0)
        return (uint64_t)info.st_size;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count > 0 ? count - 1 : 0;
}

static uint64_t
most_descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

static void
emit_process(void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    const struct pk_stat stats[] = {
        { .struct_size = sizeof(stats[0]),
          .kind = PK_STAT_GAUGE,
          .name = "descriptors",
          .help = "descriptors that the process has open",
          .value = count_descriptors() },
        { .struct_size = sizeof(stats[0]),
          .kind = PK_STAT_GAUGE,
          .name = "descriptors_max",
          .help = "descriptors that it may have open",
          .value = most_descriptors() },
    };
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        emit(arg, &stats[i]);
}

static void
emit_queue(const struct pk_instance *factory, void (*emit)(void *arg, const struct pk_stat *stat),
           void *arg)
{
    const struct pk_label label = { "factory", factory->module->plugin.name };
    const struct pk_stat stat = {
        .struct_size = sizeof(stat),
        .kind = PK_STAT_GAUGE,
        .name = "queued_works",
        .help = "works that wait for a worker of the factory",
        .value = pk_queue_waiting(factory->queue),
        .labels = &label,
        .label_count = 1,
    };
    emit(arg, &stat);
}

void
pk_peer_stats(struct pk_peer *peer, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    pk_peer_lock(peer);
    const struct pk_stat stats[] = {
        { .kind = PK_STAT_GAUGE,
          .name = "objects",
          .help = "objects with a name",
          .value = peer->named },
        { .kind = PK_STAT_GAUGE,
          .name = "bytes",
          .help = "bytes that objects hold or reserve",
          .value = peer->held },
        { .kind = PK_STAT_GAUGE,
          .name = "leases",
          .help = "leases held",
          .value = HASH_COUNT(peer->holders) },
        { .kind = PK_STAT_GAUGE,
          .name = "sessions",
          .help = "sessions open",
          .value = peer->session_count },
        { .kind = PK_STAT_GAUGE,
          .name = "waits",
          .help = "calls that wait for a seal",
          .value = peer->waits },
        { .kind = PK_STAT_GAUGE,
          .name = "calls",
          .help = "calls under way, and cleaning up",
          .value = peer->running },
        { .kind = PK_STAT_GAUGE,
          .name = "recovering",
          .help = "1 while the storage still tells what it holds, else 0",
          .value = peer->recovering },
        { .kind = PK_STAT_COUNTER,
          .name = "acquired",
          .help = "leases granted",
          .value = peer->acquired },
        { .kind = PK_STAT_COUNTER,
          .name = "inlined",
          .help = "reads answered with the bytes, without a lease",
          .value = peer->inlined },
        { .kind = PK_STAT_COUNTER,
          .name = "sealed",
          .help = "objects sealed",
          .value = peer->sealed },
        { .kind = PK_STAT_COUNTER,
          .name = "released",
          .help = "leases released",
          .value = peer->released },
        { .kind = PK_STAT_COUNTER,
          .name = "expired",
          .help = "leases that ran out",
          .value = peer->expired },
        { .kind = PK_STAT_COUNTER,
          .name = "abandoned",
          .help = "objects whose CREATE lease ended before the seal",
          .value = peer->abandoned },
        { .kind = PK_STAT_COUNTER,
          .name = "discarded",
          .help = "objects discarded",
          .value = peer->discarded },
        { .kind = PK_STAT_COUNTER,
          .name = "evictions",
          .help = "objects evicted to make room for others",
          .value = peer->evictions },
        { .kind = PK_STAT_COUNTER,
          .name = "evicted_bytes",
          .help = "bytes that these held",
          .value = peer->evicted_bytes },
    };
    pk_peer_unlock_only(peer);

    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
        struct pk_stat stat = stats[i];
        stat.struct_size = sizeof(stat);
        emit(arg, &stat);
    }
    struct prefixed to = { .emit = emit, .arg = arg, .prefix = peer->blob->module->plugin.name };
    pk_blob_stats(peer->blob, emit_prefixed, &to);
    to.prefix = peer->lease->module->plugin.name;
    pk_lease_stats(peer->lease, emit_prefixed, &to);
    emit_process(emit, arg);
    emit_queue(peer->blob, emit, arg);
    emit_queue(peer->lease, emit, arg);
    pk_figures_emit(peer, emit, arg);
}
