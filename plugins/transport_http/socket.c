/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing a client's socket. Under TLS either may wait for the other direction, which
 * the caller needn't know: any event of the socket lets it try again.
 */
#include "socket.h"
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* OpenSSL goes on to the next record after each change of keys, within one read: whoever sends
 * nothing but those would have the loop to himself. */
static void
on_message(int sent, int version, int type, const void *data, size_t size, SSL *ssl, void *arg)
{
    struct http_socket *socket = arg;
    (void)version;
    if (sent == 0 && type == SSL3_RT_HANDSHAKE && size > 0
        && *(const unsigned char *)data == SSL3_MT_KEY_UPDATE
        && ++socket->key_updates > HTTP_KEY_UPDATES_MAX)
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void
http_socket_init(struct http_socket *socket, int fd, SSL *ssl)
{
    socket->fd = fd;
    socket->ssl = ssl;
    socket->key_updates = 0;
    if (ssl == NULL)
        return;
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, socket);
}

void
http_socket_finish(struct http_socket *socket)
{
    SSL_free(socket->ssl);
    socket->ssl = NULL;
    if (socket->fd >= 0)
        (void)close(socket->fd);
    socket->fd = -1;
}

static ssize_t
tls_result(const struct http_socket *socket, int result)
{
    if (result > 0)
        return result;
    int why = SSL_get_error(socket->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    ERR_clear_error();
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -EPROTO;
}

static ssize_t
plain_result(ssize_t result)
{
    if (result >= 0)
        return result;
    return errno == EINTR ? -EAGAIN : -errno;
}

static int
bounded(size_t size)
{
    return size > INT_MAX ? INT_MAX : (int)size;
}

ssize_t
http_socket_read(struct http_socket *socket, void *data, size_t size)
{
    if (socket->ssl != NULL) {
        ERR_clear_error();
        ssize_t got = tls_result(socket, SSL_read(socket->ssl, data, bounded(size)));
        if (got > 0)
            socket->key_updates = 0;
        return got;
    }
    ssize_t got;
    do
        got = recv(socket->fd, data, size, 0);
    while (got < 0 && errno == EINTR);
    return plain_result(got);
}

ssize_t
http_socket_write(struct http_socket *socket, const void *data, size_t size, bool more)
{
    if (socket->ssl != NULL) {
        ERR_clear_error();
        ssize_t sent = tls_result(socket, SSL_write(socket->ssl, data, bounded(size)));
        return sent == 0 ? -EPIPE : sent;
    }
    ssize_t sent;
    do
        sent = send(socket->fd, data, size, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    while (sent < 0 && errno == EINTR);
    return plain_result(sent);
}

ssize_t
http_socket_send_file(struct http_socket *socket, int file, uint64_t offset, size_t size)
{
    if (socket->ssl != NULL)
        return -EOPNOTSUPP;
    off_t from = (off_t)offset;
    ssize_t sent;
    do
        sent = sendfile(socket->fd, file, &from, size);
    while (sent < 0 && errno == EINTR);
    return plain_result(sent);
}

void
http_socket_end(struct http_socket *socket)
{
    if (socket->ssl != NULL && SSL_is_init_finished(socket->ssl)) {
        (void)SSL_shutdown(socket->ssl);
        ERR_clear_error();
    }
    (void)shutdown(socket->fd, SHUT_WR);
}
