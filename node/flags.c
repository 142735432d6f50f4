/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the command line with getopt_long and turns quick flags into the sections of a config, so
 * that there is one way from there on. It prints nothing but what getopt says by itself.
 */
#include "node/flags.h"

#include "core/log.h"
#include "core/option.h"
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char pk_flags_help[] =
    "Usage: packice-node -c FILE [--check | --print-config] [--log-level LEVEL]\n"
    "       packice-node [--impl IMPL] [--transport TRANSPORT] [QUICK FLAGS]\n"
    "       packice-node [-c FILE] --list-plugins | --dump-plugin PLUGIN\n"
    "Run a node: it lets processes share immutable objects without copying them.\n"
    "\n"
    "  -c, --config FILE        what the node is to be, see packice-node.ini(5)\n"
    "      --check              only check the config, and load the plugins it names\n"
    "      --print-config       print the config with all defaults, as -c reads it\n"
    "      --list-plugins       list the plugins that are found\n"
    "      --dump-plugin PLUGIN say what a plugin is and which options it takes\n"
    "      --log-level LEVEL    error, warn, info or debug, whatever the config says\n"
    "  -V, --version            print the version\n"
    "  -h, --help               print this\n"
    "\n"
    "Quick flags, without a file:\n"
    "      --impl IMPL          where blobs live: mem or fs (mem, or fs with --data-dir)\n"
    "      --transport NAME     how callers come: uds or http (as --socket or --port say)\n"
    "      --socket PATH        where uds listens\n"
    "      --port PORT          where http listens on 127.0.0.1\n"
    "      --data-dir DIR       where fs keeps its files\n"
    "\n"
    "Exit status: 0 stopped as asked, 1 failed, 2 wrong usage or config,\n"
    "128 + N left at once by a second signal N.\n";

/* ---- the command line ---- */

enum {
    FLAG_CHECK = 256,
    FLAG_PRINT_CONFIG,
    FLAG_LIST_PLUGINS,
    FLAG_DUMP_PLUGIN,
    FLAG_LOG_LEVEL,
    FLAG_IMPL,
    FLAG_TRANSPORT,
    FLAG_SOCKET,
    FLAG_PORT,
    FLAG_DATA_DIR,
};

static const struct option known_flags[] = {
    { "config", required_argument, NULL, 'c' },
    { "check", no_argument, NULL, FLAG_CHECK },
    { "print-config", no_argument, NULL, FLAG_PRINT_CONFIG },
    { "list-plugins", no_argument, NULL, FLAG_LIST_PLUGINS },
    { "dump-plugin", required_argument, NULL, FLAG_DUMP_PLUGIN },
    { "log-level", required_argument, NULL, FLAG_LOG_LEVEL },
    { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },
    { "impl", required_argument, NULL, FLAG_IMPL },
    { "transport", required_argument, NULL, FLAG_TRANSPORT },
    { "socket", required_argument, NULL, FLAG_SOCKET },
    { "port", required_argument, NULL, FLAG_PORT },
    { "data-dir", required_argument, NULL, FLAG_DATA_DIR },
    { NULL, 0, NULL, 0 },
};

static const char *
flag_name(int flag)
{
    for (size_t i = 0; known_flags[i].name != NULL; i++) {
        if (known_flags[i].val == flag)
            return known_flags[i].name;
    }
    return "?";
}

/* Where a flag's argument is kept; NULL for a flag without one. */
static const char **
flag_text(struct pk_flags *flags, int flag)
{
    switch (flag) {
    case 'c':
        return &flags->config;
    case FLAG_DUMP_PLUGIN:
        return &flags->plugin;
    case FLAG_LOG_LEVEL:
        return &flags->log_level;
    case FLAG_IMPL:
        return &flags->impl;
    case FLAG_TRANSPORT:
        return &flags->transport;
    case FLAG_SOCKET:
        return &flags->socket;
    case FLAG_PORT:
        return &flags->port;
    case FLAG_DATA_DIR:
        return &flags->data_dir;
    default:
        return NULL;
    }
}

/* What a flag asks for; RUN for one that asks for nothing of its own. */
static enum pk_action
flag_action(int flag)
{
    switch (flag) {
    case FLAG_CHECK:
        return PK_ACTION_CHECK;
    case FLAG_PRINT_CONFIG:
        return PK_ACTION_PRINT_CONFIG;
    case FLAG_LIST_PLUGINS:
        return PK_ACTION_LIST_PLUGINS;
    case FLAG_DUMP_PLUGIN:
        return PK_ACTION_DUMP_PLUGIN;
    case 'V':
        return PK_ACTION_VERSION;
    case 'h':
        return PK_ACTION_HELP;
    default:
        return PK_ACTION_RUN;
    }
}

static int32_t
take_flag(struct pk_flags *flags, int flag, struct pk_error *err)
{
    const char **text = flag_text(flags, flag);
    if (text != NULL && *text != NULL)
        return pk_fail(err, -EINVAL, "--%s: given twice", flag_name(flag));
    if (text != NULL && optarg[0] == '\0')
        return pk_fail(err, -EINVAL, "--%s: empty", flag_name(flag));
    if (text != NULL)
        *text = optarg;
    enum pk_action action = flag_action(flag);
    if (action == PK_ACTION_RUN)
        return 0;
    if (flags->action != PK_ACTION_RUN && flags->action != action)
        return pk_fail(err, -EINVAL, "--%s: asks for something else than the flags before it",
                       flag_name(flag));
    flags->action = action;
    return 0;
}

/* The name of a quick flag that was given, or NULL. */
static const char *
quick_flag(const struct pk_flags *flags)
{
    return flags->impl != NULL        ? "--impl"
           : flags->transport != NULL ? "--transport"
           : flags->socket != NULL    ? "--socket"
           : flags->port != NULL      ? "--port"
           : flags->data_dir != NULL  ? "--data-dir"
                                      : NULL;
}

/* Which flags don't go together, and which are missing. */
static int32_t
check_flags(const struct pk_flags *flags, struct pk_error *err)
{
    bool on_plugins =
        flags->action == PK_ACTION_LIST_PLUGINS || flags->action == PK_ACTION_DUMP_PLUGIN;
    const char *quick = quick_flag(flags);
    uint32_t level = 0;
    if (flags->action == PK_ACTION_HELP || flags->action == PK_ACTION_VERSION)
        return 0;
    if (quick != NULL && flags->config != NULL)
        return pk_fail(err, -EINVAL, "%s: doesn't go with -c: it belongs into the file", quick);
    if (quick != NULL && on_plugins)
        return pk_fail(err, -EINVAL, "%s: doesn't go with --list-plugins or --dump-plugin", quick);
    if (quick == NULL && flags->config == NULL && !on_plugins)
        return pk_fail(err, -EINVAL,
                       "what to run? Give -c FILE, or --impl mem --transport uds "
                       "--socket PATH");
    return flags->log_level == NULL ? 0 : pk_flags_log_level(flags->log_level, &level, err);
}

int32_t
pk_flags_parse(struct pk_flags *ret_flags, int argc, char **argv, struct pk_error *err)
{
    struct pk_flags flags = { .action = PK_ACTION_RUN };
    int flag = 0;
    while ((flag = getopt_long(argc, argv, "c:Vh", known_flags, NULL)) != -1) {
        if (flag == '?')
            return pk_fail(err, -EINVAL, "%s", "");
        int32_t failed = take_flag(&flags, flag, err);
        if (failed != 0)
            return failed;
    }
    if (optind < argc)
        return pk_fail(err, -EINVAL, "'%s': not a flag; a config is named by -c", argv[optind]);
    int32_t failed = check_flags(&flags, err);
    if (failed == 0)
        *ret_flags = flags;
    return failed;
}

/* ---- quick flags as sections ---- */

/* -EINVAL with all the words when text is none of them. */
static int32_t
check_word(const char *flag, const char *text, const char *const *words, size_t count,
           struct pk_error *err)
{
    char list[64] = "";
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0)
            return 0;
        size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i == 0 ? "" : ", ",
                                 words[i]);
    }
    const char *meant = pk_option_suggest(text, words, count);
    if (meant == NULL)
        return pk_fail(err, -EINVAL, "%s: '%s' is none of %s", flag, text, list);
    return pk_fail(err, -EINVAL, "%s: '%s' is none of %s; did you mean '%s'?", flag, text, list,
                   meant);
}

int32_t
pk_flags_log_level(const char *name, uint32_t *ret_level, struct pk_error *err)
{
    const char *words[PK_LOG_DEBUG + 1];
    for (uint32_t level = PK_LOG_ERROR; level <= PK_LOG_DEBUG; level++) {
        words[level] = pk_log_level_name(level);
        if (strcmp(words[level], name) == 0)
            *ret_level = level;
    }
    return check_word("--log-level", name, words, PK_LOG_DEBUG + 1, err);
}

static int32_t
check_port(const char *port, struct pk_error *err)
{
    bool digits = strspn(port, "0123456789") == strlen(port);
    if (!digits || strlen(port) > 5 || strtoul(port, NULL, 10) > 65535)
        return pk_fail(err, -EINVAL, "--port: '%s' is not 0 to 65535", port);
    return 0;
}

static int32_t
add_blob(const struct pk_flags *flags, struct pk_ini *ini, struct pk_error *err)
{
    static const char *const words[] = { "mem", "fs" };
    const char *impl = flags->impl != NULL ? flags->impl : flags->data_dir != NULL ? "fs" : "mem";
    int32_t failed = check_word("--impl", impl, words, 2, err);
    if (failed != 0)
        return failed;
    bool on_disk = strcmp(impl, "fs") == 0;
    if (!on_disk && flags->data_dir != NULL)
        return pk_fail(err, -EINVAL, "--data-dir: doesn't go with --impl mem");
    if (on_disk && flags->data_dir == NULL)
        return pk_fail(err, -EINVAL, "--impl fs: needs --data-dir DIR");
    failed = pk_ini_add_section(ini, "blob", 0, err);
    if (failed == 0)
        failed = pk_ini_add_entry(ini, "plugin", on_disk ? "blob_fs" : "blob_memfd", 0, err);
    if (failed == 0 && flags->data_dir != NULL)
        failed = pk_ini_add_entry(ini, "root", flags->data_dir, 0, err);
    return failed;
}

/* Clients say unix:PATH for the same thing, and so does the node when it is ready. */
static const char *
socket_path(const char *text)
{
    static const char prefix[] = "unix:";
    return strncmp(text, prefix, sizeof(prefix) - 1) == 0 ? text + sizeof(prefix) - 1 : text;
}

static int32_t
add_uds(const struct pk_flags *flags, struct pk_ini *ini, struct pk_error *err)
{
    if (flags->port != NULL)
        return pk_fail(err, -EINVAL, "--port: doesn't go with --transport uds");
    if (flags->socket == NULL)
        return pk_fail(err, -EINVAL, "--transport uds: needs --socket PATH");
    int32_t failed = pk_ini_add_section(ini, "transport.uds", 0, err);
    if (failed == 0)
        failed = pk_ini_add_entry(ini, "plugin", "transport_uds", 0, err);
    return failed == 0 ? pk_ini_add_entry(ini, "path", socket_path(flags->socket), 0, err) : failed;
}

static int32_t
add_http(const struct pk_flags *flags, struct pk_ini *ini, struct pk_error *err)
{
    char listen[32];
    if (flags->socket != NULL)
        return pk_fail(err, -EINVAL, "--socket: doesn't go with --transport http");
    int32_t failed = flags->port == NULL ? 0 : check_port(flags->port, err);
    if (failed == 0)
        failed = pk_ini_add_section(ini, "transport.http", 0, err);
    if (failed == 0)
        failed = pk_ini_add_entry(ini, "plugin", "transport_http", 0, err);
    if (failed != 0 || flags->port == NULL)
        return failed;
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%s", flags->port);
    return pk_ini_add_entry(ini, "listen", listen, 0, err);
}

static int32_t
add_transport(const struct pk_flags *flags, struct pk_ini *ini, struct pk_error *err)
{
    static const char *const words[] = { "uds", "http" };
    const char *transport = flags->transport;
    if (transport == NULL && flags->socket == NULL && flags->port == NULL)
        return pk_fail(err, -EINVAL,
                       "nobody could reach the node: give --socket PATH or --port "
                       "PORT");
    if (transport == NULL && flags->socket != NULL && flags->port != NULL)
        return pk_fail(err, -EINVAL, "--port: doesn't go with --socket; a config can have both");
    if (transport == NULL)
        transport = flags->socket != NULL ? "uds" : "http";
    int32_t failed = check_word("--transport", transport, words, 2, err);
    if (failed != 0)
        return failed;
    return strcmp(transport, "uds") == 0 ? add_uds(flags, ini, err) : add_http(flags, ini, err);
}

static bool
takes_quick_flags(const struct pk_flags *flags)
{
    return flags->config == NULL && flags->action != PK_ACTION_LIST_PLUGINS
           && flags->action != PK_ACTION_DUMP_PLUGIN;
}

int32_t
pk_flags_to_ini(const struct pk_flags *flags, struct pk_ini *ini, struct pk_error *err)
{
    int32_t failed = 0;
    if (takes_quick_flags(flags)) {
        failed = add_blob(flags, ini, err);
        if (failed == 0)
            failed = add_transport(flags, ini, err);
    }
    if (failed == 0 && flags->log_level != NULL)
        failed = pk_ini_set(ini, "node", "log_level", flags->log_level, err);
    return failed;
}

int32_t
pk_flags_config(const struct pk_flags *flags, struct pk_config **ret_config, struct pk_error *err)
{
    struct pk_ini ini = { 0 };
    int32_t failed = flags->config == NULL ? 0 : pk_ini_read(&ini, flags->config, err);
    if (failed == 0)
        failed = pk_flags_to_ini(flags, &ini, err);
    if (failed == 0)
        return pk_config_new(&ini, flags->config, ret_config, err);
    pk_ini_finish(&ini);
    return failed;
}
