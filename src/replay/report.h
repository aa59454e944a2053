/* report.h - the counts of a replay as text: a screen of 80 columns, or one JSON object. */
#ifndef TARSIER_REPLAY_REPORT_H
#define TARSIER_REPLAY_REPORT_H

#include "replay/join.h"
#include "replay/replay.h"

/* What the reader of the files knows. */
struct replay_reading {
    uint64_t lines, unread;
    int64_t warm_up_sec, retry_sec;
    bool is_trace, shows_unread;
    struct join_counts join;
};

void report_put_json(const struct replay *r, const struct replay_reading *reading, struct buf *out);
void report_put_screen(const struct replay *r, const struct replay_reading *reading, struct buf *out);

#endif
