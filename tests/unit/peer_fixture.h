/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the peer: the simulated world, and calls whose answers are copied out of the reply.
 */
#ifndef PEER_FIXTURE_H
#define PEER_FIXTURE_H

#include "suite.h"
#include "world.h"

#include <errno.h>
#include <string.h>

struct answer {
    uint32_t answers;
    int32_t status;
    char message[256];
    char lease_id[PK_LEASE_ID_LEN + 1];
    char object_id[PK_ID_MAX + 1];
    char handle[64];
    char data[64];      /* of DATA handles, one behind the other */
    uint64_t data_size; /* all of it */
    uint64_t epoch;
    uint64_t ttl;
    uint64_t bytes;
    uint64_t cursor;
    uint32_t access;
    uint32_t state;
    uint32_t handles;
    uint32_t known; /* of them */
    uint32_t object_count;
    char listed[8][PK_ID_MAX + 1];
    uint64_t sizes[8];
};

static struct world world;

static inline void
copy_answer(void *arg, const struct pk_reply *reply)
{
    struct answer *answer = arg;

    answer->answers++;
    answer->status = reply->status;
    (void)snprintf(answer->message, sizeof(answer->message), "%s", reply->message);
    if (reply->status != 0)
        return;
    if (reply->lease_id != NULL)
        (void)snprintf(answer->lease_id, sizeof(answer->lease_id), "%s", reply->lease_id);
    if (reply->object_id != NULL)
        (void)snprintf(answer->object_id, sizeof(answer->object_id), "%s", reply->object_id);
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = &reply->handles[i];
        answer->known += handle->kind == PK_HANDLE_KNOWN;
        if (handle->kind != PK_HANDLE_DATA)
            continue;
        if (handle->size <= sizeof(answer->data) - answer->data_size)
            memcpy(answer->data + answer->data_size, handle->data, handle->size);
        answer->data_size += handle->size;
    }
    if (reply->blob_count > 0 && reply->handles[0].text != NULL)
        (void)snprintf(answer->handle, sizeof(answer->handle), "%s", reply->handles[0].text);
    answer->handles = reply->blob_count;
    answer->epoch = reply->epoch;
    answer->ttl = reply->ttl;
    answer->bytes = reply->bytes;
    answer->cursor = reply->cursor;
    answer->access = reply->access;
    answer->state = reply->state;
    answer->object_count = reply->object_count;
    for (uint32_t i = 0; i < reply->object_count && i < 8; i++) {
        (void)snprintf(answer->listed[i], sizeof(answer->listed[i]), "%s",
                       reply->objects[i].key.id);
        answer->sizes[i] = reply->objects[i].size;
    }
}

/* The figure of this name, as stats emits it. */
struct wanted_stat {
    const char *name;
    uint64_t value;
    bool found;
};

static inline void
match_stat(void *arg, const struct pk_stat *stat)
{
    struct wanted_stat *wanted = arg;

    if (strcmp(stat->name, wanted->name) != 0)
        return;
    wanted->value = stat->value;
    wanted->found = true;
}

static inline uint64_t
stat_of(const char *name)
{
    struct wanted_stat wanted = { .name = name };

    pk_peer_stats(world.peer, match_stat, &wanted);
    ck_assert_msg(wanted.found, "no figure '%s'", name);
    return wanted.value;
}

static inline uint64_t
call_in(struct pk_session *session, struct pk_request request, struct answer *answer)
{
    uint64_t call = 0;

    memset(answer, 0, sizeof(*answer));
    request.struct_size = sizeof(request);
    pk_peer_call(session, &request, copy_answer, answer, &call);
    return call;
}

/* A call of session 0 that is answered at once. */
static inline struct answer
ask(struct pk_request request)
{
    struct answer answer;

    (void)call_in(world.sessions[0], request, &answer);
    world_settle(&world);
    if (answer.answers
        != 1) /* where it holds, ck_assert allocates memory, which some tests count */
        ck_abort_msg("%u answers", answer.answers);
    return answer;
}

static inline struct answer
create_sized(const char *id, uint64_t size)
{
    return ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                    .access = PK_ACCESS_CREATE,
                                    .object_id = id,
                                    .sizes = &size,
                                    .blob_count = 1 });
}

static inline struct answer
read_object(const char *id)
{
    return ask(
        (struct pk_request){ .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = id });
}

static inline struct answer
lease_verb(uint32_t verb, const char *lease_id)
{
    return ask((struct pk_request){ .verb = verb, .lease_id = lease_id });
}

static inline struct answer
object_verb(uint32_t verb, const char *id)
{
    return ask((struct pk_request){ .verb = verb, .object_id = id });
}

/* A read of session 0 that waits. */
static inline void
wait_for(const char *id, uint64_t seconds, struct answer *answer)
{
    (void)call_in(world.sessions[0],
                  (struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                       .access = PK_ACCESS_READ,
                                       .object_id = id,
                                       .wait = seconds * WORLD_SECOND },
                  answer);
    world_settle(&world);
}

static inline struct answer
put(const char *id, uint64_t size)
{
    struct answer created = create_sized(id, size);
    ck_assert_msg(created.status == 0, "create: %s", created.message);
    struct answer sealed = lease_verb(PK_VERB_SEAL, created.lease_id);
    ck_assert_msg(sealed.status == 0, "seal: %s", sealed.message);
    return sealed;
}

static inline struct answer
read_inline(const char *id, uint64_t inline_max)
{
    return ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                    .access = PK_ACCESS_READ,
                                    .object_id = id,
                                    .inline_max = inline_max });
}

/* A read by who has the handles of this epoch. */
static inline struct answer
read_known(const char *id, uint64_t epoch)
{
    return ask((struct pk_request){
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = id, .known_epoch = epoch });
}

/* An object of one blob, made of this text. */
static inline struct pk_request
put_request(const char *id, const char *text)
{
    return (struct pk_request){ .verb = PK_VERB_PUT,
                                .object_id = id,
                                .data = (char *)(uintptr_t)text, /* which is only read */
                                .data_size = strlen(text) };
}

static const struct world_options plain_options = {
    .seed = 1, .capacity = 1000, .max_object = 600, .sample = WORLD_SECOND / 4
};

/* Ends the world; nothing may be left, and no contract of the storage broken. */
static inline void
close_world(void)
{
    char why[256] = "";
    ck_assert_msg(world_check(&world, why, sizeof(why)), "%s", why);
    ck_assert_msg(world_close(&world, why, sizeof(why)), "%s", why);
}

#endif
