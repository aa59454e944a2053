/*
 * dump.h - milter-greylist's dump file: lines in, lines out. Knows the peer's form and how a line becomes a record of ours; opens
 * no file and reads no clock.
 *
 *     198.51.100.7 TAB <a@s.example> TAB <b@r.example> TAB 1795485418 # 2026-11-24 01:56:58     accept time
 *     198.51.100.7 TAB <a@s.example> TAB <b@r.example> TAB 1795489018 AUTO # …                  end of the AUTO record's life
 *     198.51.100.9 TAB <a@s.example> TAB <c@r.example> TAB 1795485465 TAB 0 TARPIT # …          accept time, seconds stood
 *
 * The reader is more lenient than the peer's own, which drops odd senders at its restart.
 */
#ifndef TARSIER_FORMATS_DUMP_H
#define TARSIER_FORMATS_DUMP_H

#include "base/arena.h"
#include "base/buf.h"
#include "grey/decide.h"

enum dump_kind { DUMP_GREY, DUMP_AUTO, DUMP_TARPIT };

struct dump_line {
    enum dump_kind kind;
    struct ip addr;
    struct slice sender, recipient; /* as written; not cleaned */
    struct wall date;               /* GREY, TARPIT: accept time; AUTO: end of life */
    int64_t waited_sec;             /* TARPIT: what the client stood */
};

/*
 * Read one line, without its newline. Errors: ERR_NOT_FOUND nothing but blanks or a comment; ERR_SYNTAX, ERR_RANGE with *why a few words,
 * "no date". Owner: *out borrows from the line; *why is a constant.
 */
MUST_CHECK enum err dump_parse_line(struct slice line, struct dump_line *out, const char **why);

/* A file's text, line after line. Set text and zero the rest to begin. */
struct dump_reader {
    struct slice text;
    unsigned line;   /* number of the line last read; the first is 1 */
    const char *why; /* after an error */
};

/* The next line that says something. Errors: ERR_NOT_FOUND at the end; ERR_SYNTAX, ERR_RANGE for this line only: go on reading. */
MUST_CHECK enum err dump_next(struct dump_reader *r, struct dump_line *out);

/* What the configuration says now, since the peer kept accept times and we keep first sights. */
struct dump_rules {
    int64_t delay_sec, timeout_sec;
    unsigned bits_v4, bits_v6; /* subnetmatch, subnetmatch6 */
};

/*
 * The tuple and the record that a line stands for. Errors: ERR_NOT_FOUND its life is over at now.
 * Owner: texts lie in the arena.
 */
MUST_CHECK enum err dump_to_record(struct arena *arena, const struct dump_line *line, const struct dump_rules *rules,
                                   struct wall now, struct grey_tuple *tuple, struct grey_record *record);

/*
 * The other way: ERR_UNSUPPORTED when the record is nothing that a dump can hold (a pair, a client, a hold that DATA has not
 * confirmed: grey_record_settle() it first). Texts are borrowed.
 */
MUST_CHECK enum err dump_from_record(const struct grey_record *record, const struct dump_rules *rules,
                                     struct dump_line *out);

/* Append the line, with newline, without the date as text (the peer's dump_no_time_translation). */
void dump_put_line(struct buf *out, const struct dump_line *line);
void dump_put_header(struct buf *out);

struct dump_summary {
    uint64_t grey, autos, tarpit;
};
/* Count a line. */
void dump_summary_add(struct dump_summary *s, const struct dump_line *line);
void dump_put_summary(struct buf *out, const struct dump_summary *s);

#endif
