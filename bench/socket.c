/* socket.c - the bench's sockets. */
#include "socket.h"
#include "base/slice.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

static enum err parse_unix(struct slice path, struct socket_address *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;
    if (path.len == 0 || path.len >= sizeof(un->sun_path))
        return ERR_SYNTAX;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path.ptr, path.len);
    out->len = sizeof(*un);
    return ERR_NONE;
}

static enum err parse_inet(struct slice text, int family, struct socket_address *out)
{
    uint64_t port;
    struct slice digits = slice_cut(&text, '@');
    if (slice_to_u64(digits, &port) != ERR_NONE || port > UINT16_MAX || text.len == 0)
        return ERR_SYNTAX;
    /* what came from a C string ends with its NUL */
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        out->len = sizeof(*in);
        return inet_pton(AF_INET, text.ptr, &in->sin_addr) == 1 ? ERR_NONE : ERR_SYNTAX;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;
    *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    out->len = sizeof(*in6);
    return inet_pton(AF_INET6, text.ptr, &in6->sin6_addr) == 1 ? ERR_NONE : ERR_SYNTAX;
}

enum err socket_parse(const char *text, struct socket_address *out)
{
    *out = (struct socket_address){0};
    struct slice rest = slice_cstr(text);
    struct slice kind = slice_cut(&rest, ':');
    if (slice_eq_cstr(kind, "unix"))
        return parse_unix(rest, out);
    if (slice_eq_cstr(kind, "inet"))
        return parse_inet(rest, AF_INET, out);
    if (slice_eq_cstr(kind, "inet6"))
        return parse_inet(rest, AF_INET6, out);
    return ERR_SYNTAX;
}

int socket_listen(const struct socket_address *a)
{
    int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (a->storage.ss_family == AF_UNIX)
        unlink(((const struct sockaddr_un *)&a->storage)->sun_path);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&a->storage, a->len) == 0 && listen(fd, 4096) == 0)
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

int socket_connect(const struct socket_address *a)
{
    int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (a->storage.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)&a->storage, a->len) == 0 || errno == EINPROGRESS)
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

uint64_t socket_raise_files(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    /* above the hard limit only root may go, and not in every container */
    struct rlimit more = {1 << 18, 1 << 18};
    if (r.rlim_max < more.rlim_max && setrlimit(RLIMIT_NOFILE, &more) == 0)
        return more.rlim_cur;
    r.rlim_cur = r.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &r) == 0 ? r.rlim_cur : 0;
}
