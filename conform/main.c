/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice-conform: checks a plugin against the contracts of the headers. Flags, the plugin and its
 * options; exit status 0, 1 or 2. It runs no rule itself.
 */
#include "conform/runner.h"

#include "core/option.h"

#include <errno.h>
#include <getopt.h>
#include <packice/cleanup.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define EXIT_BROKEN 1 /* a rule is */
#define EXIT_USAGE 2
#define DEADLINE 60U /* seconds for one rule: on a slow machine, under a sanitizer too */
#define DEADLINE_MAX 86400U
#define STAND_IN "/tmp" /* for %t, while options are only checked */

struct flags {
    const char *only;
    uint32_t deadline;
    bool list;
};

static const char help[] =
    "usage: packice-conform [--rule NAME] [--deadline SECONDS] PLUGIN.so [KEY=VALUE ...]\n"
    "       packice-conform --list [PLUGIN.so]\n"
    "\n"
    "Checks a blob or lease plugin against the contracts of <packice/...>, one line a rule.\n"
    "\n"
    "  KEY=VALUE           an option of the plugin; %t in VALUE is a fresh folder, %% is %\n"
    "  --rule NAME         only the rules whose names begin with NAME\n"
    "  --deadline SECONDS  for each rule; 60\n"
    "  --list              print the names of the rules, those for PLUGIN if it is given\n"
    "  -V, --version       print the version and that of the plugin interface\n"
    "  -h, --help          print this\n"
    "\n"
    "Exit status: 0 all passed, 1 some did not, 2 wrong usage.\n";

static int
complain(const char *message)
{
    (void)fprintf(stderr, "packice-conform: %s\n", message);
    return EXIT_USAGE;
}

static int
finish_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    (void)fprintf(stderr, "packice-conform: standard output: %s\n", strerror(errno));
    return EXIT_BROKEN;
}

/* ---- flags ---- */

static bool
parse_deadline(const char *text, uint32_t *ret_deadline)
{
    char *rest;
    errno = 0;
    unsigned long value = strtoul(text, &rest, 10);
    if (errno != 0 || *rest != '\0' || text[0] < '0' || text[0] > '9' || value == 0
        || value > DEADLINE_MAX)
        return false;
    *ret_deadline = (uint32_t)value;
    return true;
}

/* -1: go on; else the exit status. */
static int
parse_flags(int argc, char **argv, struct flags *flags)
{
    static const struct option longs[] = {
        { "rule", required_argument, NULL, 'r' }, { "deadline", required_argument, NULL, 'd' },
        { "list", no_argument, NULL, 'l' },       { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },       { NULL, 0, NULL, 0 },
    };
    int flag;
    while ((flag = getopt_long(argc, argv, "+Vh", longs, NULL)) != -1) {
        if (flag == 'h')
            (void)fputs(help, stdout);
        else if (flag == 'V')
            (void)printf("packice-conform %s, plugin interface %d.%d\n", PK_VERSION, PK_ABI_MAJOR,
                         PK_ABI_MINOR);
        if (flag == 'h' || flag == 'V')
            return finish_output(0);
        if (flag == 'r')
            flags->only = optarg;
        else if (flag == 'l')
            flags->list = true;
        else if (flag != 'd')
            return EXIT_USAGE; /* getopt_long has said why */
        else if (!parse_deadline(optarg, &flags->deadline))
            return complain("--deadline: seconds, 1 to 86400");
    }
    return -1;
}

/* ---- the plugin and its options ---- */

/* The node's folders for children: where the plugin itself is, and beside it. */
static int32_t
load(const char *file, struct pk_plugin_path *path, const struct pk_plugin_module **ret_module,
     struct pk_error *err)
{
    pk_autofree char *name = NULL;
    if (strchr(file, '/') == NULL && asprintf(&name, "./%s", file) < 0)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t rc = pk_plugin_load(path, name == NULL ? file : name, 0, ret_module, err);
    if (rc == 0 && (*ret_module)->plugin.kind == PK_KIND_TRANSPORT)
        return pk_fail(err, -EINVAL, "%s: a transport: there are rules for blob and lease plugins",
                       file);
    return rc;
}

/* Cuts KEY=VALUE in two, in place. */
static int32_t
split(char **words, size_t count, struct pk_setting *ret_settings, struct pk_error *err)
{
    for (size_t i = 0; i < count; i++) {
        char *equals = strchr(words[i], '=');
        if (equals == NULL || equals == words[i])
            return pk_fail(err, -EINVAL, "'%s' is not KEY=VALUE", words[i]);
        *equals = '\0';
        ret_settings[i] = (struct pk_setting){ .key = words[i], .value = equals + 1 };
    }
    return 0;
}

/* A required folder that is missing is what one forgets first. */
static void
hint(const struct subject *subject)
{
    const struct pk_option_table *table = &subject->module->options;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pk_option *option = pk_option_at(table, i);
        bool given = false;
        for (size_t j = 0; j < subject->setting_count; j++)
            given = given || strcmp(subject->settings[j].key, option->name) == 0;
        if ((option->flags & PK_OPTION_REQUIRED) && option->type == PK_OPTION_PATH && !given)
            (void)fprintf(stderr, "packice-conform: with %s=%%t it gets a fresh folder\n",
                          option->name);
    }
}

static int
check_options(const struct subject *subject)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_conf *conf = NULL;
    if (world_conf(subject, STAND_IN, 0, &conf, &err) != 0) {
        (void)complain(err.message);
        hint(subject);
        return EXIT_USAGE;
    }
    pk_conf_free(conf);
    return -1;
}

/* ---- what is asked for ---- */

static void
list(uint32_t kind)
{
    size_t count;
    const struct rule_group *const *groups = runner_groups(kind, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < groups[i]->count; j++)
            (void)printf("%s: %s\n", pk_plugin_kind_name(kind), groups[i]->rules[j].name);
    }
}

static int
run(const struct subject *subject, const struct flags *flags)
{
    struct pk_error err = PK_ERROR_INIT;
    struct rlimit limit;
    uint32_t failed = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max; /* as a node does */
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    int32_t rc = runner_run(subject, flags->only, flags->deadline, &failed, &err);
    if (rc == -ENOENT)
        return complain(err.message);
    if (rc != 0) {
        (void)printf("Bail out! %s\n", err.message);
        (void)complain(err.message);
    }
    return finish_output(rc != 0 || failed > 0 ? EXIT_BROKEN : 0);
}

static int
with_plugin(char **words, size_t count, const struct flags *flags)
{
    struct pk_error err = PK_ERROR_INIT;
    const char *const folders[] = { "." };
    struct pk_plugin_path path = { .folders = folders, .folder_count = 1 };
    pk_autofree struct pk_setting *settings = calloc(count, sizeof(*settings));
    struct subject subject = { .path = &path, .settings = settings, .setting_count = count - 1 };
    if (settings == NULL)
        return complain("out of memory");
    if (load(words[0], &path, &subject.module, &err) != 0
        || split(words + 1, count - 1, settings, &err) != 0)
        return complain(err.message);
    if (flags->list) {
        list(subject.module->plugin.kind);
        return finish_output(0);
    }
    int status = check_options(&subject);
    return status >= 0 ? status : run(&subject, flags);
}

int
main(int argc, char **argv)
{
    struct flags flags = { .deadline = DEADLINE };
    int status = parse_flags(argc, argv, &flags);
    if (status >= 0)
        return status;
    if (optind < argc)
        return with_plugin(argv + optind, (size_t)(argc - optind), &flags);
    if (!flags.list)
        return complain("which plugin? See --help");
    list(PK_KIND_BLOB);
    list(PK_KIND_LEASE);
    return finish_output(0);
}
