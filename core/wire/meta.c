/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meta from anybody's text: an object, bounded, in its shortest form. What has that form already is
 * taken as it is.
 */
#include "core/wire/meta.h"

#include "core/wire/json.h"
#include "core/wire/request.h"
#include "core/wire/tree.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static int32_t
check_height(const char *text, size_t size, struct pk_error *err)
{
    struct pk_wire_json *json = pk_wire_json_new(NULL, 0, text, size);
    if (json == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    struct pk_error why = PK_ERROR_INIT;
    int32_t rc = pk_wire_json_scan(json, -EINVAL, &why);
    if (rc != 0)
        rc = pk_fail(err, rc, "meta: %s", why.message);
    else if (json->values[0].height > PK_WIRE_META_DEPTH)
        rc = pk_fail(err, -EINVAL, "meta: nested more than %u levels deep", PK_WIRE_META_DEPTH);
    pk_wire_json_free(json);
    return rc;
}

/* What is not in its shortest form, if it is meta at all. */
static int32_t
compact(const char *text, size_t size, char **ret_text, struct pk_error *err)
{
    int32_t rc = check_height(text, size, err);
    if (rc != 0)
        return rc;
    *ret_text = pk_wire_tree_compact(text, size);
    return *ret_text == NULL ? pk_fail(err, -ENOMEM, "out of memory") : 0;
}

static int32_t
check_size(const char *text, struct pk_error *err)
{
    size_t size = strlen(text);
    if (size > PK_META_MAX)
        return pk_fail(err, -EINVAL, "meta: %zu bytes long, not at most %d", size, PK_META_MAX);
    return 0;
}

int32_t
pk_wire_meta_put(struct pk_wire_out *out, const char *text, struct pk_error *err)
{
    pk_autofree char *compacted = NULL;
    size_t size = strlen(text);
    if (!pk_wire_json_is_plain(text, size, PK_WIRE_META_DEPTH)) {
        int32_t rc = compact(text, size, &compacted, err);
        if (rc != 0)
            return rc;
        text = compacted;
    }
    int32_t rc = check_size(text, err);
    if (rc == 0)
        pk_wire_out_json(out, PK_NAME_META, text);
    return rc;
}

int32_t
pk_wire_meta_compact(const char *text, char **ret_text, struct pk_error *err)
{
    pk_autofree char *compacted = NULL;
    text = text != NULL ? text : "";
    size_t size = strlen(text);
    if (size > 0 && !pk_wire_json_is_plain(text, size, PK_WIRE_META_DEPTH)) {
        int32_t rc = compact(text, size, &compacted, err);
        if (rc != 0)
            return rc;
        text = compacted;
    }
    int32_t rc = check_size(text, err);
    if (rc != 0)
        return rc;
    if (compacted == NULL)
        compacted = strdup(strcmp(text, "{}") == 0 ? "" : text);
    else if (strcmp(compacted, "{}") == 0)
        *compacted = '\0';
    if (compacted == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    *ret_text = pk_steal(compacted);
    return 0;
}
