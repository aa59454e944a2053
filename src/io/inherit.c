/*
 * inherit.c - listening sockets that somebody else has made and keeps: systemd's, by tarsierd.socket. It goes on listening while
 * one process follows the other, and whoever connects meanwhile waits in its queue. So its file is never removed here.
 */
#include "io/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Only what tells one address from another: what pads a structure has any value. */
static bool address_equal(const struct sockaddr_storage *a, const struct sockaddr *b)
{
    if (a->ss_family != b->sa_family)
        return false;
    if (b->sa_family == AF_UNIX)
        return strcmp(((const struct sockaddr_un *)a)->sun_path, ((const struct sockaddr_un *)b)->sun_path) == 0;
    if (b->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;
    return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

static bool option_is(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

/*
 * Whether somebody can come in by the file: it may be gone, or be of a socket that nobody has any more. Asked with a datagram
 * socket: what is alive there is of another type (EPROTOTYPE), and no connection is made.
 */
static enum err file_check(const struct sockaddr_un *at, struct buf *why)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)at, sizeof(*at));
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (r < 0 && error == EPROTOTYPE)
        return ERR_NONE;
    buf_printf(why, "%s does not lead to it any more (%s); stop its socket unit and this one, and start them", at->sun_path,
               strerror(r < 0 ? error : EPROTOTYPE));
    return ERR_NOT_FOUND;
}

enum err io_inherit(struct io *io, int fd, struct buf *why)
{
    struct inherited in = {.fd = -1};
    socklen_t len = sizeof(in.address) - 1; /* the last byte stays 0: a path need not end in one */
    if (getsockname(fd, (struct sockaddr *)&in.address, &len) < 0 || !option_is(fd, SO_TYPE, SOCK_STREAM) ||
        !option_is(fd, SO_ACCEPTCONN, 1)) {
        buf_printf(why, "descriptor %d is no listening stream socket", fd);
        return ERR_UNSUPPORTED;
    }
    const struct sockaddr_un *file = (const struct sockaddr_un *)&in.address;
    int family = in.address.ss_family;
    if ((family != AF_UNIX || file->sun_path[0] != '/') && family != AF_INET && family != AF_INET6) {
        buf_printf(why, "descriptor %d has an address of a kind that is not known here", fd);
        return ERR_UNSUPPORTED;
    }
    enum err e = family == AF_UNIX ? file_check(file, why) : ERR_NONE;
    if (e != ERR_NONE)
        return e;
    in.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (in.fd < 0) {
        buf_printf(why, "descriptor %d: %s", fd, strerror(errno));
        return ERR_IO;
    }
    io->inherited = mem_grow(io->inherited, &io->cap_inherited, io->n_inherited + 1, sizeof(*io->inherited));
    io->inherited[io->n_inherited++] = in;
    return ERR_NONE;
}

int inherited_take(struct io *io, const struct sockaddr *at)
{
    for (size_t i = 0; i < io->n_inherited; i++) {
        struct inherited *in = &io->inherited[i];
        if (in->fd >= 0 && address_equal(&in->address, at)) {
            int fd = in->fd;
            in->fd = -1;
            return fd;
        }
    }
    return -1;
}

const struct sockaddr_storage *inherited_first(const struct io *io)
{
    for (size_t i = 0; i < io->n_inherited; i++)
        if (io->inherited[i].fd >= 0)
            return &io->inherited[i].address;
    return NULL;
}

void inherited_free(struct io *io)
{
    for (size_t i = 0; i < io->n_inherited; i++)
        if (io->inherited[i].fd >= 0)
            close(io->inherited[i].fd);
    free(io->inherited);
}
