/*
 * surplus.h - the connection that is one too many: negotiated, and answered with the default (setting `fallback`) at once. With
 * "accept", "tempfail" and "reject" the MTA closes it upon CONNECT (Postfix 3.7, 3.12): it takes a descriptor for a moment only.
 * No I/O; keeps nothing but the beginning of a frame that has not come in full.
 */
#ifndef TARSIER_DAEMON_SURPLUS_H
#define TARSIER_DAEMON_SURPLUS_H

#include "port/effect.h"

/* As the setting is numbered. */
enum surplus_answer { SURPLUS_ACCEPT, SURPLUS_TEMPFAIL, SURPLUS_REJECT, SURPLUS_DISCARD };

struct surplus; /* all such connections */

/* Owner: surplus_free. NULL is allowed there. */
struct surplus *surplus_new(void);
void surplus_free(struct surplus *all);

/* OPEN, BYTES, EOF of one such connection. It is answered frame by frame, however the frames are cut. */
void surplus_step(struct surplus *all, const struct event *event, enum surplus_answer answer, struct effects *out);

#endif
