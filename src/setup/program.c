/* program.c - fork, exec, two pipes and a time limit. */
#include "setup/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TIME_MAX_MS = 60000,
    SAID_MAX_BYTES = 2000, /* of standard error: its end */
    ARGUMENTS_MAX = 64,
    EXIT_NOT_FOUND = 127,
    PATH_MAX_BYTES = 4096,
};

/* Where programs of administrators are, which not everybody's PATH has. */
static const char *const more_dirs[] = {"/usr/sbin", "/usr/local/sbin", "/sbin"};

/* In the child, after fork: no allocation, nothing but execution. */
static void become(const char *const *argv)
{
    char path[PATH_MAX_BYTES];
    char *const *arguments = (char *const *)(uintptr_t)argv;
    execvp(argv[0], arguments);
    for (size_t i = 0; i < sizeof(more_dirs) / sizeof(more_dirs[0]) && !strchr(argv[0], '/'); i++) {
        size_t dir = strlen(more_dirs[i]), name = strlen(argv[0]);
        if (dir + 1 + name + 1 > sizeof(path))
            continue;
        memcpy(path, more_dirs[i], dir);
        path[dir] = '/';
        memcpy(path + dir + 1, argv[0], name + 1);
        execv(path, arguments);
    }
    _exit(EXIT_NOT_FOUND);
}

static pid_t start(const char *const *argv, int out[2], int said[2])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0 || dup2(said[1], STDERR_FILENO) < 0)
        _exit(EXIT_NOT_FOUND - 1);
    become(argv);
    _exit(EXIT_NOT_FOUND);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is there; at the end *fd is -1. */
static void take(int *fd, struct buf *to)
{
    char *room = buf_reserve(to, 4096);
    ssize_t n = read(*fd, room, 4096);
    if (n > 0)
        to->len += (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        *fd = -1;
}

/* Both pipes to their ends. False: too long or too much. */
static bool listen_to(int out_fd, int said_fd, struct buf *out, struct buf *said)
{
    struct pollfd fds[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = said_fd, .events = POLLIN}};
    struct buf *to[2] = {out, said};
    int64_t end = now_ms() + TIME_MAX_MS;
    size_t out_max = out->len + PROGRAM_OUTPUT_MAX_BYTES;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int64_t left = end - now_ms();
        int n = left > 0 ? poll(fds, 2, (int)left) : 0;
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        for (int i = 0; i < 2 && n > 0; i++)
            if (fds[i].fd >= 0 && fds[i].revents)
                take(&fds[i].fd, to[i]);
        if (out->len > out_max || said->len > PROGRAM_OUTPUT_MAX_BYTES)
            return false;
    }
    return true;
}

static struct slice last_of(const struct buf *said)
{
    struct slice all = slice_trim(slice_of(said->ptr ? said->ptr : "", said->len), " \t\r\n");
    return all.len > SAID_MAX_BYTES ? slice_from(all, all.len - SAID_MAX_BYTES) : all;
}

static enum err result(const char *name, int status, const struct buf *said, struct buf *why)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ERR_NONE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND && said->len == 0) {
        buf_printf(why, "%s is not installed here", name);
        return ERR_NOT_FOUND;
    }
    if (WIFEXITED(status))
        buf_printf(why, "%s failed (exit status %d)", name, WEXITSTATUS(status));
    else
        buf_printf(why, "%s ended by signal %d", name, WTERMSIG(status));
    struct slice text = last_of(said);
    if (text.len > 0)
        buf_put_cstr(why, ": ");
    for (struct slice line; text.len > 0;) {
        line = slice_cut(&text, '\n');
        buf_put_visible(why, line);
        if (text.len > 0)
            buf_put_cstr(why, "; ");
    }
    return ERR_IO;
}

static void close_both(int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

enum err program_run(const char *const *argv, struct buf *out, struct buf *why)
{
    int out_fds[2] = {-1, -1}, said_fds[2] = {-1, -1}, status = 0;
    struct buf said = {0};
    pid_t pid = -1;
    if (pipe2(out_fds, O_CLOEXEC) == 0 && pipe2(said_fds, O_CLOEXEC) == 0)
        pid = start(argv, out_fds, said_fds);
    if (pid < 0) {
        buf_printf(why, "%s cannot be started: %s", argv[0], strerror(errno));
        close_both(out_fds);
        close_both(said_fds);
        return ERR_IO;
    }
    close(out_fds[1]);
    close(said_fds[1]);
    bool heard = listen_to(out_fds[0], said_fds[0], out, &said);
    close(out_fds[0]);
    close(said_fds[0]);
    if (!heard)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    enum err e = heard ? result(argv[0], status, &said, why) : ERR_LIMIT;
    if (!heard)
        buf_printf(why, "%s did not end, or said too much: it was killed", argv[0]);
    buf_fini(&said);
    return e;
}

enum err program_postconf(const char *config_dir, const char *const *arguments, struct buf *out, struct buf *why)
{
    const char *argv[ARGUMENTS_MAX] = {"postconf", "-c", config_dir};
    size_t n = 3;
    for (; *arguments; arguments++) {
        if (n + 1 >= ARGUMENTS_MAX) {
            buf_put_cstr(why, "too many arguments");
            return ERR_LIMIT;
        }
        argv[n++] = *arguments;
    }
    return program_run(argv, out, why);
}
