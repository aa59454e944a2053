/*
 * import.h - milter-greylist's dump file into a store: the text line after line, in slices. Opens nothing; waits for the store.
 */
#ifndef TARSIER_SETUP_IMPORT_H
#define TARSIER_SETUP_IMPORT_H

#include "conf/conf.h"
#include "formats/dump.h"
#include "port/store.h"

struct import_result {
    struct dump_summary read;     /* lines, by kind */
    uint64_t added, changed;      /* records; the rest was known */
    uint64_t expired;             /* lines whose life is over */
    uint64_t bad;                 /* lines that cannot be read, passed over */
    unsigned first_bad_line;      /* 0: none */
    const char *first_bad_reason; /* a constant */
};

/*
 * Errors: store_import's; what was counted until then is in. A line that cannot be read is counted and passed over.
 */
MUST_CHECK enum err import_dump(struct store *s, const struct conf_settings *set, struct slice text, struct wall now,
                                struct import_result *out);

/* "12 grey, 3 auto, 1 tarpit lines; 14 records added, …" */
void import_put_result(struct buf *out, const struct import_result *r);

#endif
