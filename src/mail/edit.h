/*
 * edit.h - what one filter wants changed in a message, in the order in which it said so. Nothing is applied here: a filter
 * that dies half-way takes its list with it.
 */
#ifndef TARSIER_MAIL_EDIT_H
#define TARSIER_MAIL_EDIT_H

#include "base/arena.h"
#include "base/err.h"

enum mail_edit_kind {
    MAIL_ADD_HEADER,
    /*
     * Before the header that is number index of the MTA's list. Number 0 of it is the Received line that the MTA itself puts
     * on top and shows to no filter, unless something was inserted above: so 0 is above it, 1 above the first that the
     * filter sees. Beyond: at the end. Sendmail since 8.13, and Postfix after it.
     */
    MAIL_INSERT_HEADER,
    MAIL_CHANGE_HEADER, /* the index-th (from 1; 0 counts as 1) of this name; empty value: delete; none such: add at the end */
    MAIL_ADD_RECIPIENT,
    MAIL_DELETE_RECIPIENT,
    MAIL_CHANGE_SENDER,
    MAIL_QUARANTINE,
};

struct mail_edit {
    struct mail_edit *next;
    enum mail_edit_kind kind;
    uint32_t index;
    struct slice name; /* header's name; address, as the filter gave it; reason of a quarantine */
    struct slice
        value; /* header's, in its canonical form: with all that stood behind the colon; ESMTP arguments, NONE: none */
};

/*
 * Beyond what a message can make a filter say, so that no sender makes one fail: as many as there can be headers
 * (MAIL_HEADERS_MAX_BYTES; some filters delete all of a name), with as much text again; twice the recipients that Postfix takes.
 */
enum { MAIL_EDITS_MAX = 50000, MAIL_ENVELOPE_EDITS_MAX = 2000, MAIL_EDITS_MAX_BYTES = 8 * 1024 * 1024 };

/* A zeroed struct is an empty list. Owner: mail_edits_fini. */
struct mail_edits {
    struct arena arena;
    struct mail_edit *first, *last;
    unsigned count, n_envelope; /* n_envelope: those that are not of headers */
    size_t bytes;
};

/* Texts are copied. Errors: ERR_LIMIT, with nothing appended. */
MUST_CHECK enum err mail_edits_add(struct mail_edits *edits, enum mail_edit_kind kind, uint32_t index, struct slice name,
                                   struct slice value);
void mail_edits_fini(struct mail_edits *edits); /* empty again */

#endif
