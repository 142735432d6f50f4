/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests as text. Quotes are jansson's to write, and all is its to read: checked member by
 * member then, after the checksum, which finds what a disk does to a file, and not what a person
 * does.
 */
#include "manifest.h"

#include "name.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

#define FORMAT 1
#define SUM_DIGITS (2 * sizeof(XXH128_canonical_t))

static void
json_cleanup(json_t **json)
{
    json_decref(*json);
}

#define autojson __attribute__((cleanup(json_cleanup))) json_t

/* ---- checksums as text ---- */

static const char digits[] = "0123456789abcdef";

/* SUM_DIGITS bytes. */
static void
sum_text(const XXH128_canonical_t *sum, char *ret_text)
{
    for (size_t i = 0; i < sizeof(sum->digest); i++) {
        ret_text[2 * i] = digits[sum->digest[i] >> 4];
        ret_text[2 * i + 1] = digits[sum->digest[i] & 15];
    }
}

static bool
sum_parse(const char *text, XXH128_canonical_t *ret_sum)
{
    for (size_t i = 0; i < sizeof(ret_sum->digest); i++) {
        const char *high = text[2 * i] != '\0' ? strchr(digits, text[2 * i]) : NULL;
        const char *low =
            high != NULL && text[2 * i + 1] != '\0' ? strchr(digits, text[2 * i + 1]) : NULL;
        if (low == NULL)
            return false;
        ret_sum->digest[i] = (unsigned char)((high - digits) << 4 | (low - digits));
    }
    return true;
}

static void
sum_of(const char *text, size_t size, char *ret_text)
{
    XXH128_canonical_t sum;
    XXH128_canonicalFromHash(&sum, XXH3_128bits(text, size));
    sum_text(&sum, ret_text);
}

/* ---- writing ---- */

/* In quotes, with escapes. False: it is no UTF-8. */
static bool
put_text(FILE *out, const char *text)
{
    autojson *json = json_string(text);
    return json_dumpf(json, out, JSON_ENCODE_ANY) == 0;
}

static bool
put_owner(FILE *out, const struct pk_principal *owner)
{
    bool is_text = true;
    if (owner->kind == PK_PRINCIPAL_TOKEN) {
        (void)fputs("{\"kind\":\"token\",\"name\":", out);
        is_text = put_text(out, owner->name);
        (void)fputc('}', out);
    } else if (owner->kind == PK_PRINCIPAL_UNIX) {
        (void)fprintf(out, "{\"kind\":\"unix\",\"uid\":%" PRIu32 ",\"gid\":%" PRIu32 "}",
                      owner->uid, owner->gid);
    } else {
        (void)fputs("{\"kind\":\"anonymous\"}", out);
    }
    return is_text;
}

static void
put_blobs(FILE *out, const struct pk_manifest *manifest, const struct fs_sum *sums)
{
    char sum[SUM_DIGITS];
    for (uint32_t i = 0; i < manifest->blob_count; i++) {
        (void)fprintf(out, "%c{\"size\":%" PRIu64, i == 0 ? '[' : ',', manifest->sizes[i]);
        if (sums[i].is_set != 0) {
            sum_text(&sums[i].sum, sum);
            (void)fprintf(out, ",\"xxh3\":\"%.*s\"", (int)sizeof(sum), sum);
        }
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

/* The name of what is no UTF-8, or NULL. What the stream can't hold it tells when it is closed. */
static const char *
put_line(FILE *out, const struct pk_manifest *manifest, uint64_t token, const struct fs_sum *sums)
{
    (void)fprintf(out, "{\"packice_blob_fs\":%d,\"id\":", FORMAT);
    if (!put_text(out, manifest->key.id))
        return "object_id";
    (void)fprintf(out,
                  ",\"epoch\":\"%" PRIu64 "\",\"token\":\"%016" PRIx64 "\",\"created_at\":%" PRIu64
                  ",\"sealed_at\":%" PRIu64 ",\"owner\":",
                  manifest->key.epoch, token, manifest->created_at, manifest->sealed_at);
    if (!put_owner(out, &manifest->owner))
        return "owner";
    (void)fputs(",\"blobs\":", out);
    put_blobs(out, manifest, sums);
    (void)fputs(",\"meta\":", out);
    if (!put_text(out, manifest->meta))
        return "meta";
    (void)fprintf(out, "}\n%*s\n", (int)SUM_DIGITS, ""); /* the checksum's place */
    return NULL;
}

int32_t
manifest_encode(const struct pk_manifest *manifest, uint64_t token, const struct fs_sum *sums,
                char **ret_text, size_t *ret_size, struct pk_error *err)
{
    pk_autofree char *text = NULL;
    size_t size = 0;
    if (manifest->created_at > INT64_MAX || manifest->sealed_at > INT64_MAX)
        return pk_fail(err, -EINVAL, "created_at or sealed_at: out of range");
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    const char *wrong = put_line(out, manifest, token, sums);
    bool whole = ferror(out) == 0;
    if (fclose(out) != 0 || !whole)
        return pk_fail(err, -ENOMEM, "out of memory");
    if (wrong != NULL)
        return pk_fail(err, -EINVAL, "%s: not UTF-8", wrong);
    size_t line = size - SUM_DIGITS - 1;
    sum_of(text, line, text + line);
    *ret_text = pk_steal(text);
    *ret_size = size;
    return 0;
}

/* ---- reading ---- */

static int32_t
damaged(struct pk_error *err, const char *name)
{
    return pk_fail(err, -EIO, "%s: missing or wrong", name);
}

static bool
get_number(const json_t *json, const char *name, uint64_t max, uint64_t *ret_number)
{
    const json_t *value = json_object_get(json, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0
        || (uint64_t)json_integer_value(value) > max)
        return false;
    *ret_number = (uint64_t)json_integer_value(value);
    return true;
}

/* A string without a NUL in it (which jansson refuses), of min to max bytes; or NULL. */
static const char *
get_text(const json_t *json, const char *name, size_t min, size_t max)
{
    const json_t *value = json_object_get(json, name);
    if (!json_is_string(value) || json_string_length(value) < min
        || json_string_length(value) > max)
        return NULL;
    return json_string_value(value);
}

static bool
get_epoch(const json_t *json, uint64_t *ret_epoch)
{
    char again[24];
    const char *text = get_text(json, "epoch", 1, 20);
    if (text == NULL)
        return false;
    *ret_epoch = strtoull(text, NULL, 10);
    (void)snprintf(again, sizeof(again), "%" PRIu64, *ret_epoch);
    return *ret_epoch > 0 && strcmp(text, again) == 0;
}

static bool
get_owner(const json_t *json, struct pk_principal *ret_owner)
{
    const json_t *owner = json_object_get(json, "owner");
    const char *kind = get_text(owner, "kind", 1, 16);
    uint64_t uid = UINT32_MAX;
    uint64_t gid = UINT32_MAX;
    *ret_owner = (struct pk_principal){
        .struct_size = sizeof(*ret_owner),
        .kind = PK_PRINCIPAL_ANONYMOUS,
        .uid = UINT32_MAX,
        .gid = UINT32_MAX,
    };
    if (kind == NULL || strcmp(kind, "anonymous") == 0)
        return kind != NULL;
    if (strcmp(kind, "unix") == 0) {
        ret_owner->kind = PK_PRINCIPAL_UNIX;
        if (!get_number(owner, "uid", UINT32_MAX, &uid)
            || !get_number(owner, "gid", UINT32_MAX, &gid))
            return false;
        ret_owner->uid = (uint32_t)uid;
        ret_owner->gid = (uint32_t)gid;
        return true;
    }
    const char *name = get_text(owner, "name", 0, sizeof(ret_owner->name) - 1);
    if (strcmp(kind, "token") != 0 || name == NULL)
        return false;
    ret_owner->kind = PK_PRINCIPAL_TOKEN;
    memcpy(ret_owner->name, name, strlen(name) + 1);
    return true;
}

static bool
get_blobs(const json_t *json, struct fs_manifest *manifest)
{
    const json_t *blobs = json_object_get(json, "blobs");
    size_t count = json_array_size(blobs);
    uint64_t total = 0;
    if (count < 1 || count > PK_BLOBS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *blob = json_array_get(blobs, i);
        if (!get_number(blob, "size", PK_SIZE_MAX - total, &manifest->sizes[i]))
            return false;
        total += manifest->sizes[i];
        if (json_object_get(blob, "xxh3") == NULL)
            continue;
        const char *text = get_text(blob, "xxh3", SUM_DIGITS, SUM_DIGITS);
        if (text == NULL || !sum_parse(text, &manifest->sums[i].sum))
            return false;
        manifest->sums[i].is_set = 1;
    }
    manifest->blob_count = (uint32_t)count;
    return true;
}

static int32_t
fill(struct fs_manifest *manifest, const json_t *json, struct pk_error *err)
{
    uint64_t format = 0;
    if (!get_number(json, "packice_blob_fs", INT64_MAX, &format))
        return damaged(err, "packice_blob_fs");
    if (format != FORMAT)
        return pk_fail(err, -EIO, "packice_blob_fs: format %" PRIu64 ", and not %d", format,
                       FORMAT);
    const char *id = get_text(json, "id", 1, PK_ID_MAX);
    const char *token = get_text(json, "token", NAME_TOKEN_SIZE - 1, NAME_TOKEN_SIZE - 1);
    const char *meta = get_text(json, "meta", 0, PK_META_MAX);
    if (id == NULL)
        return damaged(err, "id");
    if (token == NULL || !name_token_parse(token, &manifest->token))
        return damaged(err, "token");
    if (meta == NULL)
        return damaged(err, "meta");
    if (!get_epoch(json, &manifest->epoch))
        return damaged(err, "epoch");
    if (!get_number(json, "created_at", INT64_MAX, &manifest->created_at))
        return damaged(err, "created_at");
    if (!get_number(json, "sealed_at", INT64_MAX, &manifest->sealed_at))
        return damaged(err, "sealed_at");
    if (!get_owner(json, &manifest->owner))
        return damaged(err, "owner");
    if (!get_blobs(json, manifest))
        return damaged(err, "blobs");
    memcpy(manifest->id, id, strlen(id) + 1);
    manifest->meta = strdup(meta);
    return manifest->meta != NULL ? 0 : pk_fail(err, -ENOMEM, "out of memory");
}

/* Finds the end of the first line; what follows must be its checksum, and nothing more. */
static int32_t
check_sum(const char *text, size_t size, size_t *ret_line, struct pk_error *err)
{
    char sum[SUM_DIGITS];
    if (size > MANIFEST_SIZE_MAX)
        return pk_fail(err, -EIO, "longer than any manifest");
    if (size < SUM_DIGITS + 2 || text[size - 1] != '\n')
        return pk_fail(err, -EIO, "cut short");
    size_t line = size - SUM_DIGITS - 1;
    sum_of(text, line, sum);
    if (text[line - 1] != '\n' || memcmp(text + line, sum, SUM_DIGITS) != 0)
        return pk_fail(err, -EIO, "its checksum is wrong");
    *ret_line = line;
    return 0;
}

int32_t
manifest_decode(const char *text, size_t size, struct fs_manifest **ret_manifest,
                struct pk_error *err)
{
    size_t line = 0;
    json_error_t error;
    int32_t rc = check_sum(text, size, &line, err);
    if (rc != 0)
        return rc;
    autojson *json = json_loadb(text, line, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return pk_fail(err, -EIO, "no JSON, from byte %d on", error.position);
    struct fs_manifest *manifest = calloc(1, sizeof(*manifest));
    if (manifest == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    rc = fill(manifest, json, err);
    if (rc != 0) {
        manifest_free(manifest);
        return rc;
    }
    *ret_manifest = manifest;
    return 0;
}

void
manifest_free(struct fs_manifest *manifest)
{
    if (manifest == NULL)
        return;
    free(manifest->meta);
    free(manifest);
}

struct pk_manifest
manifest_view(const struct fs_manifest *manifest)
{
    return (struct pk_manifest){
        .struct_size = sizeof(struct pk_manifest),
        .blob_count = manifest->blob_count,
        .key = { manifest->id, manifest->epoch },
        .sizes = manifest->sizes,
        .meta = manifest->meta,
        .created_at = manifest->created_at,
        .sealed_at = manifest->sealed_at,
        .owner = manifest->owner,
    };
}
