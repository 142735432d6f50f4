/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object ids as file names, and the names of data. Pure text: touches no disk.
 */
#include "name.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#define KEPT 200U /* bytes of an id's name that stand before its hash */
#define SUFFIX ".json"

static const char hex_upper[] = "0123456789ABCDEF";

static bool
is_plain(char c, size_t position)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
           || c == '-' || (c == '.' && position > 0);
}

static void
set_hash(struct fs_name *name)
{
    name->hash = XXH3_64bits(name->text, strlen(name->text));
}

/* Three bytes for one at worst. */
static size_t
escape(const char *id, char *text)
{
    size_t size = 0;
    for (size_t i = 0; id[i] != '\0'; i++) {
        if (is_plain(id[i], i)) {
            text[size++] = id[i];
            continue;
        }
        text[size++] = '%';
        text[size++] = hex_upper[(unsigned char)id[i] >> 4];
        text[size++] = hex_upper[(unsigned char)id[i] & 15];
    }
    text[size] = '\0';
    return size;
}

int32_t
name_from_id(const char *id, struct fs_name *ret_name)
{
    char text[3 * PK_ID_MAX + 1];
    size_t id_size = strnlen(id, PK_ID_MAX + 1);
    if (id_size == 0 || id_size > PK_ID_MAX)
        return -EINVAL;
    size_t size = escape(id, text);
    if (size <= NAME_TEXT_MAX) {
        memcpy(ret_name->text, text, size + 1);
    } else {
        XXH128_hash_t hash = XXH3_128bits(id, id_size);
        (void)snprintf(ret_name->text, sizeof(ret_name->text), "%.*s~%016" PRIx64 "%016" PRIx64,
                       (int)KEPT, text, hash.high64, hash.low64);
    }
    set_hash(ret_name);
    return 0;
}

static int
digit(char c)
{
    const char *at = c != '\0' ? strchr(hex_upper, c) : NULL;
    return at == NULL ? -1 : (int)(at - hex_upper);
}

bool
name_to_id(const char *text, char *ret_id)
{
    char id[PK_ID_MAX + 1];
    size_t size = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (size == PK_ID_MAX)
            return false;
        if (is_plain(*at, size)) {
            id[size++] = *at;
            continue;
        }
        int high = *at == '%' ? digit(at[1]) : -1;
        int low = high >= 0 ? digit(at[2]) : -1;
        if (low < 0 || high + low == 0)
            return false;
        id[size++] = (char)(high << 4 | low);
        at += 2;
    }
    id[size] = '\0';
    memcpy(ret_id, id, size + 1);
    return size > 0;
}

uint32_t
name_folder_number(uint64_t hash)
{
    return (uint32_t)(hash >> 56);
}

void
name_folder(uint64_t hash, char *ret_text)
{
    (void)snprintf(ret_text, NAME_FOLDER_SIZE, "objects/%02" PRIx32,
                   name_folder_number(hash) & 0xff);
}

void
name_manifest_file(const struct fs_name *name, char *ret_file)
{
    (void)snprintf(ret_file, NAME_FILE_SIZE, "%s" SUFFIX, name->text);
}

void
name_data_file(const struct fs_data *data, char *ret_file)
{
    (void)snprintf(ret_file, NAME_FILE_SIZE, "%016" PRIx64 ".%" PRIu64 ".%016" PRIx64 ".%" PRIu32,
                   data->hash, data->epoch, data->token, data->index);
}

void
name_making_file(const struct fs_data *data, char *ret_file)
{
    (void)snprintf(ret_file, NAME_FILE_SIZE, "%016" PRIx64 ".%" PRIu64 ".%016" PRIx64 ".making",
                   data->hash, data->epoch, data->token);
}

void
name_gone_file(const struct fs_data *data, char *ret_file)
{
    (void)snprintf(ret_file, NAME_FILE_SIZE,
                   "%016" PRIx64 ".%" PRIu64 ".%016" PRIx64 ".gone.%016" PRIx64, data->hash,
                   data->epoch, data->token, data->discarder);
}

void
name_token_text(uint64_t token, char *ret_text)
{
    (void)snprintf(ret_text, NAME_TOKEN_SIZE, "%016" PRIx64, token);
}

/* Exactly 16 digits; what stands behind them is the caller's. */
static bool
take_token(const char **at, uint64_t *ret_token)
{
    uint64_t token = 0;
    for (int i = 0; i < 16; i++) {
        char c = (*at)[i];
        if (c >= '0' && c <= '9')
            token = token << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            token = token << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *at += 16;
    *ret_token = token;
    return true;
}

/* A number as we write it: without leading zeros. */
static bool
take_number(const char **at, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *c = *at;
    if (*c == '0' && c[1] >= '0' && c[1] <= '9')
        return false;
    for (; *c >= '0' && *c <= '9'; c++) {
        uint64_t more = (uint64_t)(*c - '0');
        if (number > (max - more) / 10)
            return false;
        number = number * 10 + more;
    }
    if (c == *at)
        return false;
    *at = c;
    *ret_number = number;
    return true;
}

static bool
take(const char **at, const char *text)
{
    size_t size = strlen(text);
    if (strncmp(*at, text, size) != 0)
        return false;
    *at += size;
    return true;
}

bool
name_token_parse(const char *text, uint64_t *ret_token)
{
    uint64_t token = 0;
    if (!take_token(&text, &token) || *text != '\0')
        return false;
    *ret_token = token;
    return true;
}

void
name_claim_file(uint64_t epoch, uint64_t token, char *ret_file)
{
    (void)snprintf(ret_file, NAME_FILE_SIZE, "%" PRIu64 ".%016" PRIx64, epoch, token);
}

bool
name_claim_parse(const char *file, uint64_t *ret_epoch, uint64_t *ret_token)
{
    uint64_t epoch = 0;
    if (!take_number(&file, UINT64_MAX, &epoch) || !take(&file, ".")
        || !name_token_parse(file, ret_token))
        return false;
    *ret_epoch = epoch;
    return true;
}

static enum fs_kind
parse_data(const char *file, struct fs_data *ret_data)
{
    struct fs_data data = { 0 };
    uint64_t index = 0;
    if (!take_token(&file, &data.hash) || !take(&file, ".")
        || !take_number(&file, UINT64_MAX, &data.epoch) || !take(&file, ".")
        || !take_token(&file, &data.token) || !take(&file, "."))
        return FS_FOREIGN;
    enum fs_kind kind = take(&file, "making")  ? FS_MAKING
                        : take(&file, "gone.") ? FS_GONE
                                               : FS_DATA;
    if ((kind == FS_GONE && !take_token(&file, &data.discarder))
        || (kind == FS_DATA && !take_number(&file, PK_BLOBS_MAX - 1, &index)) || *file != '\0')
        return FS_FOREIGN;
    data.index = (uint32_t)index;
    *ret_data = data;
    return kind;
}

/* A name in the long form: what stands before the '~' is the beginning of an escaped id. */
static bool
is_long(const char *text, size_t size)
{
    if (size != KEPT + 1 + 32 || text[KEPT] != '~'
        || strspn(text + KEPT + 1, "0123456789abcdef") != 32)
        return false;
    for (size_t i = 0; i < KEPT; i++)
        if (!is_plain(text[i], i) && text[i] != '%')
            return false;
    return true;
}

static bool
parse_manifest(const char *file, size_t size, struct fs_name *ret_name)
{
    char id[PK_ID_MAX + 1];
    struct fs_name again;
    struct fs_name name;
    if (size == 0 || size > NAME_TEXT_MAX)
        return false;
    memcpy(name.text, file, size);
    name.text[size] = '\0';
    set_hash(&name);
    if (name_to_id(name.text, id)) {
        if (name_from_id(id, &again) != 0 || strcmp(again.text, name.text) != 0)
            return false;
    } else if (!is_long(name.text, size)) {
        return false;
    }
    *ret_name = name;
    return true;
}

enum fs_kind
name_parse(const char *file, struct fs_name *ret_name, struct fs_data *ret_data)
{
    size_t size = strlen(file);
    size_t suffix = strlen(SUFFIX);
    if (size <= suffix || strcmp(file + size - suffix, SUFFIX) != 0)
        return parse_data(file, ret_data);
    return parse_manifest(file, size - suffix, ret_name) ? FS_MANIFEST : FS_FOREIGN;
}
