/*
 * lines.h - records as lines of JSON: what `tarsier export` writes and `tarsier import` reads, and a backup's records.
 *
 *     {"tarsier":1,"made":1795485418,"host":"mx1.example"}
 *     {"type":"tuple","client":"192.0.2.7","sender":"<a@s.example>","recipient":"<b@r.example>","first_seen":1795485418,"expires":…}
 *     {"end":true,"records":1}
 *
 * Times are seconds since 1970; what is not there is 0, or false. The first line tells the version, the last one that nothing is
 * missing.
 */
#ifndef TARSIER_FORMATS_LINES_H
#define TARSIER_FORMATS_LINES_H

#include "base/arena.h"
#include "base/buf.h"
#include "grey/record.h"

enum { LINES_VERSION = 1 };

enum line_kind {
    LINE_HEAD,   /* {"tarsier":1,…} */
    LINE_RECORD, /* {"type":…} */
    LINE_PART,   /* {"part":"allows","text":"…"}: a line of a file of the state directory, in a backup */
    LINE_END,    /* {"end":true,…} */
};

struct line {
    enum line_kind kind;
    struct grey_record record;
    struct wall made;        /* HEAD */
    struct slice host;       /* HEAD */
    struct slice part, text; /* PART */
    uint64_t records;        /* END */
    uint64_t parts;          /* END: lines of kind PART */
};

/*
 * Errors: ERR_SYNTAX, ERR_RANGE, ERR_LIMIT: as json_parse, or it is no line of ours; ERR_UNSUPPORTED a HEAD of another version. *why is
 * a constant of a few words. Unknown fields are passed over. Owner: texts lie in the line or the arena.
 */
MUST_CHECK enum err line_parse(struct arena *arena, struct slice text, struct line *out, const char **why);

/* Append a line, with its newline. */
void line_put(struct buf *out, const struct line *line);
void line_put_record(struct buf *out, const struct grey_record *r);

/* "tuple", "pair", "client", "lazy", "shared", "network", "proof" */
const char *line_type_word(enum grey_record_type type);

#endif
