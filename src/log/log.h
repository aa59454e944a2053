/*
 * log.h - lines to stderr or syslog through a bounded buffer and one thread. Knows neither what is logged nor who asks.
 *
 * syslog() blocks behind a stalled reader, and so does a full pipe; only this thread waits for them. When the buffer is full,
 * lines are dropped and their number is logged as soon as there is room again.
 */
#ifndef TARSIER_LOG_LOG_H
#define TARSIER_LOG_LOG_H

#include "port/effect.h"

enum log_target {
    LOG_TARGET_STDERR, /* with a time stamp; a word for the level only at warning and error */
    LOG_TARGET_SYSLOG, /* facility mail */
};

enum { LOG_BUFFER_BYTES = 512 << 10, LOG_LINE_MAX_BYTES = 8192 };

struct log;

/*
 * Start the thread. name is what syslog shows before the line; borrowed for the life of the log. buffer_bytes bounds what
 * waits to be written, LOG_BUFFER_BYTES normally. debug: whether lines of LOG_LEVEL_DEBUG are written.
 * Errors: ERR_IO (no thread; errno tells). Owner: free with log_close.
 */
MUST_CHECK enum err log_open(struct log **out, enum log_target target, const char *name, size_t buffer_bytes, bool debug);

/*
 * One line without its newline, from any thread; never waits for whoever reads. Control bytes become '?', so that nothing a
 * client sends can forge a line; what is longer than LOG_LINE_MAX_BYTES is cut and ends in "...".
 */
void log_write(struct log *l, enum log_level level, struct slice line);

/*
 * The same for what happens by itself, and may happen very often: a warning or an error that equals one of the last REPEAT_QUIET_SEC
 * (repeat.h) is counted and not written. At the end of that time, and in log_close, it is written once more with "(N times more)".
 * members go into its object where the log is JSON: "name":value,"name":value, well-formed, without a newline; NONE: there are none.
 */
void log_event(struct log *l, enum log_level level, struct slice line, struct slice members);
void log_printf(struct log *l, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * From now on lines are objects: {"time":"2026-01-31T23:59:59.123+01:00","level":"info","message":"…"}, then "repeated":N where a line
 * came N times more, then the members. Any thread.
 */
void log_set_json(struct log *l, bool json);
bool log_is_json(const struct log *l);

/*
 * Write what is left, at most timeout_ms, and end. Returns whether everything was written. When the reader stays stalled the
 * thread and its memory are left behind: the process is about to end. NULL is harmless.
 */
bool log_close(struct log *l, int64_t timeout_ms);

#endif
