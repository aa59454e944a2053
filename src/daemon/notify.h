/* notify.h - tell the service manager how we are: sd_notify(3)'s protocol, without its library. */
#ifndef TARSIER_DAEMON_NOTIFY_H
#define TARSIER_DAEMON_NOTIFY_H

/* "READY=1", "STOPPING=1" …, to where NOTIFY_SOCKET points; nothing happens where it is not set. Does not block. */
void notify_send(const char *state);
/* RELOADING=1 with the time that Type=notify-reload asks for. */
void notify_reloading(void);

#endif
