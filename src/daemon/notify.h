/* notify.h - tell the service manager how we are: sd_notify(3)'s protocol, without its library. */
#ifndef TARSIER_DAEMON_NOTIFY_H
#define TARSIER_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* A number that the manager has put into the environment. False: there is none. */
bool notify_number(const char *name, uint64_t *out);

/* "READY=1", "STOPPING=1" …, to where NOTIFY_SOCKET points; nothing happens where it is not set. Does not block. */
void notify_send(const char *state);
/* WATCHDOG_USEC: the manager ends us when it has not heard WATCHDOG=1 for so long; 0: it does not care. */
int64_t notify_watchdog_ms(void);
/* RELOADING=1 with the time that Type=notify-reload asks for. */
void notify_reloading(void);

#endif
