/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice-node: from a command line to what it asks for, and to an exit status. Only here does the
 * program print errors, and only from here does it exit.
 */
#include "core/log.h"
#include "node/config.h"
#include "node/flags.h"
#include "node/report.h"
#include "node/run.h"
#include "node/sink.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define EXIT_FAILED 1
#define EXIT_WRONG 2 /* usage or config */

/* What names a place in the config stands for itself; all else begins with the program's name. */
static int
complain(const struct pk_flags *flags, const struct pk_error *err, int status)
{
    bool placed =
        flags->config != NULL && strncmp(err->message, flags->config, strlen(flags->config)) == 0;
    (void)fprintf(stderr, "%s%s\n", placed ? "" : "packice-node: ", err->message);
    return status;
}

static int
print_text(const struct pk_flags *flags, const char *text)
{
    struct pk_error err = PK_ERROR_INIT;
    if (fputs(text, stdout) != EOF && fflush(stdout) == 0)
        return 0;
    (void)pk_fail(&err, -EIO, "standard output: %m");
    return complain(flags, &err, EXIT_FAILED);
}

static int
print_version(const struct pk_flags *flags)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "packice-node %s (ABI %d.%d)\n", PK_VERSION, PK_ABI_MAJOR,
                   PK_ABI_MINOR);
    return print_text(flags, text);
}

static int
list_plugins(const struct pk_flags *flags, const struct pk_config *config)
{
    struct pk_error err = PK_ERROR_INIT;
    size_t refused = 0;
    if (pk_report_plugins(&config->folders, stderr, &refused, &err) != 0)
        return complain(flags, &err, EXIT_FAILED);
    return refused == 0 ? 0 : EXIT_FAILED;
}

static int
dump_plugin(const struct pk_flags *flags, const struct pk_config *config)
{
    struct pk_error err = PK_ERROR_INIT;
    if (pk_report_plugin(&config->folders, flags->plugin, &err) != 0)
        return complain(flags, &err, err.code == -EIO ? EXIT_FAILED : EXIT_WRONG);
    return 0;
}

static int
print_config(const struct pk_flags *flags, const struct pk_config *config)
{
    struct pk_error err = PK_ERROR_INIT;
    if (pk_report_config(config, &err) != 0)
        return complain(flags, &err, err.code == -EIO ? EXIT_FAILED : EXIT_WRONG);
    return 0;
}

static int
run(const struct pk_flags *flags, const struct pk_config *config)
{
    struct pk_error err = PK_ERROR_INIT;
    pk_sink_open((uint32_t)pk_conf_at(config->node, PK_NODE_LOG_LEVEL)->number);
    if (pk_run(flags, config, &err) == 0)
        return 0;
    return complain(flags, &err, err.code == -EINVAL ? EXIT_WRONG : EXIT_FAILED);
}

/* What needs all of the config. */
static int
serve(const struct pk_flags *flags, struct pk_config *config)
{
    struct pk_error err = PK_ERROR_INIT;
    if (pk_config_load(config, &err) != 0)
        return complain(flags, &err, EXIT_WRONG);
    switch (flags->action) {
    case PK_ACTION_CHECK:
        return 0;
    case PK_ACTION_PRINT_CONFIG:
        return print_config(flags, config);
    default:
        return run(flags, config);
    }
}

static int
act(const struct pk_flags *flags)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_config *config = NULL;
    if (flags->action == PK_ACTION_HELP)
        return print_text(flags, pk_flags_help);
    if (flags->action == PK_ACTION_VERSION)
        return print_version(flags);
    if (pk_flags_config(flags, &config, &err) != 0)
        return complain(flags, &err, EXIT_WRONG);
    int status = flags->action == PK_ACTION_LIST_PLUGINS  ? list_plugins(flags, config)
                 : flags->action == PK_ACTION_DUMP_PLUGIN ? dump_plugin(flags, config)
                                                          : serve(flags, config);
    pk_config_free(config);
    return status;
}

/* Whoever started this may have closed these. Then the first socket would get such a number, and
 * log lines would go to a client. */
static int32_t
fill_standard_descriptors(struct pk_error *err)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return pk_fail(err, -EBADF, "descriptor %d is closed", fd);
    }
    return 0;
}

int
main(int argc, char **argv)
{
    struct pk_flags flags = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    if (fill_standard_descriptors(&err) != 0)
        return complain(&flags, &err, EXIT_FAILED);
    if (pk_flags_parse(&flags, argc, argv, &err) != 0) {
        if (err.message[0] != '\0')
            (void)complain(&flags, &err, EXIT_WRONG);
        (void)fputs("Try 'packice-node --help'.\n", stderr);
        return EXIT_WRONG;
    }
    return act(&flags);
}
