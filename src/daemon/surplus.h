/*
 * surplus.h - the connection that is one too many: negotiated, and let go with "accept" at CONNECT, upon which the MTA closes it
 * (Postfix 3.7, 3.12). So it takes a descriptor for a moment only, and mail flows. Pure, keeps nothing.
 */
#ifndef TARSIER_DAEMON_SURPLUS_H
#define TARSIER_DAEMON_SURPLUS_H

#include "port/effect.h"

/*
 * OPEN, BYTES, EOF of one such connection. It is answered frame by frame as the bytes come; one whose frames come in pieces is
 * closed, and the MTA does what its milter_default_action says: nothing is kept here for the sake of it.
 */
void surplus_step(const struct event *event, struct effects *out);

#endif
