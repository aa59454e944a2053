/* socket.h - the bench's sockets: a milter's address as Postfix writes it, listening, connecting, room for many files. */
#ifndef TARSIER_BENCH_SOCKET_H
#define TARSIER_BENCH_SOCKET_H

#include "base/err.h"

#include <stdint.h>
#include <sys/socket.h>

struct socket_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* "unix:/path", "inet:port@address", "inet6:port@address"; numbers only. Errors: ERR_SYNTAX. */
MUST_CHECK enum err socket_parse(const char *text, struct socket_address *out);

/* A non-blocking listening socket; a unix socket's old file is removed. -1 with errno. */
int socket_listen(const struct socket_address *a);

/*
 * A non-blocking socket whose connection is there or under way, TCP_NODELAY set. -1 with errno; EAGAIN: the unix socket's
 * queue is full, ask again.
 */
int socket_connect(const struct socket_address *a);

/* Raise the soft limit of open files as far as it goes; returns it. */
uint64_t socket_raise_files(void);

#endif
