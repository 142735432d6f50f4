/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as transports hand them on: of another version, without sense, or with the request id of
 * another caller.
 */
#include "peer_fixture.h"

static void
open_plain(void)
{
    world_open(&world, &plain_options);
}

START_TEST(request_of_an_older_transport_is_read_as_far_as_it_goes)
{
    struct answer answer;
    uint64_t call = 77;
    struct pk_request request = { .struct_size = sizeof(uint32_t), .verb = PK_VERB_LIST };

    memset(&answer, 0, sizeof(answer));
    pk_peer_call(world.sessions[0], &request, copy_answer, &answer, &call);
    ck_assert_uint_eq(answer.answers, 1);
    ck_assert_int_eq(answer.status, -EOPNOTSUPP);
    ck_assert_uint_eq(call, 0);
    request.struct_size = offsetof(struct pk_request, object_id);
    request.object_id = "ignored";
    request.verb = PK_VERB_STAT;
    memset(&answer, 0, sizeof(answer));
    pk_peer_call(world.sessions[0], &request, copy_answer, &answer, &call);
    ck_assert_int_eq(answer.status, -EINVAL);
    ck_assert_uint_ne(call, 0);
}
END_TEST

START_TEST(request_that_is_refused_has_no_number_to_cancel)
{
    struct answer answer;
    const struct pk_request request = { .struct_size = sizeof(request),
                                        .verb = PK_VERB_STAT,
                                        .object_id = "" };
    uint64_t call = 77;

    memset(&answer, 0, sizeof(answer));
    pk_peer_call(world.sessions[0], &request, copy_answer, &answer, &call);
    ck_assert_int_eq(answer.status, -EINVAL);
    ck_assert_uint_eq(call, 0);
    pk_peer_cancel(world.sessions[0], call);
}
END_TEST

static struct answer
create_as(const char *token, const char *request_id, const char *id)
{
    struct pk_principal who = { .struct_size = sizeof(who),
                                .kind = PK_PRINCIPAL_TOKEN,
                                .uid = UINT32_MAX };
    struct pk_session *session = NULL;
    struct answer answer;

    (void)snprintf(who.name, sizeof(who.name), "%s", token != NULL ? token : "");
    if (token == NULL)
        who.kind = PK_PRINCIPAL_ANONYMOUS;
    ck_assert_int_eq(pk_peer_session_open(world.peer, &who, &session, NULL), 0);
    (void)call_in(session,
                  (struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                       .access = PK_ACCESS_CREATE,
                                       .object_id = id,
                                       .request_id = request_id },
                  &answer);
    pk_peer_session_close(session);
    return answer;
}

START_TEST(request_ids_of_different_tokens_never_meet)
{
    struct answer one = create_as("a/b", "c", NULL);
    struct answer other = create_as("a", "b/c", NULL);
    ck_assert_int_eq(one.status, 0);
    ck_assert_int_eq(other.status, 0);
    ck_assert_str_ne(one.lease_id, other.lease_id);
    struct answer same = create_as("a", "b/c", NULL);
    ck_assert_str_eq(same.lease_id, other.lease_id);
}
END_TEST

START_TEST(request_id_of_an_anonymous_caller_holds_on_its_next_session)
{
    struct answer one = create_as(NULL, "r", NULL);
    struct answer again = create_as(NULL, "r", NULL);
    struct answer other = create_as(NULL, "s", NULL);
    struct answer named = create_as("anybody", "r", NULL);
    ck_assert_str_eq(again.lease_id, one.lease_id);
    ck_assert_str_ne(other.lease_id, one.lease_id);
    ck_assert_str_ne(named.lease_id, one.lease_id);
}
END_TEST

START_TEST(request_id_has_at_least_one_byte)
{
    ck_assert_int_eq(create_as("a", "", NULL).status, -EINVAL);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        request_of_an_older_transport_is_read_as_far_as_it_goes,
        request_that_is_refused_has_no_number_to_cancel,
        request_ids_of_different_tokens_never_meet,
        request_id_of_an_anonymous_caller_holds_on_its_next_session,
        request_id_has_at_least_one_byte,
    };
    return SUITE_RUN_BETWEEN("peer_requests", cases, open_plain, close_world);
}
