/* inherit.c - LISTEN_PID and LISTEN_FDS. */
#include "daemon/inherit.h"
#include "daemon/notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    INHERIT_MAX = 64,      /* more are taken for a mistake */
    TURN_AWAY_MAX = 65536, /* who keeps connecting does not keep us */
};

int inherit_count(void)
{
    uint64_t pid, n;
    if (!notify_number("LISTEN_PID", &pid) || pid != (uint64_t)getpid() || !notify_number("LISTEN_FDS", &n) ||
        n > INHERIT_MAX)
        return 0;
    for (int fd = INHERIT_FIRST; fd < INHERIT_FIRST + (int)n; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return fd - INHERIT_FIRST;
    return (int)n;
}

static void turn_away(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return;
    for (int i = 0; i < TURN_AWAY_MAX; i++) {
        int client = accept(fd, NULL, NULL);
        if (client < 0)
            return;
        close(client);
    }
}

void inherit_turn_away(void)
{
    int n = inherit_count();
    for (int fd = INHERIT_FIRST; fd < INHERIT_FIRST + n; fd++)
        turn_away(fd);
}
