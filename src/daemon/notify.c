/* notify.c - one datagram to NOTIFY_SOCKET: a path, or a name in the abstract space written with '@' in front. */
#include "daemon/notify.h"
#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void notify_send(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len >= sizeof(to.sun_path) || (name[0] != '/' && name[0] != '@'))
        return;
    memcpy(to.sun_path, name, len);
    if (name[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
    (void)sent; /* the manager's own time-out tells of a loss */
    close(fd);
}

bool notify_number(const char *name, uint64_t *out)
{
    const char *text = getenv(name);
    return text && slice_to_u64(slice_cstr(text), out) == ERR_NONE;
}

int64_t notify_watchdog_ms(void)
{
    uint64_t pid, usec;
    if (notify_number("WATCHDOG_PID", &pid) && pid != (uint64_t)getpid()) /* it is for another process */
        return 0;
    return notify_number("WATCHDOG_USEC", &usec) && usec < INT64_MAX ? (int64_t)(usec / 1000) : 0;
}

void notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char state[80];
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(state);
}
