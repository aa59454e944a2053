/*
 * surplus.h - the connection that is one too many: negotiated, and answered with the default (setting `fallback`) at once. With
 * "accept", "tempfail" and "reject" the MTA closes it upon CONNECT (Postfix 3.7, 3.12): it takes a descriptor for a moment only.
 * Pure, keeps nothing.
 */
#ifndef TARSIER_DAEMON_SURPLUS_H
#define TARSIER_DAEMON_SURPLUS_H

#include "port/effect.h"

/* As the setting is numbered. */
enum surplus_answer { SURPLUS_ACCEPT, SURPLUS_TEMPFAIL, SURPLUS_REJECT, SURPLUS_DISCARD };

/*
 * OPEN, BYTES, EOF of one such connection. It is answered frame by frame as the bytes come; one whose frames come in pieces is
 * closed, and the MTA does what its milter_default_action says: nothing is kept here for the sake of it.
 */
void surplus_step(const struct event *event, enum surplus_answer answer, struct effects *out);

#endif
