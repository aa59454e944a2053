/* setup.h - the parts of `tarsier setup postfix`: what is shown, and what is tried. */
#ifndef TARSIER_CLI_SETUP_H
#define TARSIER_CLI_SETUP_H

#include "cli/cli.h"
#include "postfix/advice.h"

struct setup {
    const char *file, *config_dir; /* of ours, of Postfix */
    bool yes, dry_run, undo;
    struct arena arena;
    struct plan *plan;            /* NULL only for --undo: its errors have been told */
    struct postfix_values values; /* as Postfix stands */
    const char *main_cf;          /* path */
    struct buf text;              /* of main.cf */
    struct postfix_setup decided;
};

/*
 * What postconf -n says of the changed text and not of the one that stands, and the other way round: "- line", "+ line",
 * appended to out. values: those of the changed one, as s->values has them of the other. Errors, with words in why: ERR_IO
 * and those of program_run.
 */
MUST_CHECK enum err setup_compare(struct setup *s, struct slice changed, struct postfix_values *values, struct buf *out,
                                  struct buf *why);

/* Whether smtpd gets at our socket; says what it has found to stdout. */
bool setup_reaches(struct setup *s);

/*
 * A session with Postfix, up to the recipient; nothing is sent. tarsierd's own count of sessions tells whether it was asked. Says it
 * to stdout; false where Postfix or the milter does not do, or tarsierd was not asked.
 */
bool setup_session(struct setup *s);

#endif
