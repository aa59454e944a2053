/*
 * repeat.h - equal lines within a time are counted, not said. Knows no clock: whoever asks says what time it is.
 */
#ifndef TARSIER_LOG_REPEAT_H
#define TARSIER_LOG_REPEAT_H

#include "base/slice.h"

enum { REPEAT_QUIET_SEC = 60, REPEAT_LINES_MAX = 16 };

struct repeat {
    char *text; /* NULL: free */
    size_t len;
    int level;
    uint64_t times; /* left out so far */
    int64_t until_ms;
};

/* A zeroed one is empty. Owner: repeats_fini. */
struct repeats {
    struct repeat lines[REPEAT_LINES_MAX];
};

void repeats_fini(struct repeats *r);

/*
 * Whether the line is to be said: it is none of those of the last REPEAT_QUIET_SEC; more than REPEAT_LINES_MAX of them are not
 * remembered. Ask repeats_due for this time first. now_ms never goes back.
 */
bool repeats_take(struct repeats *r, int level, struct slice text, int64_t now_ms);

struct repeat_due {
    int level;
    struct slice text; /* until the next call */
    uint64_t times;
};

/* A line whose time is over and that came again in it; false: there is none any more. INT64_MAX: whatever the time. */
bool repeats_due(struct repeats *r, int64_t now_ms, struct repeat_due *out);

/* When the next one is due; -1: none is. */
int64_t repeats_next_ms(const struct repeats *r);

#endif
