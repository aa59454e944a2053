/*
 * internal.h - the inside of a message under edit, for the files of this folder alone.
 *
 * Everything has a stamp: the first view that sees it. 0 is the MTA's own, f + 1 what filter f did. Nothing moves or is
 * freed before the message is, so each view stays what it was.
 */
#ifndef TARSIER_MAIL_INTERNAL_H
#define TARSIER_MAIL_INTERNAL_H

#include "base/list.h"
#include "mail/mail.h"
#include "mail/order.h"

enum { MAIL_NEVER = MAIL_FINAL + 1 }; /* a stamp that no view reaches */

/* What a header says, from one view on. The name is here too: who changes a header may spell it in another way. */
struct mail_text {
    struct mail_text *older;
    mail_view since;
    struct slice name, value;
};

struct mail_header {
    struct list node;
    mail_view born, died;
    unsigned order;         /* of the change that made it; 0 for the MTA's */
    uint32_t place;         /* changes.c: among all, from 1 */
    struct mail_text *text; /* newest first, never none */
};

struct mail_recipient {
    struct mail_recipient *next;
    mail_view born, died;
    unsigned number;
    uint32_t hash; /* of what is compared in the address */
    struct slice address, esmtp;
};

struct mail_sender {
    struct mail_sender *older;
    mail_view since;
    struct slice address, esmtp;
};

/* An edit that was applied, in the filter's words, and what it did. */
struct mail_change {
    struct mail_change *next;
    mail_view since;
    unsigned order; /* from 1 */
    enum mail_edit_kind kind;
    uint32_t index;
    struct slice name, value;
    struct mail_header *header;       /* the one that it made; NULL: it changed one, or nothing */
    struct mail_recipient *recipient; /* the one that it added or deleted; NULL: deleted, and named by nobody here */
};

struct mail {
    struct arena arena;
    size_t header_bytes, recipient_bytes;

    struct list headers;
    /*
     * The Received line that the MTA itself puts on top and shows to no filter. For INSHEADER it counts (0 is above it, 1
     * below), for CHGHEADER it does not: Sendmail since 8.13, and Postfix after it.
     */
    struct mail_header own;
    struct list *tail; /* the first of those that a filter put at the end while headers still came; NULL: none */
    bool headers_ended, headers_hidden;

    struct mail_recipient *recipients, *last_recipient;
    unsigned n_recipients;
    struct mail_sender *sender; /* newest first; NULL: none */
    struct body *bodies[MAIL_FILTERS_MAX];

    struct mail_change *changes, *last_change;
    unsigned n_changes;
    uint64_t steps; /* what edits of headers have cost, for the test that says how that grows */
};

/* headers.c */
bool mail_header_is_in(const struct mail_header *h, mail_view v);
const struct mail_text *mail_header_text(const struct mail_header *h, mail_view v);

/* seen.c: the list that a filter's indexes count in: what it saw, and what it has done to it. */
struct mail_seen {
    struct arena arena;
    struct order all, names; /* all.steps NULL: not made yet */
};
struct mail_seen_header;
/* Owner: mail_seen_fini; the mail must outlive it. */
void mail_seen_init(struct mail *m, mail_view v, struct mail_seen *seen);
void mail_seen_fini(struct mail_seen *seen);
uint32_t mail_seen_count(const struct mail_seen *seen);
/* index < mail_seen_count. *number: which one of its name, from 1; 0: it is the MTA's own. */
struct mail_header *mail_seen_at(struct mail_seen *seen, uint32_t index, uint32_t *number);
/* The nth of this name, from 1; NULL: there is none. */
struct mail_seen_header *mail_seen_nth(struct mail_seen *seen, struct slice name, uint32_t nth);
struct mail_header *mail_seen_header(const struct mail_seen_header *s);
void mail_seen_insert(const struct mail *m, struct mail_seen *seen, uint32_t index, struct mail_header *h);
void mail_seen_remove(struct mail_seen *seen, struct mail_seen_header *s);

/* headers.c */
void mail_apply_header(struct mail *m, unsigned f, struct mail_seen *seen, const struct mail_edit *e);

/* envelope.c */
bool mail_recipient_is_in(const struct mail_recipient *r, mail_view v);
bool mail_has_recipient(const struct mail *m, mail_view v, struct slice address);
/* One like r (not r itself) in this view; NULL: none. */
const struct mail_recipient *mail_recipient_like(const struct mail *m, mail_view v, const struct mail_recipient *r);
/* The same arguments, however they are parted: the MTA says "A NUL B", a filter "A B". Absent is as empty. */
bool mail_esmtp_eq(struct slice a, struct slice b);
void mail_apply_envelope(struct mail *m, unsigned f, const struct mail_edit *e);

/* mail.c */
struct mail_change *mail_note(struct mail *m, unsigned f, const struct mail_edit *e);

#endif
