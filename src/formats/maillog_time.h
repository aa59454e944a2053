/* maillog_time.h - the time at the beginning of a log line. */
#ifndef TARSIER_FORMATS_MAILLOG_TIME_H
#define TARSIER_FORMATS_MAILLOG_TIME_H

#include "formats/maillog.h"

/*
 * Cut the time off the front of *line, with the blank behind it: "Nov 24 13:43:01" (RFC 3164; local time, no year) or
 * "2026-11-24T13:43:01.123456+01:00" (RFC 3339; also +0100, Z, and without a zone: local). Errors: ERR_SYNTAX.
 */
MUST_CHECK enum err maillog_time(struct maillog_clock *clock, struct slice *line, struct wall *out);

#endif
