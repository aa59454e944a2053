/*
 * listen.c - listening sockets, made by hand and then handed to libuv: uv_pipe_bind (1.44) cuts a long path without a word, and
 * uv_close would unlink a path that belongs to a successor by now.
 *
 * Names of hosts and groups are looked up here, blocking: before the loop runs.
 *
 * A socket whose file is gone (an administrator's rm, a cleaner of /run) has no way in any more, and nothing tells us. So every
 * two seconds a worker looks whether the file is there and is ours; if not it is made again, with the rights that we have by then.
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

enum {
    LISTEN_BACKLOG = 4096,  /* the kernel cuts it to net.core.somaxconn */
    DIRECTORY_MODE = 02750, /* its group is handed on to a socket that is made again without root's rights */
    COMPLAINT_MS = 60000,
    MODE_DEFAULT = 0660,
};

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

/* Its owner and group, then its mode. A sandbox may forbid the setgid bit (systemd's RestrictSUIDSGID): then without. */
static bool directory_give(int fd, const struct listener *l)
{
    if (fd < 0 || ((l->owner != (uid_t)-1 || l->group != (gid_t)-1) && fchown(fd, l->owner, l->group) < 0))
        return false;
    return fchmod(fd, l->directory_mode) == 0 || (errno == EPERM && fchmod(fd, l->directory_mode & 0777) == 0);
}

/* The last directory of the path, when it is missing; with its owner before anything can stand in it. */
static enum err directory_make(const struct listener *l, struct buf *why)
{
    const char *slash = strrchr(l->path, '/');
    if (!slash || slash == l->path)
        return ERR_NONE;
    struct buf dir = {0};
    buf_put(&dir, l->path, (size_t)(slash - l->path));
    const char *name = buf_cstr(&dir);
    enum err e = ERR_NONE;
    if (mkdir(name, l->directory_mode & 0777) < 0) {
        if (errno != EEXIST)
            e = fail(why, ERR_IO, "cannot make the directory", name);
    } else {
        int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (!directory_give(fd, l))
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
static enum err socket_claim(struct listener *l, struct buf *why)
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
    if ((l->group != (gid_t)-1 || l->owner != (uid_t)-1) && fchownat(fd, "", l->owner, l->group, AT_EMPTY_PATH) < 0)
        e = fail(why, ERR_IO, "cannot give away the socket", l->path);
    close(fd);
    return e;
}

static enum err unix_bind(struct listener *l, const struct sockaddr_un *at, int *out, struct buf *why)
{
    enum err e = directory_make(l, why);
    if (e == ERR_NONE)
        e = stale_remove(at, why);
    if (e != ERR_NONE)
        return e;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(why, ERR_IO, "cannot make a socket for", l->path);
    /* Linux gives the file the socket's own mode: there is no moment in which it has another one. */
    mode_t mask = umask(0);
    int r = fchmod(fd, l->mode);
    if (r == 0)
        r = bind(fd, (const struct sockaddr *)at, sizeof(*at));
    int error = errno;
    umask(mask);
    errno = error;
    if (r < 0) {
        e = fail(why, ERR_IO, "cannot bind", l->path);
        close(fd);
        return e;
    }
    *out = fd;
    return socket_claim(l, why);
}

/* ---- inet ---- */

/* Owner: freeaddrinfo. */
static enum err inet_find(const char *text, int family, struct addrinfo **out, struct buf *why)
{
    struct slice host = slice_cstr(text), port = slice_cut(&host, '@');
    struct buf port_text = {0}, host_text = {0};
    buf_put_slice(&port_text, port);
    host = slice_trim(host, "[]");
    buf_put_slice(&host_text, host);
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int g = getaddrinfo(host.len ? buf_cstr(&host_text) : NULL, buf_cstr(&port_text), &hints, out);
    buf_fini(&port_text);
    buf_fini(&host_text);
    if (g != 0) {
        buf_printf(why, "%s: %s", text, g == EAI_SYSTEM ? strerror(errno) : gai_strerror(g));
        return ERR_NOT_FOUND;
    }
    return ERR_NONE;
}

static enum err inet_bind(const char *text, const struct addrinfo *at, int *out, struct buf *why)
{
    int on = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(why, ERR_IO, "cannot make a socket for", text);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Inherited by what is accepted (Linux). An MTA's machine that lost its power must not keep its session for ever. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (at->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0) {
        enum err e = fail(why, errno == EADDRINUSE ? ERR_BUSY : ERR_IO, "cannot bind", text);
        close(fd);
        return e;
    }
    *out = fd;
    return ERR_NONE;
}

/* /etc/hosts and DNS may both know the name. */
static bool is_repeated(const struct addrinfo *all, const struct addrinfo *at)
{
    for (; all != at; all = all->ai_next)
        if (all->ai_addrlen == at->ai_addrlen && memcmp(all->ai_addr, at->ai_addr, at->ai_addrlen) == 0)
            return true;
    return false;
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

/* ---- listeners ---- */

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
    io->hooks.log(io->hooks.ctx, LOG_LEVEL_ERROR, buf_slice(&b), NULL);
    buf_fini(&b);
}

static void listener_unlink(struct listener *l)
{
    struct stat st;
    if (!l->inherited && l->path && l->ino && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
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
    struct listener *l = CONTAINER_OF(handle, struct listener, uv.handle);
    l->closed = true;
    if (!l->looking)
        listener_free(l);
}

static void listener_close(struct listener *l)
{
    if (l->waiting)
        l->io->listeners_waiting--;
    list_remove(&l->node);
    uv_close(&l->uv.handle, listener_closed);
}

void listener_close_all(struct io *io)
{
    while (!list_is_empty(&io->listeners)) {
        struct listener *l = CONTAINER_OF(io->listeners.next, struct listener, node);
        listener_unlink(l);
        listener_close(l);
    }
    if (!uv_is_closing((uv_handle_t *)&io->socket_look))
        uv_timer_stop(&io->socket_look);
}

/* Hand the bound socket to the loop. Owner: takes l and fd, also on error. */
static enum err listener_start(struct listener *l, int fd, struct buf *why)
{
    struct io *io = l->io;
    int r;
    if (l->path) {
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
        listener_unlink(l);
        listener_close(l);
        return r == UV_EADDRINUSE ? ERR_BUSY : ERR_IO;
    }
    return ERR_NONE;
}

/* ---- the file of a unix socket ---- */

/* One that was handed to us stays as it is: only its file is remembered. False: there is none. */
static bool unix_inherit(struct listener *l, const struct sockaddr_un *at, int *out)
{
    struct stat st;
    *out = inherited_take(l->io, (const struct sockaddr *)at);
    l->inherited = *out >= 0;
    if (l->inherited && lstat(l->path, &st) == 0) {
        l->dev = st.st_dev;
        l->ino = st.st_ino;
    }
    return l->inherited;
}

static enum err unix_open(struct listener *l, int *out, struct buf *why)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(l->path) >= sizeof(at.sun_path)) {
        buf_printf(why, "the path has %zu bytes, a socket's address holds %zu: %s", strlen(l->path), sizeof(at.sun_path) - 1,
                   l->path);
        return ERR_LIMIT;
    }
    memcpy(at.sun_path, l->path, strlen(l->path));
    return unix_inherit(l, &at, out) ? ERR_NONE : unix_bind(l, &at, out, why);
}

/* Owner: takes l, also on error. */
static enum err unix_start(struct listener *l, struct buf *why)
{
    int fd = -1;
    enum err e = unix_open(l, &fd, why);
    if (e == ERR_NONE)
        return listener_start(l, fd, why);
    if (fd >= 0)
        close(fd);
    listener_unlink(l);
    listener_free(l);
    return e;
}

static struct listener *unix_new(struct io *io, enum io_kind kind, const char *path)
{
    struct listener *l = mem_zalloc(sizeof(*l));
    struct buf text = {0};
    l->io = io;
    l->kind = kind;
    l->path = mem_strdup(path);
    buf_printf(&text, "unix:%s", path);
    l->text = mem_strdup(buf_cstr(&text));
    buf_fini(&text);
    return l;
}

static enum err unix_begin(struct listener *l, struct buf *why)
{
    struct io *io = l->io;
    uint64_t every_ms = (uint64_t)io->limits.socket_look_ms;
    enum err e = unix_start(l, why);
    if (e == ERR_NONE && !uv_is_active((uv_handle_t *)&io->socket_look))
        uv_timer_start(&io->socket_look, listener_look_fired, every_ms, every_ms);
    return e;
}

static enum err unix_listen(struct io *io, const struct io_listen *spec, const char *path, struct buf *why)
{
    gid_t group;
    enum err e = group_find(spec->group, &group, why);
    if (e != ERR_NONE)
        return e;
    struct listener *l = unix_new(io, spec->kind, path);
    l->mode = spec->mode < 0 ? MODE_DEFAULT : (mode_t)spec->mode & 0777;
    l->directory_mode = spec->directory_mode ? (mode_t)spec->directory_mode : DIRECTORY_MODE;
    l->owner = spec->owner;
    l->group = group;
    return unix_begin(l, why);
}

static void say(const struct listener *l, enum log_level level, const char *what, const char *why)
{
    struct buf line = {0};
    buf_printf(&line, "the socket %s was removed%s%s", l->path, what, why);
    l->io->hooks.log(l->io->hooks.ctx, level, buf_slice(&line), NULL);
    buf_fini(&line);
}

/*
 * On the loop: a handful of system calls, once. Connections that were made to the old file and not accepted yet are lost with it.
 * Where it cannot be made, the old one stays, so that it is tried again.
 */
static void unix_make_again(struct listener *old)
{
    struct io *io = old->io;
    struct listener *l = unix_new(io, old->kind, old->path);
    struct buf why = {0};
    l->mode = old->mode;
    l->directory_mode = old->directory_mode;
    l->owner = old->owner;
    l->group = old->group;
    if (unix_start(l, &why) == ERR_NONE) {
        say(l, LOG_LEVEL_WARNING, ": it is made again", "");
        listener_close(old);
    } else {
        old->lost = true;
        int64_t now_ms = io_now().mono.ms;
        if (!old->told_ms || now_ms - old->told_ms >= COMPLAINT_MS) {
            old->told_ms = now_ms;
            say(old, LOG_LEVEL_ERROR, ", and it cannot be made again: ", buf_cstr(&why));
        }
    }
    buf_fini(&why);
}

static void looked(uv_fs_t *look)
{
    struct listener *l = CONTAINER_OF(look, struct listener, look);
    bool is_ours = look->result == 0 && look->statbuf.st_dev == l->dev && look->statbuf.st_ino == l->ino;
    bool is_known = look->result == 0 || look->result == UV_ENOENT; /* another error tells nothing */
    uv_fs_req_cleanup(look);
    l->looking = false;
    if (l->closed)
        listener_free(l);
    else if (!list_is_empty(&l->node) && is_known && !is_ours)
        unix_make_again(l);
    else if (is_ours)
        l->lost = false;
}

bool io_listeners_are_there(const struct io *io, enum io_kind kind)
{
    for (const struct list *at = io->listeners.next; at != &io->listeners; at = at->next) {
        const struct listener *l = CONTAINER_OF(at, struct listener, node);
        if (l->kind == kind && l->lost)
            return false;
    }
    return true;
}

void listener_look_fired(uv_timer_t *timer)
{
    struct io *io = timer->loop->data;
    for (struct list *at = io->listeners.next; at != &io->listeners; at = at->next) {
        struct listener *l = CONTAINER_OF(at, struct listener, node);
        if (l->path && !l->looking)
            l->looking = uv_fs_lstat(&io->loop, &l->look, l->path, looked) == 0;
    }
}

/* ---- all ---- */

/* Owner: takes fd, also on error. */
static enum err inet_start(struct io *io, enum io_kind kind, int fd, struct buf *why)
{
    struct listener *l = mem_zalloc(sizeof(*l));
    l->io = io;
    l->kind = kind;
    l->text = inet_text(fd);
    return listener_start(l, fd, why);
}

/* "port[@host]": every address that the name has. */
static enum err inet_listen(struct io *io, enum io_kind kind, const char *text, int family, struct buf *why)
{
    struct addrinfo *found = NULL;
    enum err e = inet_find(text, family, &found, why);
    if (e != ERR_NONE)
        return e;
    for (const struct addrinfo *at = found; e == ERR_NONE && at; at = at->ai_next) {
        if (is_repeated(found, at))
            continue;
        int fd = inherited_take(io, at->ai_addr);
        if (fd < 0)
            e = inet_bind(text, at, &fd, why);
        if (e == ERR_NONE)
            e = inet_start(io, kind, fd, why);
    }
    freeaddrinfo(found);
    return e;
}

enum err io_listen(struct io *io, const struct io_listen *spec, struct buf *why)
{
    const char *address = spec->address;
    if (strncmp(address, "unix:", 5) == 0)
        return unix_listen(io, spec, address + 5, why);
    if (strncmp(address, "inet:", 5) == 0)
        return inet_listen(io, spec->kind, address + 5, AF_INET, why);
    if (strncmp(address, "inet6:", 6) == 0)
        return inet_listen(io, spec->kind, address + 6, AF_INET6, why);
    buf_printf(why, "%s: want unix:, inet: or inet6: in front", address);
    return ERR_SYNTAX;
}

/* Made again, should its file be removed, with the rights that it has now. */
static enum err unix_listen_inherited(struct io *io, const char *path, struct buf *why)
{
    struct stat st;
    struct listener *l = unix_new(io, IO_MTA, path);
    l->directory_mode = DIRECTORY_MODE;
    bool is_there = lstat(path, &st) == 0;
    l->mode = is_there ? st.st_mode & 0777 : MODE_DEFAULT;
    l->owner = (uid_t)-1; /* we may be nobody who can give it away by then */
    l->group = is_there ? st.st_gid : (gid_t)-1;
    return unix_begin(l, why);
}

enum err io_listen_inherited(struct io *io, struct buf *addresses, struct buf *why)
{
    enum err e = ERR_NONE;
    for (const struct sockaddr_storage *at; e == ERR_NONE && (at = inherited_first(io)) != NULL;) {
        if (at->ss_family == AF_UNIX)
            e = unix_listen_inherited(io, ((const struct sockaddr_un *)at)->sun_path, why);
        else
            e = inet_start(io, IO_MTA, inherited_take(io, (const struct sockaddr *)at), why);
        if (e == ERR_NONE) {
            buf_put_cstr(addresses, addresses->len > 0 ? ", " : "");
            buf_put_cstr(addresses, CONTAINER_OF(io->listeners.prev, struct listener, node)->text);
        }
    }
    return e;
}

void io_describe_listeners(const struct io *io, enum io_kind kind, struct buf *out)
{
    bool is_first = true;
    for (const struct list *at = io->listeners.next; at != &io->listeners; at = at->next) {
        const struct listener *l = CONTAINER_OF(at, struct listener, node);
        if (l->kind != kind)
            continue;
        if (!is_first)
            buf_put_cstr(out, ", ");
        is_first = false;
        buf_put_cstr(out, l->text);
    }
}
