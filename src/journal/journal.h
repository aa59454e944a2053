/*
 * journal.h - the decision journal: rows in files that one thread writes, and the statistics of each hour. Knows neither who
 * decides nor who asks.
 *
 * The loop never waits for the disk: rows wait in a bounded buffer. What finds no room is dropped and counted. Nothing is synced:
 * a crash of the machine may cost the last seconds. Files have mode 0600, for they say who writes to whom.
 */
#ifndef TARSIER_JOURNAL_JOURNAL_H
#define TARSIER_JOURNAL_JOURNAL_H

#include "port/effect.h"
#include "port/journal.h"
#include "port/tally.h"

struct journal;

struct journal_config {
    const char *directory; /* of journal and statistics; made (0700) when the first row is written. Copied */
    int64_t keep_sec;      /* older files go; 0: no rows are written, the statistics are */
    uint64_t max_bytes;    /* of all files; the oldest go */
    int64_t gather_ms;     /* from the first row to the write; 0: 1,000 */
    /* A line of the log, from the journal's thread: what cannot be done, once a minute at most, and that rows are written again. */
    void (*log)(void *ctx, enum log_level level, const char *line);
    void *ctx;
};

/* Errors: ERR_IO (no thread; errno tells). Owner: journal_close. */
MUST_CHECK enum err journal_open(struct journal **out, const struct journal_config *config);
/*
 * Write what is left, at most timeout_ms, and end. Returns whether everything was written; when the disk is stuck the thread and
 * its memory are left behind: the process is about to end. NULL is harmless.
 */
bool journal_close(struct journal *j, int64_t timeout_ms);

/* A reload: how long and how much, from the next row on. */
void journal_keep(struct journal *j, int64_t keep_sec, uint64_t max_bytes);

/* Any thread; never waits for the disk. */
void journal_add(struct journal *j, const struct journal_entry *e);

struct journal_stats {
    uint64_t rows;   /* since the start: taken in */
    uint64_t lost;   /* … and not written: there was no room for them in the buffer, or on the disk */
    bool is_failing; /* the last write of rows has failed */
};
void journal_get_stats(struct journal *j, struct journal_stats *out);

/* What was counted in the hours that begin in [from, until). Any thread. */
void journal_sum(struct journal *j, struct wall from, struct wall until, struct tally_row *out);

/* ---- reading: blocks, so on a worker; needs no running daemon ---- */

struct journal_scan;

/*
 * Rows that match, oldest first. A queue id stands for all rows of its connection. directory and the query's text are copied.
 * Owner: journal_scan_free.
 */
struct journal_scan *journal_scan_new(const char *directory, const struct journal_query *query);
void journal_scan_free(struct journal_scan *s);
/*
 * Append rows that match to out until it has at least out_bytes, or about a megabyte has been read. Returns whether there may be
 * more. Errors: ERR_IO in *e (errno tells) ends it; a directory that is not there is an empty journal.
 */
bool journal_scan_step(struct journal_scan *s, size_t out_bytes, struct buf *out, enum err *e);

/* The statistics' file, for when no daemon runs. Errors: ERR_NOT_FOUND, ERR_IO, ERR_SYNTAX (damaged). */
MUST_CHECK enum err journal_read_tally(const char *directory, struct tally *t);

#endif
