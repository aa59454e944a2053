/*
 * listen.c - listening sockets, made by hand and then handed to libuv: uv_pipe_bind (1.44) cuts a long path without a word, and
 * uv_close would unlink a path that belongs to a successor by now.
 *
 * Names of hosts and groups are looked up here, blocking: before the loop runs.
 */
#include "io/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096 }; /* the kernel cuts it to net.core.somaxconn */

static enum err fail(struct buf *why, enum err e, const char *what, const char *name)
{
    buf_printf(why, "%s %s: %s", what, name, strerror(errno));
    return e;
}

/* ---- unix ---- */

static enum err group_find(const char *name, gid_t *gid, struct buf *why)
{
    *gid = (gid_t)-1;
    if (!name)
        return ERR_NONE;
    uint64_t number;
    if (slice_to_u64(slice_cstr(name), &number) == ERR_NONE && number < (gid_t)-1) {
        *gid = (gid_t)number;
        return ERR_NONE;
    }
    const struct group *g = getgrnam(name);
    if (!g) {
        buf_printf(why, "no such group: %s", name);
        return ERR_NOT_FOUND;
    }
    *gid = g->gr_gid;
    return ERR_NONE;
}

/* The last directory of the path, when it is missing; with its owner before anything can stand in it. */
static enum err directory_make(const char *path, const struct io_listen *spec, gid_t gid, struct buf *why)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return ERR_NONE;
    struct buf dir = {0};
    buf_put(&dir, path, (size_t)(slash - path));
    const char *name = buf_cstr(&dir);
    enum err e = ERR_NONE;
    if (mkdir(name, 0750) < 0) {
        if (errno != EEXIST)
            e = fail(why, ERR_IO, "cannot make the directory", name);
    } else {
        int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchown(fd, spec->owner, gid) < 0 || fchmod(fd, 0750) < 0)
            e = fail(why, ERR_IO, "cannot give away the directory", name);
        if (fd >= 0)
            close(fd);
    }
    buf_fini(&dir);
    return e;
}

/* Remove a socket file that nobody answers at. Anything else that stands there is left alone and is an error. */
static enum err stale_remove(const struct sockaddr_un *at, struct buf *why)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0)
        return errno == ENOENT ? ERR_NONE : fail(why, ERR_IO, "cannot look at", at->sun_path);
    if (!S_ISSOCK(st.st_mode)) {
        buf_printf(why, "%s is there and is no socket", at->sun_path);
        return ERR_EXISTS;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(why, ERR_IO, "cannot make a socket for", at->sun_path);
    int r = connect(fd, (const struct sockaddr *)at, sizeof(*at));
    int error = r < 0 ? errno : 0;
    close(fd);
    if (error != ECONNREFUSED) { /* 0, and EAGAIN: its queue is full */
        if (error && error != EAGAIN) {
            errno = error;
            return fail(why, ERR_IO, "cannot try", at->sun_path);
        }
        buf_printf(why, "somebody listens at %s already", at->sun_path);
        return ERR_BUSY;
    }
    if (unlink(at->sun_path) < 0)
        return fail(why, ERR_IO, "cannot remove the stale socket", at->sun_path);
    return ERR_NONE;
}

/*
 * Remember which file is ours, and give it away. Through a descriptor of the file itself (O_PATH): the directory may belong
 * to the user whom we become, who must not be able to put a link in the way while we are root.
 */
static enum err socket_claim(struct listener *l, const struct io_listen *spec, gid_t gid, struct buf *why)
{
    int fd = open(l->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        enum err e = fail(why, ERR_IO, "cannot look at", l->path);
        if (fd >= 0)
            close(fd);
        return e;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    enum err e = ERR_NONE;
    if ((gid != (gid_t)-1 || spec->owner != (uid_t)-1) && fchownat(fd, "", spec->owner, gid, AT_EMPTY_PATH) < 0)
        e = fail(why, ERR_IO, "cannot give away the socket", l->path);
    close(fd);
    return e;
}

static enum err unix_bind(struct listener *l, const struct io_listen *spec, int *out, struct buf *why)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(l->path) >= sizeof(at.sun_path)) {
        buf_printf(why, "the path has %zu bytes, a socket's address holds %zu: %s", strlen(l->path), sizeof(at.sun_path) - 1,
                   l->path);
        return ERR_LIMIT;
    }
    memcpy(at.sun_path, l->path, strlen(l->path));
    gid_t gid;
    enum err e = group_find(spec->group, &gid, why);
    if (e == ERR_NONE)
        e = directory_make(l->path, spec, gid, why);
    if (e == ERR_NONE)
        e = stale_remove(&at, why);
    if (e != ERR_NONE)
        return e;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(why, ERR_IO, "cannot make a socket for", l->path);
    /* Linux gives the file the socket's own mode: there is no moment in which it has another one. */
    mode_t mode = spec->mode < 0 ? 0660 : (mode_t)spec->mode & 0777;
    mode_t mask = umask(0);
    int r = fchmod(fd, mode);
    if (r == 0)
        r = bind(fd, (struct sockaddr *)&at, sizeof(at));
    int error = errno;
    umask(mask);
    errno = error;
    if (r < 0) {
        e = fail(why, ERR_IO, "cannot bind", l->path);
        close(fd);
        return e;
    }
    *out = fd;
    return socket_claim(l, spec, gid, why);
}

/* ---- inet ---- */

/* "port[@host]" */
static enum err inet_bind(const char *text, int family, int *out, struct buf *why)
{
    struct slice host = slice_cstr(text), port = slice_cut(&host, '@');
    struct buf port_text = {0}, host_text = {0};
    buf_put_slice(&port_text, port);
    host = slice_trim(host, "[]");
    buf_put_slice(&host_text, host);
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int g = getaddrinfo(host.len ? buf_cstr(&host_text) : NULL, buf_cstr(&port_text), &hints, &found);
    buf_fini(&port_text);
    buf_fini(&host_text);
    if (g != 0) {
        buf_printf(why, "%s: %s", text, g == EAI_SYSTEM ? strerror(errno) : gai_strerror(g));
        return ERR_NOT_FOUND;
    }
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    enum err e = ERR_NONE;
    if (fd < 0) {
        e = fail(why, ERR_IO, "cannot make a socket for", text);
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        /* Inherited by what is accepted (Linux). An MTA's machine that lost its power must not keep its session for ever. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        if (family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        if (bind(fd, found->ai_addr, found->ai_addrlen) < 0) {
            e = fail(why, errno == EADDRINUSE ? ERR_BUSY : ERR_IO, "cannot bind", text);
            close(fd);
        } else {
            *out = fd;
        }
    }
    freeaddrinfo(found);
    return e;
}

static char *inet_text(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct buf b = {0};
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0 ||
        getnameinfo((struct sockaddr *)&at, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) !=
            0)
        return mem_strdup("inet");
    buf_printf(&b, at.ss_family == AF_INET6 ? "inet6:%s@[%s]" : "inet:%s@%s", port, host);
    char *text = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

/* ---- both ---- */

static void accepting(uv_stream_t *server, int status)
{
    struct listener *l = CONTAINER_OF(server, struct listener, uv.stream);
    struct io *io = l->io;
    if (status >= 0) {
        conn_accept(l);
        return;
    }
    struct instant now = io_now();
    if (io->accept_told.mono.ms && now.mono.ms - io->accept_told.mono.ms < 60000)
        return;
    io->accept_told = now;
    struct buf b = {0};
    buf_printf(&b, "cannot accept on %s: %s", l->text, uv_strerror(status));
    io->hooks.log(io->hooks.ctx, LOG_LEVEL_ERROR, buf_slice(&b));
    buf_fini(&b);
}

static void listener_unlink(struct listener *l)
{
    struct stat st;
    if (l->path && l->ino && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
        unlink(l->path);
}

static void listener_free(struct listener *l)
{
    free(l->text);
    free(l->path);
    free(l);
}

static void listener_closed(uv_handle_t *handle)
{
    listener_free(CONTAINER_OF(handle, struct listener, uv.handle));
}

void listener_close_all(struct io *io)
{
    while (!list_is_empty(&io->listeners)) {
        struct listener *l = CONTAINER_OF(io->listeners.next, struct listener, node);
        list_remove(&l->node);
        listener_unlink(l);
        uv_close(&l->uv.handle, listener_closed);
    }
}

static enum err address_bind(struct listener *l, const struct io_listen *spec, int *fd, struct buf *why)
{
    if (strncmp(spec->address, "unix:", 5) == 0) {
        l->is_unix = true;
        l->path = mem_strdup(spec->address + 5);
        l->text = mem_strdup(spec->address);
        return unix_bind(l, spec, fd, why);
    }
    enum err e = ERR_SYNTAX;
    if (strncmp(spec->address, "inet:", 5) == 0)
        e = inet_bind(spec->address + 5, AF_INET, fd, why);
    else if (strncmp(spec->address, "inet6:", 6) == 0)
        e = inet_bind(spec->address + 6, AF_INET6, fd, why);
    else
        buf_printf(why, "%s: want unix:, inet: or inet6: in front", spec->address);
    if (e == ERR_NONE)
        l->text = inet_text(*fd);
    return e;
}

enum err io_listen(struct io *io, const struct io_listen *spec, struct buf *why)
{
    struct listener *l = mem_zalloc(sizeof(*l));
    int fd = -1;
    l->io = io;
    enum err e = address_bind(l, spec, &fd, why);
    if (e != ERR_NONE) {
        if (fd >= 0)
            close(fd);
        listener_unlink(l);
        listener_free(l);
        return e;
    }
    int r;
    if (l->is_unix) {
        uv_pipe_init(&io->loop, &l->uv.pipe, 0);
        r = uv_pipe_open(&l->uv.pipe, fd);
    } else {
        uv_tcp_init(&io->loop, &l->uv.tcp);
        r = uv_tcp_open(&l->uv.tcp, fd);
    }
    list_push_back(&io->listeners, &l->node);
    if (r < 0)
        close(fd);
    else
        r = uv_listen(&l->uv.stream, LISTEN_BACKLOG, accepting);
    if (r < 0) {
        buf_printf(why, "cannot listen on %s: %s", l->text, uv_strerror(r));
        list_remove(&l->node);
        listener_unlink(l);
        uv_close(&l->uv.handle, listener_closed);
        return r == UV_EADDRINUSE ? ERR_BUSY : ERR_IO;
    }
    return ERR_NONE;
}

void io_describe_listeners(const struct io *io, struct buf *out)
{
    for (const struct list *at = io->listeners.next; at != &io->listeners; at = at->next) {
        if (at != io->listeners.next)
            buf_put_cstr(out, ", ");
        buf_put_cstr(out, CONTAINER_OF(at, struct listener, node)->text);
    }
}
