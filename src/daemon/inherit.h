/* inherit.h - listening sockets that the service manager made and hands over: sd_listen_fds(3)'s protocol, without its library. */
#ifndef TARSIER_DAEMON_INHERIT_H
#define TARSIER_DAEMON_INHERIT_H

enum { INHERIT_FIRST = 3 }; /* SD_LISTEN_FDS_START */

/* How many descriptors there are, from INHERIT_FIRST on; 0: none was handed to this process. They are not passed on to others. */
int inherit_count(void);

/*
 * Close the connections that wait at them: whoever connected hears at once that nobody serves him, instead of after a time-out.
 * For a process that cannot serve them itself.
 */
void inherit_turn_away(void);

#endif
