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
void log_printf(struct log *l, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Write what is left, at most timeout_ms, and end. Returns whether everything was written. When the reader stays stalled the
 * thread and its memory are left behind: the process is about to end. NULL is harmless.
 */
bool log_close(struct log *l, int64_t timeout_ms);

#endif
