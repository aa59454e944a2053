/*
 * capability_probe.h - at the start and after a reload each child that nobody knows yet is asked what it wants, and let go: so the first
 * sessions already ask the MTA for the right steps and macros, and an administrator sees at once whether a filter can be reached.
 * Not one of a session's connections; a failure says nothing to the breaker.
 */
#ifndef TARSIER_FILTER_CAPABILITY_PROBE_H
#define TARSIER_FILTER_CAPABILITY_PROBE_H

#include "filter/registry.h"

/* Of the plan's filters those that have never negotiated. Those under way go on. */
void capability_probes_begin(struct registry *r, const struct plan *plan);
void capability_probe_news(struct registry *r, struct capability_probe *q, const struct event *event);
/* EVENT_DNS without a session. */
void capability_probe_resolved(struct registry *r, const struct event *event);
/* The timer registry.probe_timer. */
void capability_probes_check(struct registry *r);
/* The daemon ends: they are closed. */
void capability_probes_stop(struct registry *r);

#endif
