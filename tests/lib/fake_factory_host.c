/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services of the fake host. Safe from any number of threads, as those of a real one.
 */
#include "fake_factory_host.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
fake_log(void *ctx, uint32_t level, const char *message)
{
    struct fake_factory_host *fake = ctx;
    if (strchr(message, '\n') != NULL)
        abort();
    fake->lines++;
    if (level <= PK_LOG_WARN)
        (void)snprintf(fake->last_line, sizeof(fake->last_line), "%s", message);
}

static uint64_t
fake_now(void *ctx)
{
    struct fake_factory_host *fake = ctx;
    return fake->now;
}

/* SplitMix64: every draw differs from every other, and every run from none. */
static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static int32_t
fake_random(void *ctx, void *buf, uint64_t size)
{
    struct fake_factory_host *fake = ctx;
    if (fake->random_rc != 0)
        return fake->random_rc;
    uint64_t draw;
    if (fake->repeats > 0) {
        fake->repeats--;
        draw = fake->draws;
    } else {
        draw = ++fake->draws;
    }
    for (uint64_t i = 0; i < size; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(mix(draw * 4096 + i) >> 32);
    return 0;
}

static int32_t
fake_timer(void *ctx, uint64_t when, void (*work)(void *arg), void *arg, uint64_t *ret_timer)
{
    struct fake_factory_host *fake = ctx;
    if (fake->due != NULL || when < fake->now)
        abort();
    fake->due = work;
    fake->due_arg = arg;
    *ret_timer = 1;
    return 0;
}

static int32_t
fake_timer_cancel(void *ctx, uint64_t timer)
{
    struct fake_factory_host *fake = ctx;
    if (timer != 1 || fake->due == NULL)
        return -ENOENT;
    fake->due = NULL;
    return 0;
}

static int32_t
fake_submit(void *ctx, void (*work)(void *arg), void *arg)
{
    struct fake_factory_host *fake = ctx;
    if (fake->due != NULL)
        return -EBUSY;
    fake->due = work;
    fake->due_arg = arg;
    return 0;
}

static void
fake_changed(void *ctx, const char *object_id)
{
    struct fake_factory_host *fake = ctx;
    (void)snprintf(fake->changes[fake->change_count++ % FAKE_CHANGES_MAX], PK_ID_MAX + 1, "%s",
                   object_id);
}

void
fake_factory_host_fire(struct fake_factory_host *fake)
{
    void (*due)(void *arg) = fake->due;
    if (due == NULL)
        abort();
    fake->due = NULL;
    due(fake->due_arg);
}

static uint32_t
fake_stopping(void *ctx)
{
    (void)ctx;
    return 0;
}

void
fake_factory_host_init(struct fake_factory_host *fake, const struct pk_plugin *plugin)
{
    if (plugin->option_count > FAKE_OPTIONS_MAX)
        abort();
    memset(fake, 0, sizeof(*fake));
    fake->host = (struct pk_host){
        .struct_size = sizeof(fake->host),
        .ctx = fake,
        .log = fake_log,
        .now = fake_now,
        .random = fake_random,
        .stopping = fake_stopping,
        .submit = fake_submit,
        .timer = fake_timer,
        .timer_cancel = fake_timer_cancel,
        .changed = fake_changed,
    };
    for (uint32_t i = 0; i < plugin->option_count; i++)
        fake->values[i].name = plugin->options[i].name;
    fake->conf = (struct pk_conf){
        .struct_size = sizeof(fake->conf),
        .value_count = plugin->option_count,
        .value_stride = sizeof(fake->values[0]),
        .values = fake->values,
    };
}

static struct pk_value *
option_of(struct fake_factory_host *fake, const char *option)
{
    for (uint32_t i = 0; i < fake->conf.value_count; i++)
        if (strcmp(fake->values[i].name, option) == 0)
            return &fake->values[i];
    abort();
}

void
fake_factory_host_set(struct fake_factory_host *fake, const char *option, uint64_t number)
{
    option_of(fake, option)->number = number;
}

void
fake_factory_host_set_text(struct fake_factory_host *fake, const char *option, const char *text)
{
    option_of(fake, option)->text = text;
}

int
fake_open_descriptors(void)
{
    int count = -1; /* that of the folder itself */
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        abort();
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count;
}
