/*
 * inquiry.h - at the start and after a reload each child that nobody knows yet is asked what it wants, and let go: so the first
 * sessions already ask the MTA for the right steps and macros, and an administrator sees at once whether a filter can be reached.
 * Not one of a session's connections; a failure says nothing to the breaker.
 */
#ifndef TARSIER_SESSION_INQUIRY_H
#define TARSIER_SESSION_INQUIRY_H

#include "session/shared.h"

/* Of the present plan's filters those that have never negotiated. Those under way go on. */
void inquiries_begin(struct shared *sh);
void inquiry_news(struct shared *sh, struct inquiry *q, const struct event *event);
/* EVENT_DNS without a session. */
void inquiry_resolved(struct shared *sh, const struct event *event);
/* The timer shared.inquiry_timer. */
void inquiries_check(struct shared *sh);
/* The daemon ends: they are closed. */
void inquiries_stop(struct shared *sh);

#endif
