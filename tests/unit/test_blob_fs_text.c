/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of files and the text of manifests of blob_fs: what is written is read back, and what
 * nobody could have written is refused.
 */
#include "manifest.h"
#include "name.h"
#include "suite.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>

/* ---- names ---- */

static const char *
name_of(const char *id)
{
    static struct fs_name name;
    ck_assert_int_eq(name_from_id(id, &name), 0);
    return name.text;
}

START_TEST(ids_become_names_that_lead_nowhere)
{
    static const char *const ids[][2] = {
        { "plain-Name_09", "plain-Name_09" },
        { "a.tar.gz", "a.tar.gz" },
        { ".", "%2E" },
        { "..", "%2E." },
        { "../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd" },
        { "/", "%2F" },
        { "a b%", "a%20b%25" },
        { "\xc3\xa4", "%C3%A4" },
        { "A~b", "A%7Eb" },
    };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char id[PK_ID_MAX + 1];
        ck_assert_str_eq(name_of(ids[i][0]), ids[i][1]);
        ck_assert(name_to_id(ids[i][1], id));
        ck_assert_str_eq(id, ids[i][0]);
    }
}
END_TEST

START_TEST(ids_of_every_length_and_byte_have_names_of_their_own)
{
    char id[PK_ID_MAX + 2];
    char back[PK_ID_MAX + 1];
    struct fs_name name;
    struct fs_name last = { "", 0 };
    for (size_t size = 1; size <= PK_ID_MAX; size++) {
        memset(id, size % 2 == 0 ? 'a' : '/', size);
        id[size] = '\0';
        ck_assert_int_eq(name_from_id(id, &name), 0);
        ck_assert_uint_le(strlen(name.text), NAME_TEXT_MAX);
        ck_assert_str_ne(name.text, last.text);
        ck_assert_uint_ne(name.hash, last.hash);
        ck_assert_ptr_null(strchr(name.text, '/'));
        if (name_to_id(name.text, back))
            ck_assert_str_eq(back, id);
        else
            ck_assert_ptr_nonnull(strchr(name.text, '~'));
        last = name;
    }
    memset(id, 'a', sizeof(id) - 1);
    id[PK_ID_MAX + 1] = '\0';
    ck_assert_int_eq(name_from_id(id, &name), -EINVAL);
    ck_assert_int_eq(name_from_id("", &name), -EINVAL);
    for (int byte = 1; byte < 256; byte++) {
        const char text[2] = { (char)byte, '\0' };
        ck_assert_int_eq(name_from_id(text, &name), 0);
        ck_assert(name_to_id(name.text, back));
        ck_assert_str_eq(back, text);
    }
}
END_TEST

/* Two ids that differ only behind what a long name keeps of them. */
START_TEST(long_ids_differ_by_their_hashes)
{
    char one[PK_ID_MAX + 1];
    char other[PK_ID_MAX + 1];
    struct fs_name first;
    struct fs_name second;
    memset(one, 'a', PK_ID_MAX);
    one[PK_ID_MAX] = '\0';
    memcpy(other, one, sizeof(other));
    other[PK_ID_MAX - 1] = 'b';
    ck_assert_int_eq(name_from_id(one, &first), 0);
    ck_assert_int_eq(name_from_id(other, &second), 0);
    ck_assert_str_ne(first.text, second.text);
    ck_assert_int_eq(strncmp(first.text, second.text, 201), 0);
}
END_TEST

static enum fs_kind
kind_of(const char *file)
{
    struct fs_name name;
    struct fs_data data;
    return name_parse(file, &name, &data);
}

START_TEST(files_of_ours_are_known_by_their_names)
{
    char file[NAME_FILE_SIZE];
    struct fs_name name;
    struct fs_name again;
    struct fs_data data = { 0x0123456789abcdefU, UINT64_MAX, 0xfedcba9876543210U, 5, 252 };
    struct fs_data read = { 0 };
    name_data_file(&data, file);
    ck_assert_str_eq(file, "0123456789abcdef.18446744073709551615.fedcba9876543210.252");
    ck_assert_int_eq(name_parse(file, &name, &read), FS_DATA);
    ck_assert(read.hash == data.hash && read.epoch == data.epoch && read.token == data.token
              && read.index == 252);
    name_making_file(&data, file);
    ck_assert_int_eq(name_parse(file, &name, &read), FS_MAKING);
    ck_assert(read.hash == data.hash && read.epoch == data.epoch && read.token == data.token);
    name_gone_file(&data, file);
    ck_assert_int_eq(name_parse(file, &name, &read), FS_GONE);
    ck_assert_uint_eq(read.discarder, 5);
    ck_assert_int_eq(name_from_id("a/b", &name), 0);
    name_manifest_file(&name, file);
    ck_assert_int_eq(name_parse(file, &again, &read), FS_MANIFEST);
    ck_assert_str_eq(again.text, name.text);
    ck_assert_uint_eq(again.hash, name.hash);
}
END_TEST

START_TEST(files_that_are_not_ours_are_foreign)
{
    static const char *const files[] = {
        "x",
        "README",
        ".json",
        "a b.json",
        "a/b.json",
        "%.json",
        "%2.json",
        "%2f.json",
        "%00.json",
        "%61.json",
        ".x.json",
        "a~b.json",
        "0123456789abcdef.7.fedcba9876543210.253",
        "0123456789abcdef.7.fedcba9876543210.",
        "0123456789abcdef.7.fedcba9876543210.0x",
        "0123456789abcdef.7.fedcba9876543210.00",
        "0123456789abcdef.07.fedcba9876543210.0",
        "0123456789abcdef.18446744073709551616.fedcba9876543210.0",
        "0123456789ABCDEF.7.fedcba9876543210.0",
        "0123456789abcde.7.fedcba9876543210.0",
        "0123456789abcdef.7.fedcba9876543210.making.",
        "0123456789abcdef.7.fedcba9876543210.making5",
        "0123456789abcdef.7.fedcba9876543210.gone",
        "0123456789abcdef.7.fedcba9876543210.gone.5",
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        ck_assert_msg(kind_of(files[i]) == FS_FOREIGN, "%s is not foreign", files[i]);
}
END_TEST

/* ---- manifests ---- */

static const uint64_t two_sizes[] = { 0, PK_SIZE_MAX };
static const struct fs_sum two_sums[] = { { 0 }, { 1, { { 1, 2, 254, 255 } } } };

static struct pk_manifest
plain(void)
{
    return (struct pk_manifest){
        .struct_size = sizeof(struct pk_manifest),
        .blob_count = 2,
        .key = { "a/\"\xc3\xa4", UINT64_MAX },
        .sizes = two_sizes,
        .meta = "{\"key\": \"line\\n\"}",
        .created_at = 1,
        .sealed_at = INT64_MAX,
        .owner = { .struct_size = sizeof(struct pk_principal),
                   .kind = PK_PRINCIPAL_TOKEN,
                   .uid = UINT32_MAX,
                   .gid = UINT32_MAX,
                   .name = "somebody" },
    };
}

static char *
encoded(const struct pk_manifest *manifest, size_t *ret_size)
{
    char *text = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(manifest_encode(manifest, 0xabc, two_sums, &text, ret_size, &err), 0);
    return text;
}

static int32_t
decoded(const char *text, size_t size, struct fs_manifest **ret_manifest)
{
    struct pk_error err = PK_ERROR_INIT;
    pk_autofree char *exact = malloc(size + 1); /* a read behind the end shows */
    memcpy(exact, text, size);
    int32_t rc = manifest_decode(exact, size, ret_manifest, &err);
    ck_assert(rc == 0 || err.message[0] != '\0');
    return rc;
}

START_TEST(manifest_is_read_as_it_was_written)
{
    size_t size = 0;
    const struct pk_manifest wanted = plain();
    struct fs_manifest *manifest = NULL;
    pk_autofree char *text = encoded(&wanted, &size);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_int_eq(decoded(text, size, &manifest), 0);
    const struct pk_manifest got = manifest_view(manifest);
    ck_assert_str_eq(got.key.id, wanted.key.id);
    ck_assert_uint_eq(got.key.epoch, UINT64_MAX);
    ck_assert_str_eq(got.meta, wanted.meta);
    ck_assert_uint_eq(got.blob_count, 2);
    ck_assert_uint_eq(got.sizes[1], PK_SIZE_MAX);
    ck_assert_uint_eq(got.created_at, 1);
    ck_assert_uint_eq(got.sealed_at, INT64_MAX);
    ck_assert_uint_eq(got.owner.kind, PK_PRINCIPAL_TOKEN);
    ck_assert_str_eq(got.owner.name, "somebody");
    ck_assert_uint_eq(manifest->token, 0xabc);
    ck_assert_uint_eq(manifest->sums[0].is_set, 0);
    ck_assert_int_eq(memcmp(&manifest->sums[1].sum, &two_sums[1].sum, 16), 0);
    manifest_free(manifest);
}
END_TEST

START_TEST(largest_manifest_is_within_the_bound)
{
    size_t size = 0;
    uint64_t sizes[PK_BLOBS_MAX] = { PK_SIZE_MAX };
    struct fs_sum sums[PK_BLOBS_MAX];
    char id[PK_ID_MAX + 1];
    struct fs_manifest *manifest = NULL;
    struct pk_error err = PK_ERROR_INIT;
    struct pk_manifest largest = plain();
    pk_autofree char *meta = malloc(PK_META_MAX + 1);
    pk_autofree char *text = NULL;
    ck_assert_ptr_nonnull(meta);
    memset(meta, 1, PK_META_MAX); /* six bytes each */
    meta[PK_META_MAX] = '\0';
    memset(id, 1, PK_ID_MAX);
    id[PK_ID_MAX] = '\0';
    memset(sums, 1, sizeof(sums));
    largest.blob_count = PK_BLOBS_MAX;
    largest.sizes = sizes;
    largest.meta = meta;
    largest.key.id = id;
    ck_assert_int_eq(manifest_encode(&largest, 1, sums, &text, &size, &err), 0);
    ck_assert_uint_le(size, MANIFEST_SIZE_MAX);
    ck_assert_int_eq(decoded(text, size, &manifest), 0);
    ck_assert_str_eq(manifest->meta, meta);
    manifest_free(manifest);
}
END_TEST

START_TEST(what_can_not_be_text_is_refused)
{
    size_t size = 0;
    char *text = NULL;
    struct pk_error err = PK_ERROR_INIT;
    struct pk_manifest manifest = plain();
    manifest.meta = "\xff";
    ck_assert_int_eq(manifest_encode(&manifest, 1, two_sums, &text, &size, &err), -EINVAL);
    ck_assert_str_eq(err.message, "meta: not UTF-8");
    manifest = plain();
    manifest.key.id = "\xc3";
    ck_assert_int_eq(manifest_encode(&manifest, 1, two_sums, &text, &size, &err), -EINVAL);
    manifest = plain();
    manifest.sealed_at = UINT64_MAX;
    ck_assert_int_eq(manifest_encode(&manifest, 1, two_sums, &text, &size, &err), -EINVAL);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(damage_of_any_byte_is_found)
{
    size_t size = 0;
    const struct pk_manifest wanted = plain();
    struct fs_manifest *manifest = NULL;
    pk_autofree char *text = encoded(&wanted, &size);
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)(text[at] ^ (1 << bit));
            ck_assert_int_eq(decoded(text, size, &manifest), -EIO);
            text[at] = (char)(text[at] ^ (1 << bit));
        }
        ck_assert_int_eq(decoded(text, at, &manifest), -EIO);
    }
    ck_assert_int_eq(decoded(text, size, &manifest), 0);
    manifest_free(manifest);
}
END_TEST

/* Text with a checksum that is right: what a person could have written. */
static int32_t
decoded_line(const char *line)
{
    char text[4096];
    struct fs_manifest *manifest = NULL;
    XXH128_hash_t hash;
    size_t size = strlen(line);
    memcpy(text, line, size);
    text[size++] = '\n';
    hash = XXH3_128bits(text, size);
    size += (size_t)snprintf(text + size, sizeof(text) - size, "%016" PRIx64 "%016" PRIx64 "\n",
                             hash.high64, hash.low64);
    int32_t rc = decoded(text, size, &manifest);
    manifest_free(manifest);
    return rc;
}

#define LINE(format, id, epoch, token, owner, blobs, meta) \
    "{\"packice_blob_fs\":" format ",\"id\":" id ",\"epoch\":" epoch ",\"token\":" token \
    ",\"created_at\":1,\"sealed_at\":2,\"owner\":" owner ",\"blobs\":" blobs ",\"meta\":" meta "}"
#define TOKEN "\"0123456789abcdef\""
#define OWNER "{\"kind\":\"unix\",\"uid\":1,\"gid\":2}"
#define BLOBS "[{\"size\":5}]"

START_TEST(every_member_is_checked)
{
    static const char *const wrong[] = {
        "[]",
        "{}",
        "null",
        "{\"packice_blob_fs\":1}",
        LINE("2", "\"x\"", "\"7\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("\"1\"", "\"x\"", "\"7\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"\"", "\"7\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "7", "\"7\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"a\\u0000b\"", "\"7\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "7", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"0\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"07\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"-7\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"18446744073709551616\"", TOKEN, OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"7\"", "\"0123456789abcdeF\"", OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"7\"", "null", OWNER, BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, "{}", BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, "{\"kind\":\"god\"}", BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, "{\"kind\":\"unix\",\"uid\":1}", BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, "{\"kind\":\"unix\",\"uid\":-1,\"gid\":1}", BLOBS,
             "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, "{\"kind\":\"token\"}", BLOBS, "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, "[]", "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, "{}", "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, "[5]", "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, "[{\"size\":-1}]", "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, "[{\"size\":1.5}]", "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, "[{\"size\":9223372036854775807},{\"size\":1}]",
             "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, "[{\"size\":5,\"xxh3\":\"12\"}]", "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER,
             "[{\"size\":5,\"xxh3\":\"0123456789abcdef0123456789abcdeg\"}]", "\"\""),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, BLOBS, "{}"),
        LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, BLOBS, "\"\"") "x",
        LINE("1", "\"x\",\"id\":\"y\"", "\"7\"", TOKEN, OWNER, BLOBS, "\"\""),
    };
    ck_assert_int_eq(decoded_line(LINE("1", "\"x\"", "\"7\"", TOKEN, OWNER, BLOBS, "\"\"")), 0);
    ck_assert_int_eq(
        decoded_line(LINE("1", "\"x\",\"later\":[1]", "\"7\"", TOKEN, OWNER, BLOBS, "\"\"")), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(decoded_line(wrong[i]) == -EIO, "%s was read", wrong[i]);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        ids_become_names_that_lead_nowhere,   ids_of_every_length_and_byte_have_names_of_their_own,
        long_ids_differ_by_their_hashes,      files_of_ours_are_known_by_their_names,
        files_that_are_not_ours_are_foreign,  manifest_is_read_as_it_was_written,
        largest_manifest_is_within_the_bound, what_can_not_be_text_is_refused,
        damage_of_any_byte_is_found,          every_member_is_checked,
    };
    return SUITE_RUN("blob_fs_text", cases);
}
