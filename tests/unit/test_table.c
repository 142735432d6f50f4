/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of plugin tables: every required slot of every kind, and every way in which an option
 * can be malformed. Nothing here is a file; tests/abi has those.
 */
#include "core/table.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Tables whose slots all point somewhere: nothing calls them. */
union ops {
    struct pk_blob_ops blob;
    struct pk_lease_ops lease;
    struct pk_transport_ops transport;
    unsigned char bytes[1];
};

static const struct pk_option good_options[] = {
    { PK_OPTION_SIZE, 0, "limit", "1MiB", NULL, "how much" },
    { PK_OPTION_CHOICE, 0, "mode", "fast", "fast|safe", "how" },
};

struct subject {
    union ops ops;
    struct pk_option options[2];
    struct pk_plugin plugin;
};

static void
subject_make(struct subject *subject, uint32_t kind)
{
    uint32_t size = pk_table_ops_size(kind);
    memset(&subject->ops, 0x11, sizeof(subject->ops));
    memcpy(&subject->ops, &size, sizeof(size));
    memcpy(subject->options, good_options, sizeof(good_options));
    subject->plugin = (struct pk_plugin){
        .struct_size = sizeof(subject->plugin),
        .abi_major = PK_ABI_MAJOR,
        .kind = kind,
        .option_count = 2,
        .option_stride = sizeof(subject->options[0]),
        .name = "subject",
        .version = "1",
        .summary = "a subject",
        .options = subject->options,
        .ops = &subject->ops,
    };
}

/* "" when it was accepted. */
static const char *
verdict(const struct subject *subject)
{
    static struct pk_error err;
    struct pk_table table = { 0 };
    err = (struct pk_error)PK_ERROR_INIT;
    int32_t failed = pk_table_copy(&subject->plugin, "x", &table, &err);
    ck_assert(failed == 0 || failed == -EINVAL);
    ck_assert_int_eq(failed != 0, err.message[0] != '\0');
    if (failed != 0) /* untouched */
        ck_assert(table.options == NULL && table.plugin.name == NULL);
    free(table.options);
    return err.message;
}

struct slot {
    const char *name;
    size_t offset;
};
#define SLOT(table, name) \
    { \
#name, offsetof(struct table, name) \
    }

static void
slots_check(uint32_t kind, const struct slot *slots, size_t count)
{
    for (size_t offset = 2 * sizeof(uint32_t); offset < pk_table_ops_size(kind);
         offset += sizeof(void *)) {
        const struct slot *slot = NULL;
        for (size_t i = 0; i < count; i++) {
            if (slots[i].offset == offset)
                slot = &slots[i];
        }
        struct subject subject;
        subject_make(&subject, kind);
        memset(subject.ops.bytes + offset, 0, sizeof(void *));
        char expected[128] = "";
        if (slot != NULL)
            (void)snprintf(expected, sizeof(expected), "x: required slot '%s' is missing",
                           slot->name);
        const char *message = verdict(&subject);
        if (slot != NULL)
            ck_assert_str_eq(message, expected);
        else
            ck_assert_ptr_null(strstr(message, "required")); /* optional, or one of a group */
    }
}

START_TEST(each_required_slot_of_a_blob_factory_must_be_there)
{
    static const struct slot slots[] = {
        SLOT(pk_blob_ops, open),   SLOT(pk_blob_ops, close),  SLOT(pk_blob_ops, create),
        SLOT(pk_blob_ops, read),   SLOT(pk_blob_ops, write),  SLOT(pk_blob_ops, size),
        SLOT(pk_blob_ops, seal),   SLOT(pk_blob_ops, handle), SLOT(pk_blob_ops, free),
        SLOT(pk_blob_ops, remove),
    };
    slots_check(PK_KIND_BLOB, slots, sizeof(slots) / sizeof(slots[0]));
}
END_TEST

START_TEST(each_required_slot_of_a_lease_factory_must_be_there)
{
    static const struct slot slots[] = {
        SLOT(pk_lease_ops, open),        SLOT(pk_lease_ops, close),   SLOT(pk_lease_ops, grant),
        SLOT(pk_lease_ops, find),        SLOT(pk_lease_ops, renew),   SLOT(pk_lease_ops, downgrade),
        SLOT(pk_lease_ops, revoke),      SLOT(pk_lease_ops, release), SLOT(pk_lease_ops, holders),
        SLOT(pk_lease_ops, next_expiry), SLOT(pk_lease_ops, expire),
    };
    slots_check(PK_KIND_LEASE, slots, sizeof(slots) / sizeof(slots[0]));
}
END_TEST

START_TEST(each_required_slot_of_a_transport_must_be_there)
{
    static const struct slot slots[] = {
        SLOT(pk_transport_ops, open),
        SLOT(pk_transport_ops, start),
        SLOT(pk_transport_ops, stop),
        SLOT(pk_transport_ops, close),
    };
    slots_check(PK_KIND_TRANSPORT, slots, sizeof(slots) / sizeof(slots[0]));
}
END_TEST

START_TEST(slots_that_belong_together_come_together)
{
    static const struct {
        struct slot missing;
        const char *message;
    } cases[] = {
        { SLOT(pk_blob_ops, publish), "x: slot 'publish' is missing, and 'unpublish' needs it" },
        { SLOT(pk_blob_ops, unpublish), "x: slot 'unpublish' is missing, and 'publish' needs it" },
        { SLOT(pk_blob_ops, lookup), "x: slot 'lookup' is missing, and 'publish' needs it" },
        { SLOT(pk_blob_ops, export_blob), "" },
        { SLOT(pk_blob_ops, adopt), "x: slot 'adopt' is missing, and 'export_blob' needs it" },
        { SLOT(pk_blob_ops, recover), "" },
        { SLOT(pk_blob_ops, evict), "" },
        { SLOT(pk_blob_ops, may_block), "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subject subject;
        subject_make(&subject, PK_KIND_BLOB);
        memset(subject.ops.bytes + cases[i].missing.offset, 0, sizeof(void *));
        ck_assert_str_eq(verdict(&subject), cases[i].message);
    }
}
END_TEST

#define BIT(op) ((uint64_t)1 << PK_BLOB_##op)
#define PUBLISHING (BIT(PUBLISH) | BIT(UNPUBLISH) | BIT(LOOKUP))

START_TEST(slots_that_an_instance_lacks_are_gone)
{
    static const struct {
        uint64_t absent;
        struct slot gone[3];
        const char *message;
    } cases[] = {
        { 0, { { 0 } }, "" },
        { PUBLISHING,
          { SLOT(pk_blob_ops, publish), SLOT(pk_blob_ops, unpublish), SLOT(pk_blob_ops, lookup) },
          "" },
        { BIT(RECOVER), { SLOT(pk_blob_ops, recover) }, "" },
        { BIT(EVICT), { SLOT(pk_blob_ops, evict) }, "" },
        { BIT(EXPORT) | BIT(ADOPT),
          { SLOT(pk_blob_ops, export_blob), SLOT(pk_blob_ops, adopt) },
          "" },
        { BIT(VERIFY), { SLOT(pk_blob_ops, verify) }, "" },
        { BIT(PUT), { SLOT(pk_blob_ops, put) }, "" },
        { BIT(BYTES), { SLOT(pk_blob_ops, bytes) }, "" },
        { BIT(SHARE), { SLOT(pk_blob_ops, share) }, "" },
        { 1 | BIT(SHARE) << 1 | (uint64_t)1 << 63, { { 0 } }, "" }, /* of a later host */
        { PUBLISHING & ~BIT(LOOKUP),
          { { 0 } },
          "x: slot 'publish' is missing, and 'lookup' needs it" },
        { BIT(UNPUBLISH), { { 0 } }, "x: slot 'unpublish' is missing, and 'publish' needs it" },
        { BIT(LOOKUP), { { 0 } }, "x: slot 'lookup' is missing, and 'publish' needs it" },
        { BIT(ADOPT), { { 0 } }, "x: slot 'adopt' is missing, and 'export_blob' needs it" },
        { BIT(EXPORT), { SLOT(pk_blob_ops, export_blob) }, "" },
        { BIT(SEAL), { { 0 } }, "x: required slot 'seal' is missing" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subject subject;
        struct subject expected;
        struct pk_error err = PK_ERROR_INIT;
        subject_make(&subject, PK_KIND_BLOB);
        subject_make(&expected, PK_KIND_BLOB);
        for (size_t j = 0; j < 3 && cases[i].gone[j].name != NULL; j++)
            memset(expected.ops.bytes + cases[i].gone[j].offset, 0, sizeof(void *));
        int32_t rc = pk_table_lack(&subject.ops.blob, cases[i].absent, "x", &err);
        ck_assert_int_eq(rc, cases[i].message[0] != '\0' ? -EINVAL : 0);
        ck_assert_str_eq(err.message, cases[i].message);
        if (rc == 0)
            ck_assert_mem_eq(&subject.ops.blob, &expected.ops.blob, sizeof(subject.ops.blob));
    }
}
END_TEST

START_TEST(malformed_options_are_refused_with_their_name)
{
    static const struct {
        uint32_t kind;
        struct pk_option option; /* in place of the second */
        const char *message;
    } cases[] = {
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, NULL, NULL, NULL, "h" },
          "x: the name of option 1 is missing or malformed" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "", NULL, NULL, "h" },
          "x: the name of option 1 is missing or malformed" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "a.b", NULL, NULL, "h" },
          "x: the name of option 1 is missing or malformed" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "9a", NULL, NULL, "h" },
          "x: the name of option 1 is missing or malformed" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "a23456789012345678901234567890_2", NULL, NULL, "h" },
          "x: the name of option 1 is missing or malformed" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "a23456789012345678901234567890_", NULL, NULL, "h" },
          "" },
        { PK_KIND_BLOB, { 0, 0, "a", NULL, NULL, "h" }, "x: option 'a' has unknown type 0" },
        { PK_KIND_BLOB, { 99, 0, "a", NULL, NULL, "h" }, "x: option 'a' has unknown type 99" },
        { PK_KIND_BLOB, { PK_OPTION_INT, 0, "a", NULL, NULL, NULL }, "x: option 'a' has no help" },
        { PK_KIND_BLOB, { PK_OPTION_INT, 0, "a", NULL, NULL, "" }, "x: option 'a' has no help" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "limit", NULL, NULL, "h" },
          "x: option 'limit' is there twice" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "a", "x", NULL, "h" },
          "x: the default of option 'a' is wrong: 'x' is no whole number from 0 on, in decimal" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, PK_OPTION_REQUIRED, "a", "1", NULL, "h" },
          "x: option 'a' is required and has a default" },
        { PK_KIND_BLOB,
          { PK_OPTION_INT, 0, "a", "1", "1|2", "h" },
          "x: option 'a' is no choice, but has values" },
        { PK_KIND_BLOB,
          { PK_OPTION_CHOICE, 0, "a", NULL, NULL, "h" },
          "x: option 'a' has no values to choose from" },
        { PK_KIND_BLOB,
          { PK_OPTION_CHOICE, 0, "a", NULL, "b||c", "h" },
          "x: option 'a' has a value that is empty or too long" },
        { PK_KIND_BLOB,
          { PK_OPTION_CHOICE, 0, "a", "d", "b|c", "h" },
          "x: the default of option 'a' is wrong: 'd' is none of b|c" },
        { PK_KIND_BLOB, { PK_OPTION_CHILD, 0, "a", NULL, NULL, "h" }, "" },
        { PK_KIND_LEASE, { PK_OPTION_CHILD, 0, "a", NULL, NULL, "h" }, "" },
        { PK_KIND_TRANSPORT,
          { PK_OPTION_CHILD, 0, "a", NULL, NULL, "h" },
          "x: option 'a': a transport can't have children" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subject subject;
        subject_make(&subject, cases[i].kind);
        subject.options[1] = cases[i].option;
        ck_assert_str_eq(verdict(&subject), cases[i].message);
    }
}
END_TEST

START_TEST(option_tables_must_be_readable)
{
    static const struct {
        uint32_t count;
        uint32_t stride;
        bool there;
        const char *message;
    } cases[] = {
        { 0, 0, false, "" },
        { 2, sizeof(struct pk_option), false, "x: its option table is missing or too long" },
        { 100000, sizeof(struct pk_option), true, "x: its option table is missing or too long" },
        { 2, 0, true, "x: option_stride is wrong (0)" },
        { 2, sizeof(struct pk_option) + 4, true, "x: option_stride is wrong (44)" },
        { 2, UINT32_MAX - 7, true, "x: option_stride is wrong (4294967288)" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subject subject;
        subject_make(&subject, PK_KIND_BLOB);
        subject.plugin.option_count = cases[i].count;
        subject.plugin.option_stride = cases[i].stride;
        subject.plugin.options = cases[i].there ? subject.options : NULL;
        ck_assert_str_eq(verdict(&subject), cases[i].message);
    }
}
END_TEST

START_TEST(a_copy_shares_no_table_with_the_plugin)
{
    struct subject subject;
    struct pk_table table;
    subject_make(&subject, PK_KIND_LEASE);
    ck_assert_int_eq(pk_table_copy(&subject.plugin, "x", &table, NULL), 0);
    ck_assert_ptr_eq(table.plugin.options, table.options);
    ck_assert_ptr_eq(table.plugin.ops, &table.ops);
    ck_assert_ptr_ne(table.options, subject.options);
    ck_assert_uint_eq(table.ops.lease.struct_size, sizeof(struct pk_lease_ops));
    ck_assert_int_eq(memcmp(&table.ops.lease, &subject.ops, sizeof(struct pk_lease_ops)), 0);
    ck_assert_int_eq(memcmp(table.options, good_options, sizeof(good_options)), 0);
    free(table.options);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        each_required_slot_of_a_blob_factory_must_be_there,
        each_required_slot_of_a_lease_factory_must_be_there,
        each_required_slot_of_a_transport_must_be_there,
        slots_that_belong_together_come_together,
        slots_that_an_instance_lacks_are_gone,
        malformed_options_are_refused_with_their_name,
        option_tables_must_be_readable,
        a_copy_shares_no_table_with_the_plugin,
    };
    return SUITE_RUN("table", cases);
}
