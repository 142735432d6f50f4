/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects by name, without a lease: stat, discard, verify, and the walk through a peer's objects.
 */
#include "core/id.h"
#include "sdk/client.h"
#include "sdk/error.h"
#include <assert.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* An object as callers see it, and what it borrows from. */
struct told {
    struct packice_object object; /* first: what the caller frees */
    struct packice_answer *answer;
};

struct packice_list {
    packice_client *client;
    char *prefix;
    uint32_t page;
    uint32_t next;   /* in the page */
    uint64_t cursor; /* 0 after a page: that was the last */
    bool started;
    struct packice_answer *answer; /* the page; NULL = none yet */
    struct packice_object object;
};

static double
to_unix_time(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

/* What a list tells, on every target. */
static void
tell(const struct pk_object_info *info, struct packice_object *object)
{
    *object = (struct packice_object){
        .struct_size = (uint32_t)sizeof(*object),
        .state = info->state,
        .id = info->key.id,
        .epoch = info->key.epoch,
        .size = info->size,
        .blob_count = info->blob_count,
        .owner_uid = info->owner.kind == PK_PRINCIPAL_UNIX ? info->owner.uid : UINT32_MAX,
        .owner_name = info->owner.name,
        .created_at = to_unix_time(info->created_at),
        .sealed_at = to_unix_time(info->sealed_at),
    };
}

/* What stat tells beyond that. */
static void
tell_more(const struct pk_object_info *info, struct packice_object *object)
{
    object->sizes = info->sizes;
    object->meta = info->meta[0] != '\0' ? info->meta : "{}";
}

/* A request that names one object. */
static int32_t
ask_by_id(packice_client *client, uint32_t verb, const char *id, struct packice_answer **ret_answer,
          struct pk_error *err)
{
    if (id == NULL)
        return pk_fail(err, -EINVAL, "id: missing");
    int32_t rc = pk_id_check(id, err);
    if (rc != 0)
        return rc;
    struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                  .verb = verb,
                                  .object_id = id };
    return packice_client_ask(client, &request, 0, ret_answer, err);
}

int
packice_discard(packice_client *client, const char *id)
{
    struct packice_answer *answer = NULL;
    int32_t rc = ask_by_id(client, PK_VERB_DISCARD, id, &answer, packice_error_slot());
    packice_answer_unref(answer);
    return packice_result(rc);
}

int
packice_verify(packice_client *client, const char *id, uint64_t *ret_bytes)
{
    struct packice_answer *answer = NULL;
    int32_t rc = ask_by_id(client, PK_VERB_VERIFY, id, &answer, packice_error_slot());
    if (rc == 0 && ret_bytes != NULL)
        *ret_bytes = answer->reply.bytes;
    packice_answer_unref(answer);
    return packice_result(rc);
}

int
packice_stat(packice_client *client, const char *id, struct packice_object **ret_object)
{
    struct pk_error *err = packice_error_slot();
    struct packice_answer *answer = NULL;
    int32_t rc = ask_by_id(client, PK_VERB_STAT, id, &answer, err);
    if (rc != 0)
        return packice_result(rc);
    assert(answer != NULL);
    struct told *told = calloc(1, sizeof(*told));
    if (told == NULL) {
        packice_answer_unref(answer);
        return packice_result(pk_fail(err, -ENOMEM, "no memory for an object"));
    }
    const struct pk_object_info *info = answer->reply.objects; /* one: it was checked */
    told->answer = answer;
    tell(info, &told->object);
    tell_more(info, &told->object);
    *ret_object = &told->object;
    return 0;
}

void
packice_object_free(struct packice_object *object)
{
    struct told *told = (struct told *)(void *)object;
    if (told == NULL)
        return;
    packice_answer_unref(told->answer);
    free(told);
}

int
packice_list_new(packice_client *client, const char *prefix, uint32_t page, packice_list **ret_list)
{
    struct pk_error *err = packice_error_slot();
    bool all = prefix == NULL || prefix[0] == '\0';
    int32_t rc = packice_client_check(client, err);
    if (rc == 0 && !all && pk_id_check(prefix, NULL) != 0)
        rc = pk_fail(err, -EINVAL, "prefix: no id can begin like this");
    if (rc != 0)
        return packice_result(rc);
    packice_list *list = calloc(1, sizeof(*list));
    if (list != NULL && !all)
        list->prefix = strdup(prefix);
    if (list == NULL || (!all && list->prefix == NULL)) {
        free(list);
        return packice_result(pk_fail(err, -ENOMEM, "no memory for a list"));
    }
    list->client = packice_client_ref(client);
    list->page = page < PK_LIST_MAX ? page : PK_LIST_MAX;
    *ret_list = list;
    return 0;
}

static int32_t
next_page(packice_list *list, struct pk_error *err)
{
    struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                  .verb = PK_VERB_LIST,
                                  .prefix = list->prefix,
                                  .limit = list->page,
                                  .cursor = list->cursor };
    struct packice_answer *answer = NULL;
    int32_t rc = packice_client_ask(list->client, &request, 0, &answer, err);
    if (rc != 0)
        return rc;
    packice_answer_unref(list->answer);
    list->answer = answer;
    list->next = 0;
    list->cursor = answer->reply.cursor;
    list->started = true;
    return 0;
}

int
packice_list_next(packice_list *list, const struct packice_object **ret_object)
{
    struct pk_error *err = packice_error_slot();
    int32_t rc = packice_client_check(list->client, err);
    if (rc != 0)
        return packice_result(rc);
    /* A page may be empty though others follow. */
    while (!list->started
           || (list->next == list->answer->reply.object_count && list->cursor != 0)) {
        rc = next_page(list, err);
        if (rc != 0)
            return packice_result(rc);
    }
    if (list->next == list->answer->reply.object_count) {
        *ret_object = NULL;
        return 0;
    }
    tell(&list->answer->reply.objects[list->next++], &list->object);
    *ret_object = &list->object;
    return 0;
}

void
packice_list_free(packice_list *list)
{
    if (list == NULL)
        return;
    packice_answer_unref(list->answer);
    packice_client_unref(list->client);
    free(list->prefix);
    free(list);
}
