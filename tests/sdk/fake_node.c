/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake node: one thread, one connection after the other, one line after the other.
 */
#include "fake_node.h"
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fake_node {
    pthread_t thread;
    int listener;
    int stop[2]; /* a byte here ends what is deaf */
    const struct fake_reply *replies;
    int count;
    char *heard;
    size_t heard_size;
};

/* Reads one line, or nothing at the end. Of a binary message, the head, which is for tests that
 * want to see whether one comes. */
static char *
read_line(int fd, FILE *heard)
{
    char *line = NULL;
    size_t size = 0;
    char byte = 0;
    while (read(fd, &byte, 1) == 1) {
        line = realloc(line, size + 2);
        ck_assert_ptr_nonnull(line);
        line[size++] = byte;
        line[size] = '\0';
        if (byte == '\n' || (*line == '\xFB' && size == 8))
            break;
    }
    if (line != NULL)
        (void)fwrite(line, 1, size, heard);
    return line;
}

/* The text with the tag of the request in it. */
static char *
with_tag(const char *text, const char *request)
{
    const char *tag = strstr(request, "\"tag\":");
    char number[32] = "null";
    if (tag != NULL)
        (void)snprintf(number, sizeof(number), "%ld", strtol(tag + 6, NULL, 10));
    char *reply = NULL;
    const char *place = strstr(text, "TAG");
    if (place == NULL)
        ck_assert_int_ge(asprintf(&reply, "%s", text), 0);
    else
        ck_assert_int_ge(asprintf(&reply, "%.*s%s%s", (int)(place - text), text, number, place + 3),
                         0);
    return reply;
}

/* Sends the text, so much at first, and its descriptors with the first byte. */
static void
send_reply(int fd, const char *text, const int *fds, size_t size)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FAKE_FDS_MAX * sizeof(int))];
    } control = { .bytes = { 0 } };
    int count = 0;
    while (count < FAKE_FDS_MAX && fds[count] != 0)
        count++;
    struct iovec part = { (void *)(uintptr_t)text, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(head), fds, (size_t)count * sizeof(int));
    }
    (void)sendmsg(fd, &message, MSG_NOSIGNAL); /* the client may have had enough of it */
    for (text += size; *text != '\0'; text++)
        (void)send(fd, text, 1, MSG_NOSIGNAL);
}

/* Answers on one connection from reply `next` on; the number of the next one. */
static int
serve(struct fake_node *node, int fd, int next, FILE *heard)
{
    while (next < node->count) {
        const struct fake_reply *reply = &node->replies[next];
        if (reply->deaf) {
            char byte;
            (void)read(node->stop[0], &byte, 1);
            return next + 1;
        }
        char *request = read_line(fd, heard);
        if (request == NULL)
            return next;
        next++;
        if (reply->text != NULL && !reply->silent) {
            char *text = with_tag(reply->text, request);
            for (int i = 0; i < (reply->twice ? 2 : 1); i++)
                send_reply(fd, text, reply->fds, reply->piecemeal ? 1 : strlen(text));
            free(text);
        }
        free(request);
        if (reply->text == NULL && !reply->silent)
            return next;
    }
    return next;
}

static void *
run(void *arg)
{
    struct fake_node *node = arg;
    FILE *heard = open_memstream(&node->heard, &node->heard_size);
    ck_assert_ptr_nonnull(heard);
    int next = 0;
    while (next < node->count) {
        int fd = accept(node->listener, NULL, NULL);
        if (fd < 0)
            break;
        next = serve(node, fd, next, heard);
        if (next == node->count) { /* let the client hang up first, so that it reads all */
            char *rest;
            (void)shutdown(fd, SHUT_WR);
            while ((rest = read_line(fd, heard)) != NULL)
                free(rest);
        }
        (void)close(fd);
    }
    (void)fclose(heard);
    return NULL;
}

struct fake_node *
fake_node_start(const char *path, const struct fake_reply *replies, int count)
{
    struct fake_node *node = calloc(1, sizeof(*node));
    ck_assert_ptr_nonnull(node);
    node->replies = replies;
    node->count = count;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    (void)unlink(path);
    node->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(node->listener, 0);
    ck_assert_int_eq(bind(node->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(node->listener, 4), 0);
    ck_assert_int_eq(pipe(node->stop), 0);
    ck_assert_int_eq(pthread_create(&node->thread, NULL, run, node), 0);
    return node;
}

char *
fake_node_stop(struct fake_node *node)
{
    (void)shutdown(node->listener, SHUT_RDWR); /* wakes accept */
    (void)close(node->stop[1]);
    ck_assert_int_eq(pthread_join(node->thread, NULL), 0);
    (void)close(node->stop[0]);
    (void)close(node->listener);
    char *heard = node->heard;
    free(node);
    return heard;
}
