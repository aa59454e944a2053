/*
 * client.h - true TCP connections for the clients that a load of dialogues pretends: both ends are ours, so that what
 * {client_addr}, {client_port}, {daemon_addr} and {daemon_port} name is an ESTABLISHED socket pair of this network namespace,
 * which a filter can watch with sock_diag.
 */
#ifndef TARSIER_BENCH_CLIENT_H
#define TARSIER_BENCH_CLIENT_H

#include "base/err.h"

#include <stdint.h>

struct client_server {
    int fd;
    char address[16];
    uint16_t port;
};

struct client_pair {
    int client, server; /* -1: none */
    uint16_t client_port;
};

/* Listen as the MTA would, on a free port of address. Errors: ERR_SYNTAX, ERR_IO (errno). Owner: client_server_close. */
MUST_CHECK enum err client_server_open(struct client_server *s, const char *address);
void client_server_close(struct client_server *s);

/*
 * Connect from the client's address (host order), which must be local to this namespace (`ip route add local 198.18.0.0/15
 * dev lo`). Errors: ERR_IO (errno). Owner: client_pair_close.
 */
MUST_CHECK enum err client_pair_open(struct client_pair *p, const struct client_server *s, uint32_t client);
/* Without TIME_WAIT. */
void client_pair_close(struct client_pair *p);

#endif
