/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that does the least: reads 64 bytes, answers 64 bytes, with a descriptor or without. And
 * its client's side.
 */
#include "floor.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct message {
    uint64_t number;
    char rest[56];
};

/* ---- the server ---- */

struct service {
    const int *fds;
    size_t fd_count;
};

static void
reply_with(int socket, struct message *message, int fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec part = { .iov_base = message, .iov_len = sizeof(*message) };
    struct msghdr whole = { .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control.space) };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&whole);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fd, sizeof(int));
    if (sendmsg(socket, &whole, MSG_NOSIGNAL) != (ssize_t)sizeof(*message))
        bench_die("the floor's server can't send");
}

/* false: the client is gone. */
static bool
serve_one(const struct service *service, int socket)
{
    struct message message;
    ssize_t got = read(socket, &message, sizeof(message));
    if (got == 0)
        return false;
    if (got != (ssize_t)sizeof(message))
        bench_die("the floor's server read %zd bytes", got);
    if (service->fd_count > 0)
        reply_with(socket, &message, service->fds[message.number % service->fd_count]);
    else if (write(socket, &message, sizeof(message)) != (ssize_t)sizeof(message))
        bench_die("the floor's server can't write");
    return true;
}

static void
serve_by_epoll(const struct service *service, const int *sockets, unsigned count)
{
    int epoll = (int)bench_done(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = sockets[i] };
        bench_done(epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event), "epoll_ctl");
    }
    for (unsigned left = count; left > 0;) {
        struct epoll_event events[BENCH_CROWD_MAX];
        int ready = (int)bench_done(epoll_wait(epoll, events, BENCH_CROWD_MAX, -1), "epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (!serve_one(service, events[i].data.fd)) {
                (void)close(events[i].data.fd);
                left--;
            }
        }
    }
    (void)close(epoll);
}

void
floor_server_start(struct floor_server *server, unsigned clients, bool epoll, const int *fds,
                   size_t fd_count)
{
    const struct service service = { .fds = fds, .fd_count = fd_count };
    int theirs[BENCH_CROWD_MAX];
    if (clients > BENCH_CROWD_MAX || (!epoll && clients != 1))
        bench_die("the floor's server has no way to serve %u clients", clients);
    for (unsigned i = 0; i < clients; i++) {
        int pair[2];
        bench_done(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
        server->sockets[i] = pair[0];
        theirs[i] = pair[1];
    }
    server->clients = clients;
    server->pid = (pid_t)bench_done(fork(), "fork");
    if (server->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned i = 0; i < clients; i++)
            (void)close(server->sockets[i]);
        if (epoll)
            serve_by_epoll(&service, theirs, clients);
        else
            while (serve_one(&service, theirs[0])) {
            }
        _exit(0);
    }
    for (unsigned i = 0; i < clients; i++)
        (void)close(theirs[i]);
}

void
floor_server_stop(struct floor_server *server)
{
    int status = 0;
    for (unsigned i = 0; i < server->clients; i++)
        (void)close(server->sockets[i]);
    if (waitpid(server->pid, &status, 0) != server->pid || status != 0)
        bench_die("the floor's server failed");
}

/* ---- the client ---- */

static int
receive_with(int socket, struct message *message)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec part = { .iov_base = message, .iov_len = sizeof(*message) };
    struct msghdr whole = { .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control.space) };
    ssize_t got = recvmsg(socket, &whole, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&whole);
    if (got != (ssize_t)sizeof(*message) || rights == NULL || rights->cmsg_type != SCM_RIGHTS)
        bench_die("the floor's server sent no descriptor");
    int fd = -1;
    memcpy(&fd, CMSG_DATA(rights), sizeof(int));
    return fd;
}

void
floor_ask(int socket, uint64_t number, int *ret_fd)
{
    struct message message = { .number = number };
    if (write(socket, &message, sizeof(message)) != (ssize_t)sizeof(message))
        bench_die("can't write to the floor's server");
    if (ret_fd != NULL)
        *ret_fd = receive_with(socket, &message);
    else if (read(socket, &message, sizeof(message)) != (ssize_t)sizeof(message))
        bench_die("can't read from the floor's server");
    if (message.number != number)
        bench_die("the floor's server answered something else");
}
