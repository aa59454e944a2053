/*
 * screen.h - text for a terminal of 80 columns: words that are wrapped and never cut, times, durations, and JSON.
 */
#ifndef TARSIER_CLI_SCREEN_H
#define TARSIER_CLI_SCREEN_H

#include "base/buf.h"
#include "base/clock.h"

enum { SCREEN_COLUMNS = 80 };

/*
 * Append words behind what the last line of out holds; where one does not fit a new line begins, indented by `indent`. A word longer
 * than a line has a line of its own. Control bytes become '?'.
 */
void screen_put_words(struct buf *out, size_t indent, struct slice words);

/* A text that has no blank to wrap at, such as a name: where a line is full it goes on in the next, indented. Control bytes as above. */
void screen_put_name(struct buf *out, size_t indent, struct slice text);

/* "11-24 13:02:11" in local time; with the year in front where it is not this one. */
void screen_put_time(struct buf *out, struct wall at, struct wall now);

/* "40 s", "2 min 5 s", "30 min", "3 h 10 min", "5 d 2 h": two units at most. */
void screen_put_duration(struct buf *out, int64_t sec);

/* "1,204". */
void screen_put_count(struct buf *out, int64_t n);

/* A string of JSON with its quotes (RFC 8259); bytes that are no UTF-8 become U+FFFD. */
void screen_put_json(struct buf *out, struct slice text);

#endif
