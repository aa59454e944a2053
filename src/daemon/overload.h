/*
 * overload.h - the connection that is one too many: negotiated, and answered with the default (setting `fallback`) at once. With
 * "accept", "tempfail" and "reject" the MTA closes it upon CONNECT (Postfix 3.7, 3.12): it takes a descriptor for a moment only.
 * No I/O; keeps nothing but the beginning of a frame that has not come in full.
 */
#ifndef TARSIER_DAEMON_OVERLOAD_H
#define TARSIER_DAEMON_OVERLOAD_H

#include "port/effect.h"

/* As the setting is numbered. */
enum overload_answer { OVERLOAD_ACCEPT, OVERLOAD_TEMPFAIL, OVERLOAD_REJECT, OVERLOAD_DISCARD };

struct overload; /* all such connections */

/* Owner: overload_free. NULL is allowed there. */
struct overload *overload_new(void);
void overload_free(struct overload *all);

/* OPEN, BYTES, EOF of one such connection. It is answered frame by frame, however the frames are cut. */
void overload_step(struct overload *all, const struct event *event, enum overload_answer answer, struct effects *out);

#endif
