/*
 * mail.h - a message under edit by filters in a row. Keeps who changed what, so that a filter that saw an earlier state (one
 * that streams live, or `sees original`) can still say "the second Received" and mean the right one, and so that the MTA
 * gets each change once. Headers, sender and recipients are here; a body only by reference.
 *
 * Filters are numbered from 0 in the order in which they see the mail. View n is the message with the edits of the filters
 * 0 .. n-1 that were applied; so view 0 is what the MTA sent, and MAIL_FINAL is the end.
 */
#ifndef TARSIER_MAIL_MAIL_H
#define TARSIER_MAIL_MAIL_H

#include "base/buf.h"
#include "mail/edit.h"

struct body;
struct mail;

enum { MAIL_FILTERS_MAX = 32, MAIL_HEADERS_MAX_BYTES = 4 * 1024 * 1024, MAIL_RECIPIENTS_MAX_BYTES = 4 * 1024 * 1024 };

typedef unsigned mail_view;
#define MAIL_ORIGINAL ((mail_view)0)
#define MAIL_FINAL    ((mail_view)MAIL_FILTERS_MAX)

/* An empty message without a sender. Owner: mail_free (NULL is harmless). */
struct mail *mail_new(void);
void mail_free(struct mail *m);

/* ---- what the MTA sends; texts are copied, values in canonical form: all that stood behind the colon ---- */

void mail_set_sender(struct mail *m, struct slice address, struct slice esmtp);
/* Errors: ERR_LIMIT (then nothing is added). */
MUST_CHECK enum err mail_add_recipient(struct mail *m, struct slice address, struct slice esmtp);
/* The last one that was added is none after all: the MTA was told so. It is in no view, as if it had never been named. */
void mail_lose_recipient(struct mail *m, unsigned number);
MUST_CHECK enum err mail_add_header(struct mail *m, struct slice name, struct slice value);
/* What the MTA's headers take here, lists included; at most MAIL_HEADERS_MAX_BYTES. */
size_t mail_header_bytes(const struct mail *m);
/* There are no more headers (EOH). Until it is said, what an early filter has put behind them is shown in no view. */
void mail_end_headers(struct mail *m);

/*
 * The MTA keeps its headers to itself: no filter wants to see them (SMFIP_NOHDRS). What filters say of them is told to the MTA in
 * their own words, one filter after the other.
 */
void mail_hide_headers(struct mail *m);

/* ---- edits ---- */

/*
 * Apply what filter number f wants, which it said looking at view v (v <= f), on top of all that was applied so far by
 * filters < f. A header that it means and that an earlier filter has deleted since v is passed over; one that was changed
 * since is changed again. Called once a filter, in rising order of f, after mail_end_headers. But
 * - a filter may come later than one behind it, when that one was not to see its edits (a quarantine): its edits stand where
 *   its number says, for the views that are looked at from then on;
 * - a filter whose edits are known before the headers are complete may be applied early with view 0 (the built-in one): its
 *   added headers stand behind those that come later, its inserted ones (index 0 and 1 only) before the first.
 */
void mail_apply(struct mail *m, unsigned f, mail_view v, const struct mail_edits *edits);
/* Filter f gave a new body; borrowed until mail_free. */
void mail_replace_body(struct mail *m, unsigned f, struct body *body);

/* ---- looking ---- */

struct mail_cursor {
    const void *at; /* NULL: before the first */
};

/*
 * The next one of this view. While the message still comes from the MTA, false means "none so far": call again with the same
 * cursor later. Slices are borrowed until mail_free.
 */
bool mail_next_header(const struct mail *m, mail_view v, struct mail_cursor *c, struct slice *name, struct slice *value);
/* esmtp, here and below: as in MAIL and RCPT, each argument with its NUL; NONE: none. */
void mail_sender(const struct mail *m, mail_view v, struct slice *address, struct slice *esmtp);
/* number: which one it is of all that ever were (from 0, in the order in which they came), for the caller's own notes. */
bool mail_next_recipient(const struct mail *m, mail_view v, struct mail_cursor *c, struct slice *address,
                         struct slice *esmtp, unsigned *number);
/* NULL: the MTA's own. */
struct body *mail_body(const struct mail *m, mail_view v);
bool mail_envelope_differs(const struct mail *m, mail_view a, mail_view b);

/* ---- to the MTA ---- */

/*
 * All changes from view 0 to MAIL_FINAL but the body, as packets (milter/reply.h), each once: CHGHEADER with the index that
 * counts at that moment for the MTA (the n-th of that name), deletions as CHGHEADER with an empty value, INSHEADER at the
 * place in the MTA's list as it is then, ADDHEADER for those at the end; ADDRCPT (ADDRCPT_PAR with arguments), DELRCPT (also of
 * one that was never named here: the MTA may have it all the same), CHGFROM, QUARANTINE (the last filter's reason). Where one filter alone has edited the headers, its edits of them go to the
 * MTA in its own words and order. leadspc: the MTA negotiated SMFIP_HDR_LEADSPC; otherwise one leading blank of each value
 * is left out.
 */
void mail_put_changes(struct mail *m, bool leadspc, struct buf *out);

#endif
