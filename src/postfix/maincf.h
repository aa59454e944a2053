/*
 * maincf.h - the text of main.cf (postconf(5)) changed so that Postfix asks our milter, and changed back to the byte.
 * Comments, blanks, continuation lines and other people's values stay as they are. Pure: text in, text out.
 */
#ifndef TARSIER_POSTFIX_MAINCF_H
#define TARSIER_POSTFIX_MAINCF_H

#include "base/buf.h"

enum { MAINCF_EXTRAS_MAX = 4 };

struct maincf_change {
    const char *milter; /* "unix:tarsier/tarsier.sock": goes before all others in smtpd_milters */
    const char *extras
        [MAINCF_EXTRAS_MAX]; /* whole lines without their ends, "name = value", for parameters not set yet; NULL: end */
};

/* Whether main.cf sets the parameter itself. */
bool maincf_sets(struct slice text, const char *name);

/*
 * Append the changed text to out. The last smtpd_milters counts, as in Postfix; it is extended in its place. Where there is
 * none, it and the extras go to the end, below a comment by which maincf_undo finds them.
 */
void maincf_set_up(struct slice text, const struct maincf_change *change, struct buf *out);

/*
 * Append the text without what maincf_set_up has made, for the same milter; extras are those that it may have added.
 * Directly behind maincf_set_up the text is what it was. Returns whether anything was there to take out.
 */
bool maincf_undo(struct slice text, const struct maincf_change *change, struct buf *out);

#endif
