/* guard.c - marks, and the handlers that leave them. */
#include "store/guard.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { MARK_NONE = '.', MARK_CRASH = '!', MARK_EXAMINED = 'c' };

static const int signals[] = {SIGBUS, SIGSEGV, SIGFPE, SIGABRT};

/* A signal handler has no other way to what it needs to know. */
static struct {
    atomic_int fd; /* -1: none */
    atomic_uint slot;
    atomic_uintptr_t map, map_end;
    struct sigaction before[COUNT_OF(signals)];
} guarded = {.fd = -1};
static _Thread_local volatile bool entered;

/* ---- marks ---- */

static bool read_marks(int fd, char marks[GUARD_CRASHES_MAX])
{
    return fd >= 0 && pread(fd, marks, GUARD_CRASHES_MAX, 0) == GUARD_CRASHES_MAX;
}

/* Without them the next crash may go unseen: nothing more can be done about it. */
static void write_marks(int fd, const char marks[GUARD_CRASHES_MAX])
{
    if (pwrite(fd, marks, GUARD_CRASHES_MAX, 0) != GUARD_CRASHES_MAX)
        errno = 0;
}

void guard_clear(int fd)
{
    char marks[GUARD_CRASHES_MAX];
    memset(marks, MARK_NONE, sizeof(marks));
    write_marks(fd, marks);
    atomic_store(&guarded.slot, 0);
}

void guard_prepare(int fd)
{
    char marks[GUARD_CRASHES_MAX];
    if (!read_marks(fd, marks))
        guard_clear(fd);
}

struct guard_marks guard_read(int fd)
{
    struct guard_marks found = {0};
    char marks[GUARD_CRASHES_MAX];
    if (!read_marks(fd, marks))
        return found;
    for (int i = 0; i < GUARD_CRASHES_MAX; i++) {
        found.unexamined += marks[i] == MARK_CRASH;
        found.crashes += marks[i] == MARK_CRASH || marks[i] == MARK_EXAMINED;
    }
    return found;
}

static unsigned next_slot(int fd)
{
    unsigned crashes = guard_read(fd).crashes;
    return crashes < GUARD_CRASHES_MAX ? crashes : GUARD_CRASHES_MAX - 1;
}

void guard_mark(int fd)
{
    const char mark = MARK_CRASH;
    if (pwrite(fd, &mark, 1, (off_t)next_slot(fd)) == 1)
        atomic_store(&guarded.slot, next_slot(fd));
}

void guard_set_examined(int fd)
{
    char marks[GUARD_CRASHES_MAX];
    if (!read_marks(fd, marks))
        return;
    for (int i = 0; i < GUARD_CRASHES_MAX; i++)
        marks[i] = marks[i] == MARK_CRASH ? MARK_EXAMINED : marks[i];
    write_marks(fd, marks);
}

/* ---- signals ---- */

static void handle(int signo, siginfo_t *info, void *context)
{
    const char mark = MARK_CRASH;
    uintptr_t at = (uintptr_t)info->si_addr;
    bool has_address = info->si_code > 0 && (signo == SIGBUS || signo == SIGSEGV);
    bool in_map = has_address && at >= atomic_load(&guarded.map) && at < atomic_load(&guarded.map_end);
    int fd = atomic_load(&guarded.fd);
    (void)context;
    if (fd >= 0 && (in_map || (entered && info->si_code != SI_USER)))
        (void)!pwrite(fd, &mark, 1, (off_t)atomic_load(&guarded.slot));
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        if (signals[i] == signo)
            (void)sigaction(signo, &guarded.before[i], NULL);
    }
    /* A fault comes again as soon as we return, and abort raises its signal again; what somebody has sent has to be sent again. */
    if (info->si_code <= 0)
        (void)raise(signo);
}

void guard_install(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        (void)sigaction(signals[i], &action, &guarded.before[i]);
}

void guard_watch(int fd, const void *map, size_t len)
{
    atomic_store(&guarded.fd, fd);
    atomic_store(&guarded.slot, next_slot(fd));
    atomic_store(&guarded.map_end, 0);
    atomic_store(&guarded.map, (uintptr_t)map);
    atomic_store(&guarded.map_end, (uintptr_t)map + len);
}

void guard_forget(void)
{
    atomic_store(&guarded.fd, -1);
    atomic_store(&guarded.map_end, 0);
}

void guard_enter(void)
{
    entered = true;
}

void guard_leave(void)
{
    entered = false;
}
