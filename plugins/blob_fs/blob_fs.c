/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blob factory `blob_fs`: every blob is a file, every published object a manifest beside its
 * blobs, and both outlive the node. It holds the table of slots, the options, and an instance's
 * beginning and end.
 */
#include "blob_fs.h"

#include "file_lease.h"

#include <errno.h>
#include <grp.h>
#include <packice/cleanup.h>
#include <string.h>

#define GROUP_ROOM ((size_t)1 << 20) /* bytes: the longest entry of a group that is read */

enum {
    OPTION_ROOT,
    OPTION_SHARED,
    OPTION_SYNC,
    OPTION_SEAL,
    OPTION_CHECKSUM,
    OPTION_MODE,
    OPTION_GROUP,
    OPTION_POLL,
    OPTION_CLAIM_TIMEOUT,
    OPTION_COUNT,
};

static const struct pk_option option_table[OPTION_COUNT] = {
    [OPTION_ROOT] = { PK_OPTION_PATH, PK_OPTION_REQUIRED, "root", NULL, NULL,
                      "the folder that everything is kept in; made if it is not there" },
    [OPTION_SHARED] = { PK_OPTION_BOOL, 0, "shared", "no", NULL,
                        "other nodes use the same folder, on this machine or another" },
    [OPTION_SYNC] = { PK_OPTION_BOOL, 0, "sync", "yes", NULL,
                      "what is sealed is on the disk before the seal is answered" },
    [OPTION_SEAL] = { PK_OPTION_CHOICE, 0, "seal", "strict", "strict|weak",
                      "strict: the kernel proves that no writer is left; weak: it is believed" },
    [OPTION_CHECKSUM] = { PK_OPTION_CHOICE, 0, "checksum", "none", "none|xxh3",
                          "what is taken of each blob at its seal, for verify" },
    [OPTION_MODE] = { PK_OPTION_STRING, 0, "mode", "0644", NULL,
                      "permissions of files, in octal; sealed ones lose their write bits" },
    [OPTION_GROUP] = { PK_OPTION_STRING, 0, "group", NULL, NULL,
                       "group of files, by name or number" },
    [OPTION_POLL] = { PK_OPTION_DURATION, 0, "poll", "200ms", NULL,
                      "shared: how often to look for what other nodes published and discarded" },
    [OPTION_CLAIM_TIMEOUT] = { PK_OPTION_DURATION, 0, "claim_timeout", "60s", NULL,
                               "shared: a node that gives no sign of life for so long loses the "
                               "names that it claimed" },
};

/* ---- options ---- */

static int32_t
parse_mode(const char *text, mode_t *ret_mode, struct pk_error *err)
{
    size_t size = strlen(text);
    if (size == 0 || size > 4 || strspn(text, "01234567") != size || strtoul(text, NULL, 8) > 0777)
        return pk_fail(err, -EINVAL, "mode: '%.32s' is not an octal mode from 0 to 0777", text);
    *ret_mode = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

static int32_t
find_group(const char *name, gid_t *ret_group, struct pk_error *err)
{
    struct group entry;
    struct group *found = NULL;
    pk_autofree char *room = malloc(GROUP_ROOM);
    if (room == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)getgrnam_r(name, &entry, room, GROUP_ROOM, &found);
    if (found == NULL)
        return pk_fail(err, -EINVAL, "group: there is no group '%.64s'", name);
    *ret_group = entry.gr_gid;
    return 0;
}

static int32_t
parse_group(const char *text, gid_t *ret_group, struct pk_error *err)
{
    if (text == NULL || text[0] == '\0')
        return 0;
    if (strspn(text, "0123456789") != strlen(text))
        return find_group(text, ret_group, err);
    errno = 0;
    unsigned long number = strtoul(text, NULL, 10);
    if (errno != 0 || number >= UINT32_MAX)
        return pk_fail(err, -EINVAL, "group: %.64s is not a group's number", text);
    *ret_group = (gid_t)number;
    return 0;
}

static int32_t
check_times(const struct fs_options *options, struct pk_error *err)
{
    if (options->poll == 0)
        return pk_fail(err, -EINVAL, "poll: must be more than 0");
    if (options->claim_timeout / 4 < options->poll)
        return pk_fail(err, -EINVAL, "claim_timeout: must be at least four times poll");
    return 0;
}

static int32_t
parse_options(const struct pk_conf *conf, struct fs_options *ret_options, struct pk_error *err)
{
    struct fs_options options = {
        .root = pk_conf_at(conf, OPTION_ROOT)->text,
        .shared = pk_conf_at(conf, OPTION_SHARED)->number != 0,
        .sync = pk_conf_at(conf, OPTION_SYNC)->number != 0,
        .strict = pk_conf_at(conf, OPTION_SEAL)->number == 0,
        .checksum = pk_conf_at(conf, OPTION_CHECKSUM)->number == 1,
        .group = (gid_t)-1,
        .poll = pk_conf_at(conf, OPTION_POLL)->number,
        .claim_timeout = pk_conf_at(conf, OPTION_CLAIM_TIMEOUT)->number,
    };
    int32_t rc = parse_mode(pk_conf_at(conf, OPTION_MODE)->text, &options.mode, err);
    if (rc == 0)
        rc = parse_group(pk_conf_at(conf, OPTION_GROUP)->text, &options.group, err);
    if (rc == 0)
        rc = check_times(&options, err);
    if (rc == 0)
        *ret_options = options;
    return rc;
}

/* ---- open and close ---- */

static void
blob_fs_close(void *instance)
{
    struct blob_fs *fs = instance;
    watch_stop(&fs->watch);
    makings_finish(&fs->makings);
    root_close(&fs->root);
    free(fs);
}

static int32_t
blob_fs_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
             struct pk_error *err)
{
    struct fs_options options;
    int32_t rc = parse_options(conf, &options, err);
    if (rc != 0)
        return rc;
    struct blob_fs *fs = calloc(1, sizeof(*fs));
    if (fs == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    fs->host = host;
    makings_init(&fs->makings, &fs->root);
    rc = root_open(&fs->root, host, &options, err);
    if (rc == 0)
        rc = file_system_probe(&fs->root, err);
    if (rc == 0)
        rc = watch_start(&fs->watch, fs, err);
    if (rc != 0) {
        blob_fs_close(fs);
        return rc;
    }
    *ret_instance = fs;
    return 0;
}

/* Every name may have to be read from the disk or asked of a server, also that of an open file
 * whose folder is shared with other machines. */
static uint32_t
blob_fs_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    const struct blob_fs *fs = instance;
    (void)bytes;
    return op != PK_BLOB_SIZE || fs->root.options.shared;
}

static void
blob_fs_traits(void *instance, struct pk_blob_traits *ret_traits)
{
    const struct blob_fs *fs = instance;
    ret_traits->flags = PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL | PK_BLOB_GROWS;
    if (fs->root.options.shared)
        ret_traits->flags |= PK_BLOB_SHARED;
}

static void
blob_fs_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    struct blob_fs *fs = instance;
    const struct pk_stat stats[] = {
        { sizeof(stats[0]), PK_STAT_GAUGE, "creating", "Blobs that are not sealed", fs->creating },
        { sizeof(stats[0]), PK_STAT_COUNTER, "set_aside", "Damaged manifests set aside",
          fs->set_aside },
        { sizeof(stats[0]), PK_STAT_COUNTER, "foreign", "Foreign files found by recovery",
          fs->foreign },
    };
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        emit(arg, &stats[i]);
}

static const struct pk_blob_ops blob_fs_ops = {
    .struct_size = sizeof(blob_fs_ops),
    .open = blob_fs_open,
    .close = blob_fs_close,
    .may_block = blob_fs_may_block,
    .traits = blob_fs_traits,
    .create = fs_create,
    .read = fs_read,
    .write = fs_write,
    .size = fs_size,
    .seal = fs_seal,
    .handle = fs_handle,
    .free = fs_free,
    .remove = fs_remove,
    .publish = fs_publish,
    .unpublish = fs_unpublish,
    .lookup = fs_lookup,
    .recover = fs_recover,
    .stats = blob_fs_stats,
    .verify = fs_verify,
    .put = fs_put,
};

static const struct pk_plugin blob_fs_plugin = {
    .struct_size = sizeof(blob_fs_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_count = OPTION_COUNT,
    .option_stride = sizeof(struct pk_option),
    .name = "blob_fs",
    .version = PACKICE_VERSION,
    .summary = "Blobs in files that outlive the node, handed out as paths and descriptors",
    .options = option_table,
    .ops = &blob_fs_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &blob_fs_plugin;
}
