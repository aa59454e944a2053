/*
 * import.h - records from elsewhere into a store: line after line, in slices. Opens nothing. Three forms are told apart by their first
 * line: our own lines of JSON (formats/lines.h), db_dump's text of postgrey's database, and milter-greylist's dump.
 */
#ifndef TARSIER_SETUP_IMPORT_H
#define TARSIER_SETUP_IMPORT_H

#include "conf/conf.h"
#include "formats/dump.h"
#include "port/store.h"

enum import_form { IMPORT_UNKNOWN, IMPORT_LINES, IMPORT_POSTGREY, IMPORT_DUMP };

struct import_result {
    enum import_form form;
    struct dump_summary dump;     /* DUMP: lines, by kind */
    uint64_t records;             /* the others: records read */
    uint64_t added, changed;      /* records; the rest was known */
    uint64_t expired;             /* lines whose life is over */
    uint64_t bad;                 /* lines that cannot be read, passed over */
    unsigned first_bad_line;      /* 0: none */
    const char *first_bad_reason; /* a constant */
    bool is_cut;                  /* LINES: begun, and the last line is missing */
};

/* Where a slice goes. Errors: the reading ends with them. */
typedef enum err (*import_sink)(void *ctx, struct store_import *import);

struct importer;

/* set is borrowed. Owner: importer_free. */
struct importer *importer_new(const struct conf_settings *set, struct wall now, import_sink sink, void *ctx);
void importer_free(struct importer *im);

/*
 * Take a line, with or without its newline. What cannot be read is counted and passed over. Errors: the sink's; ERR_UNSUPPORTED another
 * version's export.
 */
MUST_CHECK enum err importer_take(struct importer *im, struct slice line);
/* What is left goes to the sink. After an error too *out tells what was done. Errors: the sink's. */
MUST_CHECK enum err importer_finish(struct importer *im, struct import_result *out);

/* A whole text into a store. Errors: store_import's, ERR_UNSUPPORTED; what was counted until then is in. */
MUST_CHECK enum err import_text(struct store *s, const struct conf_settings *set, struct slice text, struct wall now,
                                struct import_result *out);

/* "12 greylisted, 3 auto-whitelisted, 1 tarpitted; 14 records added, …" */
void import_put_result(struct buf *out, const struct import_result *r);

#endif
