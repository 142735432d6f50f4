/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: which kind of link a target asks for.
 */
#include "sdk/target.h"
#include "sdk/client.h"
#include "sdk/error.h"
#include "sdk/options.h"
#include "sdk/peer.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* What follows the prefix, or NULL. */
static const char *
after(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

/* Links to a peer and lets the reference to it go. */
static int32_t
link_own_peer(packice_peer *peer, struct packice_link **ret_link, struct pk_error *err)
{
    int32_t rc = packice_link_peer(peer, ret_link, err);
    packice_peer_unref(peer);
    return rc;
}

static int32_t
link_private(struct packice_link **ret_link, struct pk_error *err)
{
    packice_peer *peer = NULL;
    int32_t rc = packice_peer_make(NULL, &peer, err);
    return rc == 0 ? link_own_peer(peer, ret_link, err) : rc;
}

static int32_t
link_named(const char *name, struct packice_link **ret_link, struct pk_error *err)
{
    packice_peer *peer = NULL;
    int32_t rc = packice_peer_named(name, &peer, err);
    return rc == 0 ? link_own_peer(peer, ret_link, err) : rc;
}

static int32_t
link_target(const char *target, const struct packice_connect_options *options,
            struct packice_link **ret_link, struct pk_error *err)
{
    if (target == NULL)
        return link_private(ret_link, err);
    const char *name = after(target, "memory://");
    if (name != NULL)
        return link_named(name, ret_link, err);
    if (after(target, "http://") != NULL || after(target, "https://") != NULL)
        return packice_link_http(target, options, ret_link, err);
    const char *path = after(target, "unix:");
    if (path == NULL && strstr(target, "://") != NULL)
        return pk_fail(err, -EINVAL,
                       "'%.80s': not memory://NAME, unix:PATH, a path, or http://HOST:PORT",
                       target);
    if (path == NULL)
        path = target;
    if (path[0] == '\0')
        return pk_fail(err, -EINVAL, "the target names no socket");
    return packice_link_unix(path, ret_link, err);
}

static int
finish(int32_t rc, struct packice_link *link, uint64_t inline_max, packice_client **ret_client)
{
    if (rc == 0)
        rc = packice_client_new(link, inline_max, ret_client, packice_error_slot());
    return packice_result(rc);
}

int
packice_connect(const char *target, packice_client **ret_client)
{
    return packice_connect_with(target, NULL, ret_client);
}

int
packice_connect_with(const char *target, const struct packice_connect_options *options,
                     packice_client **ret_client)
{
    struct pk_error *err = packice_error_slot();
    struct packice_connect_options mine = { 0 };
    struct packice_link *link = NULL;
    int32_t rc = options != NULL ? packice_options_read(&mine, sizeof(mine), options, err) : 0;
    if (rc == 0 && mine.flags != 0)
        rc = pk_fail(err, -EINVAL, "flags: 0x%x is not known", mine.flags);
    if (rc == 0)
        rc = link_target(target, &mine, &link, err);
    return finish(rc, link, mine.inline_max, ret_client);
}

int
packice_connect_peer(packice_peer *peer, packice_client **ret_client)
{
    struct packice_link *link = NULL;
    int32_t rc = packice_link_peer(peer, &link, packice_error_slot());
    return finish(rc, link, 0, ret_client);
}
