/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a line of a manifest, behind whose checksum mutations would never get, and the name
 * of a file. What is accepted must be within the bounds, and come out the same again.
 */
#include "fuzz.h"
#include "manifest.h"
#include "name.h"

#include <packice/cleanup.h>
#include <string.h>

#define SUM_SIZE 34U

static void
round_trip(const struct fs_manifest *manifest)
{
    const struct pk_manifest view = manifest_view(manifest);
    struct fs_manifest *again = NULL;
    pk_autofree char *text = NULL;
    size_t size = 0;
    FUZZ_CHECK(manifest_encode(&view, manifest->token, manifest->sums, &text, &size, NULL) == 0);
    FUZZ_CHECK(manifest_decode(text, size, &again, NULL) == 0);
    FUZZ_CHECK(strcmp(again->id, manifest->id) == 0 && strcmp(again->meta, manifest->meta) == 0);
    FUZZ_CHECK(again->epoch == manifest->epoch && again->token == manifest->token);
    FUZZ_CHECK(again->created_at == manifest->created_at);
    FUZZ_CHECK(again->sealed_at == manifest->sealed_at);
    FUZZ_CHECK(again->blob_count == manifest->blob_count);
    FUZZ_CHECK(memcmp(again->sizes, manifest->sizes, sizeof(again->sizes)) == 0);
    FUZZ_CHECK(memcmp(again->sums, manifest->sums, sizeof(again->sums)) == 0);
    FUZZ_CHECK(memcmp(&again->owner, &manifest->owner, sizeof(again->owner)) == 0);
    manifest_free(again);
}

static void
read_manifest(const uint8_t *data, size_t size)
{
    struct fs_manifest *manifest = NULL;
    XXH128_canonical_t sum;
    pk_autofree char *text = malloc(size + SUM_SIZE + 1);
    FUZZ_CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\n';
    XXH128_canonicalFromHash(&sum, XXH3_128bits(text, size + 1));
    for (size_t i = 0; i < sizeof(sum.digest); i++)
        (void)snprintf(text + size + 1 + 2 * i, 3, "%02x", sum.digest[i]);
    text[size + SUM_SIZE - 1] = '\n';
    if (manifest_decode(text, size + SUM_SIZE, &manifest, NULL) != 0)
        return;
    FUZZ_CHECK(manifest->blob_count >= 1 && manifest->blob_count <= PK_BLOBS_MAX);
    FUZZ_CHECK(manifest->epoch > 0 && manifest->id[0] != '\0');
    FUZZ_CHECK(strlen(manifest->meta) <= PK_META_MAX);
    round_trip(manifest);
    manifest_free(manifest);
}

/* A name that is taken for ours is written so by us. */
static void
read_name(const uint8_t *data, size_t size)
{
    char file[NAME_FILE_SIZE];
    char again[NAME_FILE_SIZE];
    struct fs_name name;
    struct fs_data parsed;
    if (size == 0 || size >= sizeof(file) || memchr(data, 0, size) != NULL)
        return;
    memcpy(file, data, size);
    file[size] = '\0';
    switch (name_parse(file, &name, &parsed)) {
    case FS_MANIFEST:
        name_manifest_file(&name, again);
        break;
    case FS_DATA:
        name_data_file(&parsed, again);
        break;
    case FS_MAKING:
        name_making_file(&parsed, again);
        break;
    case FS_GONE:
        name_gone_file(&parsed, again);
        break;
    default:
        return;
    }
    FUZZ_CHECK(strcmp(file, again) == 0);
    FUZZ_CHECK(strchr(file, '/') == NULL && file[0] != '.');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_manifest(data, size);
    read_name(data, size);
    return 0;
}
