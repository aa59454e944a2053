/*
 * internal.h - the journal's files, for this folder only.
 *
 * A segment is `rows.SECONDS`, named by when it was begun, so that the names sort by age. `statistics` is replaced as a whole.
 */
#ifndef TARSIER_JOURNAL_INTERNAL_H
#define TARSIER_JOURNAL_INTERNAL_H

#include "base/buf.h"
#include "journal/journal.h"

enum { SEGMENTS_OF_MAX = 16 }; /* the oldest sixteenth goes at a time */

struct segment {
    char name[40];
    int64_t begun_sec;
    uint64_t bytes;
};

struct segments {
    struct segment *items; /* oldest first */
    size_t count, cap;
};

/* Errors: ERR_IO. A directory that is not there is an empty one. Owner: free items. */
MUST_CHECK enum err segments_list(const char *directory, struct segments *out);

/* Delete what is older than keep_sec or beyond max_bytes, never the newest. Returns whether every delete went well. */
bool segments_trim(const char *directory, struct segments *s, int64_t now_sec, int64_t keep_sec, uint64_t max_bytes);

/* A descriptor for appending to the newest segment, or to a new one where that is full. -1: errno tells. */
int segments_append(const char *directory, struct segments *s, int64_t now_sec, uint64_t segment_bytes);

/* Write DIRECTORY/NAME anew, 0600, and make the directory where it is not there. Errors: ERR_IO, errno tells. */
MUST_CHECK enum err segments_put_beside(const char *directory, const char *name, struct slice text);

char *path_join(const char *directory, const char *name); /* Owner: the caller frees */

#endif
