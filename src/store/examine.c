/* examine.c - a process that looks at the store. */
#include "store/examine.h"

#include "base/mem.h"
#include "store/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TIME_LEAST_SEC = 60,
    BYTES_PER_SEC = 1 << 20, /* a slow disk's, with the new store's commits */
    NICE = 19,
};

/* Beside what the process has already: the walk takes a bit a page, the new store's map twice the file. */
#define MEMORY_LEAST_BYTES ((rlim_t)256 << 20)

/* ---- in the new process ---- */

static void close_others(int keep)
{
    if ((keep <= STDERR_FILENO + 1 || close_range(STDERR_FILENO + 1, (unsigned)keep - 1, 0) == 0) &&
        close_range((unsigned)keep + 1, ~0U, 0) == 0)
        return;
    long max = sysconf(_SC_OPEN_MAX);
    for (int fd = STDERR_FILENO + 1; fd < max; fd++) {
        if (fd != keep)
            close(fd);
    }
}

/* Bytes of address space that we have; 0: not known, and then not bounded. */
static rlim_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%llu", &pages) != 1)
        pages = 0;
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void limit(__rlimit_resource_t what, rlim_t value)
{
    struct rlimit was, now = {value, value};
    if (getrlimit(what, &was) == 0 && (was.rlim_max == RLIM_INFINITY || value < was.rlim_max))
        (void)setrlimit(what, &now);
}

static _Noreturn void work(enum examine_job job, const char *directory, int fd, pid_t parent, rlim_t seconds, rlim_t bytes)
{
    struct salvage_report report;
    guard_forget(); /* what happens here is no crash of the daemon's */
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(1);
    (void)prctl(PR_SET_NAME, "tarsier-examine", 0, 0, 0);
    rlim_t have = address_space();
    close_others(fd);
    limit(RLIMIT_CPU, seconds);
    limit(RLIMIT_CORE, 0);
    if (have > 0)
        limit(RLIMIT_AS, have + bytes);
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    if (job == EXAMINE_AND_MAKE)
        salvage_make(directory, &report);
    else
        salvage_examine(directory, false, &report);
    _exit(write(fd, &report, sizeof(report)) == (ssize_t)sizeof(report) ? 0 : 1);
}

/* ---- in the daemon ---- */

static rlim_t data_bytes(const char *directory)
{
    struct buf path = {0};
    struct stat st;
    buf_printf(&path, "%s/data.mdb", directory);
    rlim_t bytes = stat(buf_cstr(&path), &st) == 0 ? (rlim_t)st.st_size : 0;
    buf_fini(&path);
    return bytes;
}

int examine_start(struct examine *x, enum examine_job job, const char *directory, int64_t now_ms)
{
    int ends[2];
    rlim_t bytes = data_bytes(directory), seconds = TIME_LEAST_SEC + bytes / BYTES_PER_SEC;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        work(job, directory, ends[1], parent, seconds, MEMORY_LEAST_BYTES + 4 * bytes);
    int rc = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return rc;
    }
    *x = (struct examine){.pid = pid, .fd = ends[0], .until_ms = now_ms + (int64_t)seconds * 1000};
    return 0;
}

static void forget(struct examine *x)
{
    close(x->fd);
    *x = (struct examine){.fd = -1};
}

void examine_stop(struct examine *x)
{
    if (x->pid <= 0)
        return;
    (void)kill(x->pid, SIGKILL);
    while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    forget(x);
}

enum examine_result examine_poll(struct examine *x, int64_t now_ms, struct salvage_report *out)
{
    int status;
    pid_t ended = waitpid(x->pid, &status, WNOHANG);
    if (ended == 0 && now_ms < x->until_ms)
        return EXAMINE_RUNS;
    if (ended == 0) {
        examine_stop(x);
        return EXAMINE_LATE;
    }
    bool late = ended == x->pid && WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL);
    bool done = !late && read(x->fd, out, sizeof(*out)) == (ssize_t)sizeof(*out);
    forget(x);
    return done ? EXAMINE_DONE : late ? EXAMINE_LATE : EXAMINE_DIED;
}
