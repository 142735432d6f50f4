/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a durable blob factory on what a power cut left, again and again, and tells what it finds.
 * It never judges: powercut.py knows what ought to be there.
 *
 *     recover PLUGIN.so KEY=VALUE...
 *
 * Each line of its input is one start: {"ids": [ID...], "make": [ID...]}. It opens the plugin,
 * looks up and reads whole each of `ids`, lets it recover, looks up and reads what recovery named,
 * makes and removes an object under each of `make`, and closes. The answer is a line
 *     {"recovered": [OBJECT...], "found": [OBJECT...], "errors": [TEXT...], "log": [TEXT...]}
 * with OBJECT = {"id", "epoch", "meta", "sizes"}, and behind it the bytes of all that was found.
 */
#include "core/blob.h"
#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

#define SETTINGS_MAX 16
#define MADE_EPOCH ((UINT64_C(1) << 53) - 1) /* above all that a test comes to */

static struct {
    const struct pk_plugin_module *module;
    struct pk_conf *conf;
    struct pk_executor *executor;
} plugin;

/* One start. */
struct start {
    struct pk_instance *instance;
    json_t *recovered;
    json_t *found;
    json_t *errors;
    FILE *bytes; /* in memory, until the line that tells of them is out */
    char *data;
    size_t data_size;
};

static json_t *log_lines;

static void __attribute__((noreturn)) give_up(const char *what)
{
    (void)fprintf(stderr, "recover: %s\n", what);
    exit(2);
}

static void
keep_line(void *arg, uint32_t level, const char *source, const char *line)
{
    (void)arg;
    if (json_array_append_new(log_lines,
                              json_sprintf("%s %s: %s", pk_log_level_name(level), source, line))
        != 0)
        give_up("out of memory");
}

static void
fault(struct start *start, const char *what, const char *id, const struct pk_error *err)
{
    if (json_array_append_new(start->errors, json_sprintf("%s of '%s': %s", what, id, err->message))
        != 0)
        give_up("out of memory");
}

static json_t *
told(const struct pk_manifest *manifest)
{
    json_t *sizes = json_array();

    for (uint32_t i = 0; i < manifest->blob_count; i++)
        (void)json_array_append_new(sizes, json_integer((json_int_t)manifest->sizes[i]));
    return json_pack("{s:s, s:I, s:s, s:o}", "id", manifest->key.id, "epoch",
                     (json_int_t)manifest->key.epoch, "meta", manifest->meta, "sizes", sizes);
}

static void
take_recovered(void *arg, const struct pk_blob_found *found)
{
    struct start *start = arg;
    if (json_array_append_new(start->recovered, told(found->manifest)) != 0)
        give_up("out of memory");
}

static void
read_blob(struct start *start, const struct pk_manifest *manifest, uint32_t index, void *blob)
{
    struct pk_error err = PK_ERROR_INIT;
    uint64_t size = manifest->sizes[index];
    uint64_t got = 0;
    pk_autofree char *data = calloc(1, size + 1);

    if (data == NULL)
        give_up("out of memory");
    if (pk_blob_read(start->instance, blob, 0, data, size + 1, &got, &err) != 0)
        fault(start, "read", manifest->key.id, &err);
    else if (got != size) {
        (void)pk_fail(&err, -EIO, "blob %u holds %" PRIu64 " bytes, not %" PRIu64, index, got,
                      size);
        fault(start, "read", manifest->key.id, &err);
    }
    if (fwrite(data, 1, size, start->bytes) != size)
        give_up("out of memory");
}

static void
take_found(void *arg, const struct pk_blob_found *found)
{
    struct start *start = arg;

    if (json_array_append_new(start->found, told(found->manifest)) != 0)
        give_up("out of memory");
    for (uint32_t i = 0; i < found->manifest->blob_count; i++) {
        read_blob(start, found->manifest, i, found->blobs[i]);
        pk_blob_free(start->instance, found->blobs[i]);
    }
}

static void
look_up(struct start *start, const char *id)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_blob_lookup(start->instance, id, take_found, start, &err);

    if (rc != 0 && rc != -ENOENT)
        fault(start, "lookup", id, &err);
}

/* Under a name that ought to be free: claimed, published, and gone without a trace. */
static void
make(struct start *start, const char *id)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_key key = { .id = id, .epoch = MADE_EPOCH };
    uint64_t size = 3;
    struct pk_manifest manifest = {
        .struct_size = sizeof(manifest),
        .blob_count = 1,
        .key = key,
        .sizes = &size,
        .meta = "",
        .owner = { .struct_size = sizeof(manifest.owner) },
    };
    void *blob = NULL;

    if (pk_blob_create(start->instance, &key, 0, size, &blob, &err) != 0) {
        fault(start, "create", id, &err);
        return;
    }
    if (pk_blob_write(start->instance, blob, 0, "new", size, &err) != 0
        || pk_blob_seal(start->instance, blob, size, &err) != 0
        || pk_blob_publish(start->instance, &manifest, &blob, &err) != 0
        || pk_blob_unpublish(start->instance, &key, &err) != 0)
        fault(start, "making", id, &err);
    if (pk_blob_remove(start->instance, blob, &err) != 0)
        fault(start, "remove", id, &err);
}

/* Runs step for each text of the array; what is no text is none. */
static void
for_each(struct start *start, const json_t *ids, void (*step)(struct start *start, const char *id))
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        if (id != NULL)
            step(start, id);
    }
}

static void
run(struct start *start, const json_t *request)
{
    struct pk_error err = PK_ERROR_INIT;

    if (pk_instance_open(plugin.module, plugin.conf, plugin.executor, 1, NULL, &start->instance,
                         &err)
        != 0) {
        fault(start, "open", "", &err);
        return;
    }
    for_each(start, json_object_get(request, "ids"), look_up);
    if (pk_blob_recover(start->instance, take_recovered, start, &err) != 0)
        fault(start, "recovery", "", &err);
    for (size_t i = 0; i < json_array_size(start->recovered); i++)
        look_up(start,
                json_string_value(json_object_get(json_array_get(start->recovered, i), "id")));
    for_each(start, json_object_get(request, "make"), make);
    pk_instance_close(start->instance);
}

static void
answer(struct start *start)
{
    json_t *head = json_pack("{s:o, s:o, s:o, s:O}", "recovered", start->recovered, "found",
                             start->found, "errors", start->errors, "log", log_lines);

    if (head == NULL || fclose(start->bytes) != 0 || json_dumpf(head, stdout, JSON_COMPACT) != 0
        || putchar('\n') == EOF
        || fwrite(start->data, 1, start->data_size, stdout) != start->data_size
        || fflush(stdout) != 0)
        give_up("the answer could not be written");
    json_decref(head);
    free(start->data);
    (void)json_array_clear(log_lines);
}

static void
open_plugin(int argc, char **argv)
{
    struct pk_setting settings[SETTINGS_MAX] = { 0 };
    struct pk_setting_source source = { .section = "blob" };
    struct pk_error err = PK_ERROR_INIT;
    size_t count = 0;

    for (int i = 2; i < argc && count < SETTINGS_MAX; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL)
            give_up("usage: recover PLUGIN.so KEY=VALUE...");
        *value = '\0';
        settings[count++] = (struct pk_setting){ .key = argv[i], .value = value + 1 };
    }
    struct pk_plugin_path path = { 0 };
    if (pk_plugin_load(&path, argv[1], PK_KIND_BLOB, &plugin.module, &err) != 0
        || pk_conf_new(&plugin.module->options, PK_KIND_BLOB, &path, &source, settings, count,
                       &plugin.conf, &err)
               != 0
        || pk_executor_new(&plugin.executor, &err) != 0)
        give_up(err.message);
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        give_up("usage: recover PLUGIN.so KEY=VALUE...");
    log_lines = json_array();
    pk_log_set(PK_LOG_INFO, keep_line, NULL);
    open_plugin(argc, argv);

    pk_autofree char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *request = json_loads(line, 0, NULL);
        struct start start = { .recovered = json_array(),
                               .found = json_array(),
                               .errors = json_array() };
        start.bytes = open_memstream(&start.data, &start.data_size);
        if (request == NULL || start.bytes == NULL)
            give_up("no request, or no memory");
        run(&start, request);
        answer(&start);
        json_decref(request);
    }
    pk_executor_free(plugin.executor);
    pk_conf_free(plugin.conf);
    json_decref(log_lines);
    return EXIT_SUCCESS;
}
