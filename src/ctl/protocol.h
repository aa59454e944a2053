/*
 * protocol.h - the lines of the control socket: requests, rows and ends (tarsier-control(7)), both ways. Knows neither the
 * commands nor the connection.
 *
 * A request is one line of words with a tab or a blank between each two. A reply is any number of rows, a line each, fields with tabs
 * between; then `.`, or `error CODE text`. In a word or field `\xHH` is a byte: that is how a tab, a newline, a backslash and other
 * control bytes are written, and a blank in a word of a request.
 */
#ifndef TARSIER_CTL_PROTOCOL_H
#define TARSIER_CTL_PROTOCOL_H

#include "base/buf.h"

enum {
    CTL_REQUEST_MAX_BYTES = 4096, /* with its newline */
    CTL_WORDS_MAX = 64,
    CTL_FIELDS_MAX = 32,
    CTL_LINE_MAX_BYTES = 64 * 1024, /* of a row: a client gives up beyond */
};

/* What an error is about: the second word of the line, and what a program acts on. */
#define CTL_CODE_USAGE   "usage"   /* no such command, or wrong words */
#define CTL_CODE_DENIED  "denied"  /* not for this user */
#define CTL_CODE_BUSY    "busy"    /* too many connections */
#define CTL_CODE_REFUSED "refused" /* understood, and not done */

/* ---- requests ---- */

struct ctl_words {
    struct slice word[CTL_WORDS_MAX];
    size_t count;
    char text[CTL_REQUEST_MAX_BYTES]; /* where the words lie */
};

/*
 * line: without its newline; a CR before it does not count. An empty line has no words. Errors: ERR_SYNTAX (a control byte, or a
 * backslash that begins no \xHH), ERR_LIMIT (too long, too many words).
 */
MUST_CHECK enum err ctl_request_parse(struct slice line, struct ctl_words *out);
/* A line with its newline. Errors: ERR_LIMIT; nothing is appended then. */
MUST_CHECK enum err ctl_request_put(struct buf *out, const struct slice *words, size_t n);

/* ---- replies ---- */

void ctl_put_row(struct buf *out, const struct slice *fields, size_t n); /* n > 0 */
/* A row of two: a name and a value. */
void ctl_put_pair(struct buf *out, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void ctl_put_end(struct buf *out);
/* Control bytes of the text become '?'. */
void ctl_put_error(struct buf *out, const char *code, struct slice text);

enum ctl_line_kind { CTL_LINE_ROW, CTL_LINE_END, CTL_LINE_ERROR };

struct ctl_line {
    enum ctl_line_kind kind;
    struct slice fields[CTL_FIELDS_MAX]; /* of a row; of an error: its code and its text. They lie in the line */
    size_t count;
};

/*
 * line: without its newline; it is changed in place, and the fields lie in it. Errors: ERR_SYNTAX, ERR_LIMIT (more fields than there
 * is room for).
 */
MUST_CHECK enum err ctl_line_parse(char *line, size_t len, struct ctl_line *out);
/* Field i of a row; "" where there are fewer: a later version may add fields, an older one has fewer. */
struct slice ctl_field(const struct ctl_line *line, size_t i);

#endif
