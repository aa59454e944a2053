/* trace.h - a trace of good mail: lines "time TAB address TAB name TAB sender TAB recipient" under a heading. */
#ifndef TARSIER_REPLAY_TRACE_H
#define TARSIER_REPLAY_TRACE_H

#include "replay/delivery.h"

/*
 * One line, without its newline. time is in seconds since 1970; name is "unknown" or empty where the client has no verified one,
 * "[192.0.2.1]" where whoever wrote it down had not asked (Exim without a look-up writes so).
 * The columns after the fifth are nothing to us. Errors: ERR_SYNTAX, also for the heading. Owner: all slices point into line.
 */
MUST_CHECK enum err trace_read(struct slice line, struct delivery *out);

#endif
