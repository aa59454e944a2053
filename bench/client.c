/* client.c - true TCP connections for pretended clients. */
#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum err client_server_open(struct client_server *s, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof(in);
    *s = (struct client_server){.fd = -1};
    snprintf(s->address, sizeof(s->address), "%s", address);
    if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
        return ERR_SYNTAX;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&in, sizeof(in)) != 0 || listen(s->fd, 4096) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&in, &len) != 0) {
        client_server_close(s);
        return ERR_IO;
    }
    s->port = ntohs(in.sin_port);
    return ERR_NONE;
}

void client_server_close(struct client_server *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

enum err client_pair_open(struct client_pair *p, const struct client_server *s, uint32_t client)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(client)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    socklen_t len = sizeof(from);
    int on = 1;
    p->server = -1;
    p->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* the port is chosen at connect, per pair of addresses: tens of thousands fit */
    if (p->client < 0 || inet_pton(AF_INET, s->address, &to.sin_addr) != 1 ||
        setsockopt(p->client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0 ||
        bind(p->client, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        connect(p->client, (struct sockaddr *)&to, sizeof(to)) != 0 || /* at once: the loopback device */
        getsockname(p->client, (struct sockaddr *)&from, &len) != 0 ||
        (p->server = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) < 0) {
        client_pair_close(p);
        return ERR_IO;
    }
    p->client_port = ntohs(from.sin_port);
    return ERR_NONE;
}

void client_pair_close(struct client_pair *p)
{
    const struct linger reset = {1, 0};
    if (p->client >= 0) {
        setsockopt(p->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(p->client);
    }
    if (p->server >= 0)
        close(p->server);
    p->client = p->server = -1;
}
