/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: every file of the corpus folders that it is given, then so
 * many mutations of them, always the same ones. With --once it runs the files alone, to look at a
 * finding.
 */
#include "fuzz.h"

#include <dirent.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>

#define MUTATIONS 20000U
#define INPUT_MAX 65536U
#define FILES_MAX 1024U

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[FILES_MAX];
static size_t input_count;
static uint64_t state = 0x7061636B696365;

/* splitmix64: the same numbers everywhere. */
static uint64_t
next_random(void)
{
    state += 0x9E3779B97F4A7C15U;
    uint64_t z = state;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
}

/* 0 to below, 0 for 0. */
static size_t
pick(size_t below)
{
    return below == 0 ? 0 : (size_t)(next_random() % below);
}

/* ---- mutations: each changes up to INPUT_MAX bytes in place and returns the new size ---- */

static size_t
flip_bit(uint8_t *data, size_t size)
{
    if (size > 0)
        data[pick(size)] ^= (uint8_t)(1U << pick(8));
    return size;
}

static size_t
set_byte(uint8_t *data, size_t size)
{
    static const char bytes[] = "{}[]\",:\\/0129-+.eEnutf \n\x01\x7F\x80\xC2\xE0\xF0\xFF";
    if (size > 0)
        data[pick(size)] = (uint8_t)bytes[pick(sizeof(bytes))]; /* the NUL is one of them */
    return size;
}

static size_t
erase(uint8_t *data, size_t size)
{
    size_t at = pick(size);
    size_t count = pick(size - at) % 16 + (size > at ? 1 : 0);
    memmove(data + at, data + at + count, size - at - count);
    return size - count;
}

/* Puts a piece of any input anywhere. */
static size_t
splice(uint8_t *data, size_t size)
{
    const struct input *other = &inputs[pick(input_count)];
    size_t from = pick(other->size);
    size_t count = pick(other->size - from + 1);
    size_t at = pick(size + 1);
    if (size + count > INPUT_MAX)
        return size;
    memmove(data + at + count, data + at, size - at);
    if (count > 0)
        memcpy(data + at, other->data + from, count);
    return size + count;
}

static size_t
repeat_byte(uint8_t *data, size_t size)
{
    size_t count = (size_t)1 << pick(9);
    size_t at = pick(size);
    if (size == 0 || size + count > INPUT_MAX)
        return size;
    memmove(data + at + count, data + at, size - at);
    memset(data + at, data[at + count], count);
    return size + count;
}

static size_t (*const mutations[])(uint8_t *data, size_t size) = {
    flip_bit, set_byte, set_byte, erase, splice, repeat_byte,
};

/* ---- runs ---- */

/* On a copy of just its size, so that a sanitizer sees who reads behind it. */
static void
run(const uint8_t *data, size_t size)
{
    pk_autofree uint8_t *copy = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
}

static void
run_mutation(void)
{
    static uint8_t data[INPUT_MAX];
    const struct input *input = &inputs[pick(input_count)];
    size_t size = input->size;
    if (size > 0)
        memcpy(data, input->data, size);
    for (size_t rounds = 1 + pick(6); rounds > 0; rounds--)
        size = mutations[pick(sizeof(mutations) / sizeof(mutations[0]))](data, size);
    run(data, size);
}

/* ---- the corpus ---- */

static int
load_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    struct input *input = &inputs[input_count];
    if (file == NULL || input_count == FILES_MAX - 1) {
        (void)fprintf(stderr, "%s: can't be loaded\n", path);
        if (file != NULL)
            (void)fclose(file);
        return -1;
    }
    input->data = malloc(INPUT_MAX);
    FUZZ_CHECK(input->data != NULL);
    input->size = fread(input->data, 1, INPUT_MAX, file);
    (void)fclose(file);
    input_count++;
    return 0;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
load_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, by_name); /* in order, so that runs are the same */
    int rc = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (rc == 0 && entries[i]->d_name[0] != '.')
            rc = load_file(path);
        free(entries[i]);
    }
    free(entries);
    return count < 0 ? load_file(folder) : rc;
}

int
main(int argc, char **argv)
{
    bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
    for (int i = once ? 2 : 1; i < argc; i++) {
        if (load_folder(argv[i]) != 0)
            return EXIT_FAILURE;
    }
    if (input_count == 0) {
        (void)fprintf(stderr, "usage: %s [--once] CORPUS...\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < input_count; i++)
        run(inputs[i].data, inputs[i].size);
    for (size_t i = 0; i < MUTATIONS && !once; i++)
        run_mutation();
    for (size_t i = 0; i < input_count; i++)
        free(inputs[i].data);
    (void)printf("%zu inputs and %u mutations\n", input_count, once ? 0 : MUTATIONS);
    return EXIT_SUCCESS;
}
