/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a JSON object that somebody else wrote: read with their type and bounds checked, so
 * that the decoders only say what they expect. Private to core/wire.
 */
#ifndef PK_WIRE_MEMBER_IN_H
#define PK_WIRE_MEMBER_IN_H

#include <jansson.h>
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

/* An object that is being read, and how to complain of it. Every reader below returns 0, or code
 * with the message "PREFIXNAME: ..."; a member that is absent or null leaves its output alone. */
struct pk_wire_in {
    const json_t *object;
    const char *prefix; /* where the object is: "", "blobs[2]." */
    int32_t code;
    struct pk_error *err;
};

/* Parses one JSON object, nested PK_WIRE_DEPTH_MAX levels at most, no member twice, nothing but
 * white space around it. 0, code, -ENOMEM. */
int32_t pk_wire_json_parse(const char *text, size_t size, int32_t code, json_t **ret_json,
                           struct pk_error *err);

/* Fails with what is wrong with member `name`. */
int32_t pk_wire_in_fail(const struct pk_wire_in *in, const char *name, const char *what);

/* The member; NULL if it is absent or null. */
json_t *pk_wire_in_get(const struct pk_wire_in *in, const char *name);

/* Fails if the member is absent or null. */
int32_t pk_wire_in_need(const struct pk_wire_in *in, const char *name);

/* Text of min to max bytes, borrowed from the object. */
int32_t pk_wire_in_text(const struct pk_wire_in *in, const char *name, size_t min, size_t max,
                        const char **ret_text);

/* An object id: 1 to PK_ID_MAX bytes without control characters. */
int32_t pk_wire_in_object_id(const struct pk_wire_in *in, const char **ret_id);

/* A lease id, which must be there. Whether there is such a lease is not asked. */
int32_t pk_wire_in_lease_id(const struct pk_wire_in *in, const char **ret_id);

/* One of count words, as its index. */
int32_t pk_wire_in_word(const struct pk_wire_in *in, const char *name, const char *const *words,
                        size_t count, size_t *ret_index);

/* An integer from min to max. */
int32_t pk_wire_in_integer(const struct pk_wire_in *in, const char *name, int64_t min, int64_t max,
                           int64_t *ret_value);

/* A number of seconds as nanoseconds: above 0, at least 1; or 0 too if zero is allowed. */
int32_t pk_wire_in_seconds(const struct pk_wire_in *in, const char *name, bool zero,
                           uint64_t *ret_nanoseconds);

/* An array of min to max entries, borrowed from the object. */
int32_t pk_wire_in_array(const struct pk_wire_in *in, const char *name, size_t min, size_t max,
                         json_t **ret_array);

/* "sizes": an array of 1 to PK_BLOBS_MAX sizes, null for PK_UNSIZED; malloc'd. */
int32_t pk_wire_in_sizes(const struct pk_wire_in *in, uint64_t **ret_sizes, uint32_t *ret_count);

/* "meta": an object, as compact text, malloc'd; "" if it is empty. */
int32_t pk_wire_in_meta(const struct pk_wire_in *in, char **ret_meta);

/* Meta from text of its own; NULL for "" and for NULL. -EINVAL: no object, or nested too deep. */
int32_t pk_wire_meta_parse(const char *text, json_t **ret_meta, struct pk_error *err);

/* "tag": a string or an integer, as JSON text, malloc'd. */
int32_t pk_wire_in_tag(const struct pk_wire_in *in, char **ret_tag);

/* A point in time, as nanoseconds. */
int32_t pk_wire_in_time(const struct pk_wire_in *in, const char *name, uint64_t *ret_nanoseconds);

#endif
