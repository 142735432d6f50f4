/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads "HOST:PORT" with getaddrinfo(3), numbers only, so that a start never waits for a name
 * server; listens with one socket for all, never SO_REUSEPORT.
 */
#include "address.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <packice/cleanup.h>
#include <string.h>

#define BACKLOG 511

bool
http_address_is_loopback(const struct sockaddr *name)
{
    if (name->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)name;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (name->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)name;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)
           || (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static int32_t
split(const char *text, char *host, size_t room, const char **ret_port, struct pk_error *err)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    const char *port = colon == NULL ? "" : colon + 1;
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    } else if (memchr(text, ':', size) != NULL) {
        size = 0; /* an IPv6 address without brackets */
    }
    if (size == 0 || size >= room || port[0] == '\0' || strspn(port, "0123456789") != strlen(port)
        || strlen(port) > 5 || strtoul(port, NULL, 10) > 65535)
        return pk_fail(err, -EINVAL, "listen: not ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:0");
    memcpy(host, text, size);
    host[size] = '\0';
    *ret_port = port;
    return 0;
}

static int32_t
resolve(const char *text, struct sockaddr_storage *ret_name, socklen_t *ret_size,
        struct pk_error *err)
{
    char host[HTTP_ADDRESS_TEXT];
    const char *port = NULL;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
    };
    struct addrinfo *found = NULL;
    int32_t r = split(text, host, sizeof(host), &port, err);
    if (r < 0)
        return r;
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    int failed = getaddrinfo(number, port, &hints, &found);
    if (failed != 0)
        return pk_fail(err, -EINVAL, "listen: '%s' is not an address of a network", host);
    memcpy(ret_name, found->ai_addr, found->ai_addrlen);
    *ret_size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

static int32_t
tell(int fd, struct http_address *address, struct pk_error *err)
{
    struct sockaddr_storage name = { 0 };
    socklen_t size = sizeof(name);
    char host[48];
    char port[8];
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return pk_fail(err, -errno, "listen: %s", strerror(errno));
    if (getnameinfo((struct sockaddr *)&name, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)
        != 0)
        return pk_fail(err, -EINVAL, "listen: an address without a text");
    (void)snprintf(address->text, sizeof(address->text),
                   name.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    address->loopback = http_address_is_loopback((struct sockaddr *)&name);
    return 0;
}

int32_t
http_address_take(const char *listen_text, struct http_address *ret_address, struct pk_error *err)
{
    struct sockaddr_storage name = { 0 };
    struct http_address address = { .fd = -1 };
    socklen_t size = 0;
    int one = 1;
    int32_t r = resolve(listen_text, &name, &size, err);
    if (r < 0)
        return r;
    pk_autoclose int fd =
        socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return pk_fail(err, -errno, "listen: %s: %s", listen_text, strerror(errno));
    /* Over a node that just ended: it takes no address from one that lives. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0
        || bind(fd, (struct sockaddr *)&name, size) < 0 || listen(fd, BACKLOG) < 0)
        return pk_fail(err, -errno, "listen: %s: %s", listen_text, strerror(errno));
    r = tell(fd, &address, err);
    if (r < 0)
        return r;
    address.fd = pk_steal_fd(fd);
    *ret_address = address;
    return 0;
}
