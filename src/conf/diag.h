/*
 * diag.h - what is wrong in a configuration, where, and what to do: collected, sorted by nothing, printed at the edges.
 *
 *     tarsier.conf:14:17: error: unknown condition "s25"
 *       when remote and s25
 *                       ^~~
 *       did you mean "s25r"?
 */
#ifndef TARSIER_CONF_DIAG_H
#define TARSIER_CONF_DIAG_H

#include "base/arena.h"
#include "base/buf.h"

struct conf_where {
    const char *file;      /* interned in the configuration's or the diags' arena; NULL: a default, no file */
    uint32_t line, column; /* from 1; column counts bytes; 0: the whole line; line 0: the whole file */
    uint32_t width;        /* bytes to underline, at least 1 */
};

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE }; /* the heaviest first */

struct diag {
    enum diag_level level;
    struct conf_where where;
    const char *message;
    const char *hint;       /* NULL: none */
    const char *source;     /* the physical line, or the part of it around the column; NULL: not known */
    uint32_t source_column; /* the column of its first byte */
};

struct diag_source; /* the text of one file */

struct diags {
    struct arena arena;
    struct diag *items;
    size_t count, cap;
    size_t errors, warnings; /* counted on all, also on those beyond DIAGS_MAX that are not kept */
    size_t dropped;          /* not kept */
    struct diag_source *sources;
};

enum { DIAGS_MAX = 100 }; /* kept, errors before the others; the rest is only counted and the printer says so */

void diags_init(struct diags *d);
void diags_fini(struct diags *d);

/* Make the text of a file known, so that messages can show its lines; copied. */
void diags_add_source(struct diags *d, const char *file, struct slice text);

/*
 * hint may be NULL, else plain text (no format), lines parted by '\n'. Everything is copied (where.file too), and bytes that a
 * terminal or a log would take for a command become '?': words of a broken file may stand in the message.
 */
void diags_add(struct diags *d, enum diag_level level, struct conf_where where, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* All of them as text in the form above; those that weigh no less than `least`. */
void diags_print(const struct diags *d, struct buf *out);
void diags_print_from(const struct diags *d, enum diag_level least, struct buf *out);

/* The candidate nearest to word (Damerau-Levenshtein, ignoring case, at most a third of its length off), or NULL. */
const char *diag_suggest(struct slice word, const char *const *candidates, size_t n);

#endif
