/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of an object that somebody else wrote, in either notation: read with their type and
 * bounds checked, so that the decoders only say what they expect. Private to core/wire.
 */
#ifndef PK_WIRE_MEMBER_IN_H
#define PK_WIRE_MEMBER_IN_H

#include "core/wire/json.h"
#include "core/wire/name.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

/* An object that is being read, and how to complain of it. Every reader below returns 0, or code
 * with the message "PLACENAME: ..."; a member that is absent or null leaves its output alone. What
 * is borrowed lives in json, which is written to: each member is read once. */
struct pk_wire_in {
    struct pk_wire_json *json;
    struct pk_wire_value *object;
    const char *array; /* the array that it is an entry of, and which one; NULL = none */
    size_t index;
    const char *prefix; /* where it is otherwise: "", "owner." */
    int32_t code;
    struct pk_error *err;
    uint64_t present; /* members that are there and not null, a bit each */
    struct pk_wire_value *members[PK_NAME_COUNT]; /* of those */
};

/* Finds the members of an object, all at once; what is not an object has none. */
void pk_wire_in_open(struct pk_wire_in *in, struct pk_wire_json *json, struct pk_wire_value *object,
                     int32_t code, struct pk_error *err);

/* Likewise of an entry of an array of outer's, named `array`. */
void pk_wire_in_open_entry(struct pk_wire_in *in, const struct pk_wire_in *outer,
                           struct pk_wire_value *entry, const char *array, size_t index);

/* Fails with what is wrong with member `name`. */
__attribute__((format(printf, 3, 4), cold)) int32_t
pk_wire_in_fail(const struct pk_wire_in *in, enum pk_wire_name name, const char *what, ...);

/* Fails with what is wrong with an entry of member `name`. */
__attribute__((cold)) int32_t pk_wire_in_fail_entry(const struct pk_wire_in *in,
                                                    enum pk_wire_name name, size_t index,
                                                    const char *what);

/* The member; NULL if it is absent or null. */
static inline struct pk_wire_value *
pk_wire_in_get(const struct pk_wire_in *in, enum pk_wire_name name)
{
    return (in->present >> name & 1) != 0 ? in->members[name] : NULL;
}

/* Fails if the member is absent or null. */
int32_t pk_wire_in_need(const struct pk_wire_in *in, enum pk_wire_name name);

/* Text of min to max bytes, borrowed. */
int32_t pk_wire_in_text(const struct pk_wire_in *in, enum pk_wire_name name, size_t min, size_t max,
                        const char **ret_text);

/* An object id: 1 to PK_ID_MAX bytes without control characters. */
int32_t pk_wire_in_object_id(const struct pk_wire_in *in, const char **ret_id);

/* A lease id, which must be there. Whether there is such a lease is not asked. */
int32_t pk_wire_in_lease_id(const struct pk_wire_in *in, const char **ret_id);

/* One of count words, as its index. */
int32_t pk_wire_in_word(const struct pk_wire_in *in, enum pk_wire_name name,
                        const char *const *words, size_t count, size_t *ret_index);

/* true or false. */
int32_t pk_wire_in_flag(const struct pk_wire_in *in, enum pk_wire_name name, bool *ret_flag);

/* An integer from min to max. */
int32_t pk_wire_in_integer(const struct pk_wire_in *in, enum pk_wire_name name, int64_t min,
                           int64_t max, int64_t *ret_value);

/* A number of seconds as nanoseconds: above 0, at least 1; or 0 too if zero is allowed. */
int32_t pk_wire_in_seconds(const struct pk_wire_in *in, enum pk_wire_name name, bool zero,
                           uint64_t *ret_nanoseconds);

/* An array of min to max entries: the first one, behind which come the others, each `span` values
 * behind the one before. */
int32_t pk_wire_in_array(const struct pk_wire_in *in, enum pk_wire_name name, size_t min,
                         size_t max, struct pk_wire_value **ret_entries, size_t *ret_count);

/* "sizes": an array of 1 to PK_BLOBS_MAX sizes, null for PK_UNSIZED; malloc'd. */
int32_t pk_wire_in_sizes(const struct pk_wire_in *in, uint64_t **ret_sizes, uint32_t *ret_count);

/* "meta": an object, as compact text, borrowed, or malloc'd as *ret_owned too; "" if it is empty.
 */
int32_t pk_wire_in_meta(const struct pk_wire_in *in, const char **ret_meta, char **ret_owned);

/* "tag": a string or an integer, as JSON text, borrowed, or malloc'd as *ret_owned too. */
int32_t pk_wire_in_tag(const struct pk_wire_in *in, const char **ret_tag, char **ret_owned);

/* A point in time, as nanoseconds. */
int32_t pk_wire_in_time(const struct pk_wire_in *in, enum pk_wire_name name,
                        uint64_t *ret_nanoseconds);

#endif
