/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an INI file through inih. Which lines are well formed is decided in the reader, so that it
 * doesn't depend on the options that a system's inih was built with. It never gives a key a
 * meaning.
 */
#include "node/ini_file.h"

#include <fcntl.h>
#include <ini.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>

#define SPACE " \t"
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* Where inih's reader and handler meet. */
struct parser {
    struct pk_ini *ini;
    const char *file;
    const char *text; /* what was not read yet */
    size_t size;
    uint32_t line;
    int32_t failed; /* the first error; nothing is read behind it */
    struct pk_error *err;
};

/* Starts every message with the place. */
__attribute__((format(printf, 2, 3))) static int32_t
fail_at(struct parser *parser, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    parser->failed = pk_fail(parser->err, -EINVAL, "%s:%u: %s", parser->file, parser->line,
                             size < 0 ? "malformed" : message);
    return parser->failed;
}

const struct pk_ini_section *
pk_ini_find(const struct pk_ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->section_count; i++) {
        if (strcmp(ini->sections[i].name, section) == 0)
            return &ini->sections[i];
    }
    return NULL;
}

const struct pk_ini_entry *
pk_ini_find_entry(const struct pk_ini_section *section, const char *key)
{
    for (size_t i = 0; section != NULL && i < section->entry_count; i++) {
        if (strcmp(section->entries[i].key, key) == 0)
            return &section->entries[i];
    }
    return NULL;
}

int32_t
pk_ini_add_section(struct pk_ini *ini, const char *name, uint32_t line, struct pk_error *err)
{
    struct pk_ini_section *grown =
        reallocarray(ini->sections, ini->section_count + 1, sizeof(*grown));
    if (grown == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    ini->sections = grown;
    struct pk_ini_section *section = &grown[ini->section_count];
    *section = (struct pk_ini_section){ .name = strdup(name), .line = line };
    if (section->name == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    ini->section_count++;
    return 0;
}

static int32_t
entry_add(struct pk_ini_section *section, const char *key, const char *value, uint32_t line,
          struct pk_error *err)
{
    struct pk_ini_entry *grown =
        reallocarray(section->entries, section->entry_count + 1, sizeof(*grown));
    if (grown == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    section->entries = grown;
    pk_autofree char *own_key = strdup(key);
    pk_autofree char *own_value = strdup(value);
    if (own_key == NULL || own_value == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    grown[section->entry_count++] = (struct pk_ini_entry){ .key = pk_steal(own_key),
                                                           .value = pk_steal(own_value),
                                                           .line = line };
    return 0;
}

int32_t
pk_ini_add_entry(struct pk_ini *ini, const char *key, const char *value, uint32_t line,
                 struct pk_error *err)
{
    return entry_add(&ini->sections[ini->section_count - 1], key, value, line, err);
}

int32_t
pk_ini_set(struct pk_ini *ini, const char *section, const char *key, const char *value,
           struct pk_error *err)
{
    int32_t failed = 0;
    if (pk_ini_find(ini, section) == NULL)
        failed = pk_ini_add_section(ini, section, 0, err);
    if (failed != 0)
        return failed;
    struct pk_ini_section *home = ini->sections;
    while (strcmp(home->name, section) != 0)
        home++;
    struct pk_ini_entry *entry = home->entries;
    while (entry < home->entries + home->entry_count && strcmp(entry->key, key) != 0)
        entry++;
    if (entry == home->entries + home->entry_count)
        return entry_add(home, key, value, 0, err);
    char *own = strdup(value);
    if (own == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    free(entry->value);
    entry->value = own;
    return 0;
}

void
pk_ini_finish(struct pk_ini *ini)
{
    for (size_t i = 0; i < ini->section_count; i++) {
        struct pk_ini_section *section = &ini->sections[i];
        for (size_t j = 0; j < section->entry_count; j++) {
            free(section->entries[j].key);
            free(section->entries[j].value);
        }
        free(section->entries);
        free(section->name);
    }
    free(ini->sections);
    *ini = (struct pk_ini){ 0 };
}

static bool
is_name(const char *text, size_t size)
{
    return size > 0 && strspn(text, NAME_BYTES) >= size;
}

/* What stands behind the '=', spaces included. NULL, or why it is refused: inih takes " ;" for the
 * start of a comment, people take " #" for one, and neither takes quotes away. */
static const char *
value_complaint(const char *value)
{
    for (const char *mark = strpbrk(value, ";#"); mark != NULL; mark = strpbrk(mark + 1, ";#")) {
        if (mark > value && strchr(SPACE, mark[-1]) != NULL)
            return "a comment stands on a line of its own: ';' and '#' can't follow a space";
    }
    value += strspn(value, SPACE);
    if (*value == '"')
        return "values are written without quotes";
    return NULL;
}

int32_t
pk_ini_check_entry(const char *key, const char *value, struct pk_error *err)
{
    if (!is_name(key, strlen(key)))
        return pk_fail(err, -EINVAL, "'%s' can't name a key", key);
    for (const char *at = value; *at != '\0'; at++) {
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
            return pk_fail(err, -EINVAL, "%s: a value can't hold control characters", key);
    }
    size_t size = strlen(value);
    if (size > 0 && (strchr(SPACE, value[0]) != NULL || strchr(SPACE, value[size - 1]) != NULL))
        return pk_fail(err, -EINVAL, "%s: a value can't begin or end with a space", key);
    if (strlen(key) + strlen(" = ") + size > PK_INI_LINE_MAX)
        return pk_fail(err, -EINVAL, "%s: a line holds %d bytes at most", key, PK_INI_LINE_MAX);
    bool at_start = strchr(";#", value[0]) != NULL && size > 0;
    const char *complaint =
        at_start ? "a value can't begin with ';' or '#'" : value_complaint(value);
    return complaint == NULL ? 0 : pk_fail(err, -EINVAL, "%s: %s", key, complaint);
}

/* A line `[name]`, which begins a section. inih tells of sections only with their first key, so
 * empty ones, repeated ones and their lines are seen to here. */
static int32_t
take_section(struct parser *parser, const char *line, size_t size)
{
    const char *end = strchr(line, ']');
    if (end == NULL)
        return fail_at(parser, "']' is missing");
    if (end != line + size - 1)
        return fail_at(parser, "nothing may follow ']'");
    size_t name_size = (size_t)(end - line) - 1;
    if (name_size > PK_INI_SECTION_MAX)
        return fail_at(parser, "a section's name holds %d bytes at most", PK_INI_SECTION_MAX);
    if (!is_name(line + 1, name_size))
        return fail_at(parser, "'%.*s' can't name a section", (int)name_size, line + 1);
    char name[PK_INI_SECTION_MAX + 1] = "";
    memcpy(name, line + 1, name_size);
    const struct pk_ini_section *before = pk_ini_find(parser->ini, name);
    if (before != NULL)
        return fail_at(parser, "[%s]: given twice, first on line %u", name, before->line);
    parser->failed = pk_ini_add_section(parser->ini, name, parser->line, parser->err);
    return parser->failed;
}

/* A line `key = value`, which inih splits if it passes. */
static int32_t
check_entry(struct parser *parser, const char *line)
{
    size_t key_size = strcspn(line, "=");
    if (line[key_size] != '=')
        return fail_at(parser, "'%s' is neither 'key = value' nor '[section]'", line);
    const char *value = line + key_size + 1;
    while (key_size > 0 && strchr(SPACE, line[key_size - 1]) != NULL)
        key_size--;
    if (!is_name(line, key_size))
        return fail_at(parser, "'%.*s' can't name a key", (int)key_size, line);
    if (parser->ini->section_count == 0)
        return fail_at(parser, "%.*s: no [section] before it", (int)key_size, line);
    const char *section = parser->ini->sections[parser->ini->section_count - 1].name;
    const char *complaint = value_complaint(value);
    if (complaint != NULL)
        return fail_at(parser, "[%s] %.*s: %s", section, (int)key_size, line, complaint);
    return 0;
}

/* Checks one line, without its end. *ret_skip: inih need not see it. */
static int32_t
check_line(struct parser *parser, const char *line, size_t size, size_t max, bool *ret_skip)
{
    size_t indent = strspn(line, SPACE);
    bool skip = indent >= size || strchr(";#", line[indent]) != NULL;
    if (!skip && size > max)
        return fail_at(parser, "a line holds %zu bytes at most, this one %zu", max, size);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)line[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return fail_at(parser, "control character 0x%02x in the line", (unsigned)byte);
    }
    *ret_skip = skip;
    if (skip)
        return 0;
    if (indent > 0)
        return fail_at(parser, "a line can't begin with a space: values don't continue on the "
                               "next line");
    return line[0] == '[' ? take_section(parser, line, size) : check_entry(parser, line);
}

/* Cuts the next line off what is left to read: without its end, be that LF or CRLF, and without
 * spaces before that. The caller's; NULL: no memory. */
static char *
next_line(struct parser *parser, size_t *ret_size)
{
    const char *text = parser->text;
    const char *end = memchr(text, '\n', parser->size);
    size_t size = end == NULL ? parser->size : (size_t)(end - text);
    size_t used = end == NULL ? size : size + 1;
    parser->text += used;
    parser->size -= used;
    parser->line++;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    char *line = malloc(size + 1);
    if (line == NULL)
        return NULL;
    memcpy(line, text, size);
    line[size] = '\0';
    *ret_size = size;
    return line;
}

/* inih's reader, a kind of fgets: one line a call, always with a newline, never cut. Comments go to
 * it as empty lines, so their length doesn't matter. */
static char *
read_line(char *buffer, int buffer_size, void *arg)
{
    struct parser *parser = arg;
    if (parser->failed != 0 || parser->size == 0 || buffer_size < 3)
        return NULL;
    size_t max = (size_t)buffer_size - 2;
    if (max > PK_INI_LINE_MAX)
        max = PK_INI_LINE_MAX;
    size_t size = 0;
    bool skip = false;
    pk_autofree char *line = next_line(parser, &size);
    if (line == NULL) {
        parser->failed = pk_fail(parser->err, -ENOMEM, "out of memory");
        return NULL;
    }
    if (check_line(parser, line, size, max, &skip) != 0)
        return NULL;
    if (skip)
        size = 0;
    memcpy(buffer, line, size);
    memcpy(buffer + size, "\n", 2);
    return buffer;
}

/* inih's handler: 1 goes on, 0 is an error. */
static int
take_entry(void *arg, const char *section, const char *key, const char *value)
{
    struct parser *parser = arg;
    if (parser->failed != 0)
        return 0;
    const struct pk_ini_section *current = &parser->ini->sections[parser->ini->section_count - 1];
    const struct pk_ini_entry *before = pk_ini_find_entry(current, key);
    if (strcmp(section, current->name) != 0)
        (void)fail_at(parser, "[%s] was misread as '%s'", current->name, section);
    else if (before != NULL)
        (void)fail_at(parser, "[%s] %s: given twice, first on line %u", section, key, before->line);
    else
        parser->failed = pk_ini_add_entry(parser->ini, key, value, parser->line, parser->err);
    return parser->failed == 0;
}

int32_t
pk_ini_parse(struct pk_ini *ini, const char *file, const char *text, size_t size,
             struct pk_error *err)
{
    struct parser parser = { .ini = ini, .file = file, .text = text, .size = size, .err = err };
    static const char mark[] = "\xef\xbb\xbf"; /* UTF-8, as some editors say at the start */
    if (size >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0) {
        parser.text += strlen(mark);
        parser.size -= strlen(mark);
    }
    int wrong = ini_parse_stream(read_line, &parser, take_entry, &parser);
    if (parser.failed != 0)
        return parser.failed;
    if (wrong < 0)
        return pk_fail(err, -ENOMEM, "out of memory");
    if (wrong > 0)
        return pk_fail(err, -EINVAL, "%s:%d: malformed", file, wrong);
    return 0;
}

/* Reads until the end or until the buffer is full. Pipes and devices are fine. */
static int32_t
read_all(int fd, char *buffer, size_t max, size_t *ret_size)
{
    size_t size = 0;
    while (size < max) {
        ssize_t got = read(fd, buffer + size, max - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    *ret_size = size;
    return 0;
}

int32_t
pk_ini_read(struct pk_ini *ini, const char *file, struct pk_error *err)
{
    pk_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return pk_fail(err, -errno, "%s: %m", file);
    pk_autofree char *text = malloc(PK_INI_FILE_MAX + 1);
    if (text == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    size_t size = 0;
    int32_t failed = read_all(fd, text, PK_INI_FILE_MAX + 1, &size);
    if (failed != 0)
        return pk_fail(err, failed, "%s: %s", file, strerrordesc_np(-failed));
    if (size > PK_INI_FILE_MAX)
        return pk_fail(err, -EFBIG, "%s: over %d bytes", file, PK_INI_FILE_MAX);
    return pk_ini_parse(ini, file, text, size, err);
}
