/* reach.c - a child process that becomes the MTA's user, connects, and negotiates. */
#include "setup/reach.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_SEC = 10, HOST_MAX_BYTES = 256 };

/* What the child tells: how far it came, and errno. */
struct told {
    enum { STEP_BECOME, STEP_RESOLVE, STEP_CONNECT, STEP_NEGOTIATE, STEP_DONE } step;
    int error;
};

/* SMFIC_OPTNEG: version 6, all actions and steps that Postfix 3.4 knows (libmilter/mfdef.h); SMFIC_QUIT. */
static const uint8_t negotiation[] = {0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff};
static const uint8_t farewell[] = {0, 0, 0, 1, 'Q'};

static bool become(const struct reach_question *q)
{
    struct passwd *pw;
    if (geteuid() != 0)
        return true;
    errno = 0;
    pw = getpwnam(q->user);
    if (!pw) {
        errno = errno ? errno : ENOENT;
        return false;
    }
    if (initgroups(pw->pw_name, pw->pw_gid) != 0)
        return false;
    if (q->chroot && (chroot(q->chroot) != 0 || chdir("/") != 0))
        return false;
    return setgid(pw->pw_gid) == 0 && setuid(pw->pw_uid) == 0;
}

/* chroot: where we are by now; NULL: nowhere. */
static int connect_unix(const char *path, const char *chroot)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t below = chroot ? strlen(chroot) : 0;
    size_t n = strlen(path);
    errno = ENAMETOOLONG;
    if (n < below || n - below >= sizeof(to.sun_path))
        return -1;
    memcpy(to.sun_path, path + below, n - below);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

/* "inet:port@host"; looked up before the chroot, where there may be no resolver. */
static struct addrinfo *look_up(const char *address)
{
    char host[HOST_MAX_BYTES], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct slice rest = slice_cstr(address);
    (void)slice_cut(&rest, ':');
    struct slice number = slice_cut(&rest, '@');
    if (number.len >= sizeof(port) || rest.len == 0 || rest.len >= sizeof(host))
        return NULL;
    memcpy(port, number.ptr, number.len);
    port[number.len] = '\0';
    memcpy(host, rest.ptr, rest.len);
    host[rest.len] = '\0';
    return getaddrinfo(host, port, &hints, &found) == 0 ? found : NULL;
}

static int connect_inet(const struct addrinfo *to)
{
    for (; to; to = to->ai_next) {
        int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) == 0)
            return fd;
        int error = errno;
        if (fd >= 0)
            close(fd);
        errno = error;
    }
    return -1;
}

static bool negotiate(int fd)
{
    uint8_t answer[5];
    struct timeval patience = {.tv_sec = PATIENCE_SEC / 2};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (send(fd, negotiation, sizeof(negotiation), MSG_NOSIGNAL) != (ssize_t)sizeof(negotiation))
        return false;
    for (size_t n = 0; n < sizeof(answer);) {
        ssize_t got = recv(fd, answer + n, sizeof(answer) - n, 0);
        if (got < 0)
            return false;
        errno = ECONNRESET;
        if (got == 0)
            return false;
        n += (size_t)got;
    }
    errno = EPROTO;
    if (answer[4] != 'O')
        return false;
    (void)send(fd, farewell, sizeof(farewell), MSG_NOSIGNAL);
    return true;
}

static struct told try_it(const struct reach_question *q)
{
    bool is_unix = slice_has_prefix(slice_cstr(q->address), "unix:"), is_root = geteuid() == 0;
    struct addrinfo *to = is_unix ? NULL : look_up(q->address);
    if (!is_unix && !to)
        return (struct told){STEP_RESOLVE, ENOENT};
    if (!become(q))
        return (struct told){STEP_BECOME, errno};
    int fd = is_unix ? connect_unix(q->address + strlen("unix:"), is_root ? q->chroot : NULL) : connect_inet(to);
    if (fd < 0)
        return (struct told){STEP_CONNECT, errno};
    if (!negotiate(fd))
        return (struct told){STEP_NEGOTIATE, errno};
    return (struct told){STEP_DONE, 0};
}

/* Run try_it as a child, so that nothing of it stays with us. */
static struct told ask_child(const struct reach_question *q)
{
    struct told told = {STEP_BECOME, ETIMEDOUT};
    int pipe_fds[2];
    if (pipe(pipe_fds) != 0)
        return (struct told){STEP_BECOME, errno};
    pid_t pid = fork();
    if (pid == 0) {
        alarm(PATIENCE_SEC);
        told = try_it(q);
        _exit(write(pipe_fds[1], &told, sizeof(told)) == (ssize_t)sizeof(told) ? 0 : 1);
    }
    close(pipe_fds[1]);
    if (pid < 0 || read(pipe_fds[0], &told, sizeof(told)) != (ssize_t)sizeof(told))
        told = (struct told){STEP_CONNECT, pid < 0 ? errno : ETIMEDOUT};
    close(pipe_fds[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return told;
}

enum reach_answer reach_try(const struct reach_question *q, struct buf *why)
{
    struct told told = ask_child(q);
    if (told.step == STEP_DONE)
        return REACH_ANSWERS;
    if (told.step == STEP_BECOME) {
        buf_printf(why, "cannot become %s%s%s: %s", q->user, q->chroot ? " in " : "", q->chroot ? q->chroot : "",
                   strerror(told.error));
        return REACH_FAILED;
    }
    if (told.step == STEP_NEGOTIATE) {
        buf_printf(why, "who listens at %s does not answer as a milter: %s", q->address, strerror(told.error));
        return REACH_NO_MILTER;
    }
    buf_printf(why, "%s: %s", q->address, told.step == STEP_RESOLVE ? "the host is not known" : strerror(told.error));
    if (told.error == EACCES || told.error == EPERM)
        return REACH_REFUSED;
    return told.error == ENOENT || told.error == ECONNREFUSED ? REACH_MISSING : REACH_FAILED;
}
