/*
 * storm.h - random dialogues through the manager: a played MTA, up to three played children, and an oracle that knows the milter
 * protocol and what the manual says of filters, and nothing of src/session.
 *
 *   storm.c         the dialogue: configuration, events and effects
 *   storm_mta.c     what the MTA says
 *   storm_child.c   children: what they are told must be a milter dialogue; their random answers
 *   storm_oracle.c  whether a reply to the MTA can be explained, and whether what goes through may
 *   storm_mail.c    a message and edits of it, as lists
 */
#ifndef TARSIER_TESTS_STORM_H
#define TARSIER_TESTS_STORM_H

#include "base/buf.h"
#include "engine/engine.h"
#include "milter/command.h"
#include "milter/reply.h"

enum { FILTERS_MAX = 3, PEERS_MAX = 16, HEADERS_MAX = 120, RECIPIENTS_MAX = 24, EDITS_MAX = 12, TEXT_BYTES = 64 };

/* ---- storm_mail.c ---- */

struct storm_header {
    int id; /* 0: the MTA's own Received line, which no filter is shown */
    bool dead;
    char name[TEXT_BYTES], value[TEXT_BYTES]; /* all that stands behind the colon */
};

struct storm_headers {
    int n;
    struct storm_header at[HEADERS_MAX];
};

struct storm_edit {
    uint8_t code; /* SMFIR_* */
    uint32_t index;
    char name[TEXT_BYTES], value[TEXT_BYTES];
};

struct storm_recipients {
    int n;
    char at[RECIPIENTS_MAX][TEXT_BYTES];
};

struct storm_mail {
    struct storm_headers headers; /* dead ones keep their place */
    struct storm_recipients recipients;
    char sender[TEXT_BYTES], quarantine[TEXT_BYTES];
    struct buf body; /* owned */
};

/* What one filter has done to the message. */
struct storm_edits {
    bool counts; /* its final verdict let the message in */
    bool has_body;
    int n;
    struct storm_edit at[EDITS_MAX];
    struct buf body;
};

void storm_mail_copy(struct storm_mail *to, const struct storm_mail *from);
void storm_mail_fini(struct storm_mail *m);
/* seen: the headers as the filter saw them. */
void storm_apply(struct storm_mail *m, const struct storm_headers *seen, const struct storm_edits *edits, int *next_id);
/* As an MTA applies one packet of its filter. */
void storm_mta_applies(struct storm_mail *m, const struct milter_reply *r, bool leadspc);
int storm_find_recipient(const struct storm_recipients *r, const char *address);
void storm_add_recipient(struct storm_recipients *r, const char *address);
void storm_drop_recipient(struct storm_recipients *r, const char *address);
/* NULL: they are the same; else what differs. */
const char *storm_headers_differ(const struct storm_headers *a, const struct storm_headers *b, bool own_too);
bool storm_recipients_have(const struct storm_recipients *all, const struct storm_recipients *some);
void storm_text(char *to, struct slice from);

/* ---- the world ---- */

enum storm_verdict { V_ACCEPT, V_CONTINUE, V_TEMPFAIL, V_REJECT, V_DISCARD, V_NONE };

enum storm_when { WHEN_ALWAYS, WHEN_REMOTE, WHEN_RCPT, WHEN_SUBJECT, WHEN_BODY, WHEN_NO_SUBJECT, WHEN_EVERY, WHEN_MAX };

struct said {
    enum storm_verdict verdict; /* V_NONE: nothing */
    char text[TEXT_BYTES * 2];  /* of a REPLYCODE */
};

struct storm_filter {
    /* configuration */
    enum storm_when when;
    enum storm_verdict fallback;
    bool evaluation, original, breaker;
    bool inside; /* the tests' own built-in filter (nobody.h) */
    uint32_t version, actions, steps;
    /* what is known of it, in the present connection and message */
    struct said connection, message, recipient, unknown;
    bool failed;      /* in this message, when it was asked: its fallback counts for sure */
    bool may_fail;    /* in this connection: its fallback may count */
    bool ended;       /* it has answered the end of this message */
    bool vague;       /* it may not be tried for a while, or ask for more than the MTA was asked for */
    bool refused_one; /* a recipient of this message by itself */
    struct storm_edits edits;
};

enum owed { OWED_NOTHING, OWED_ANSWER };

struct storm_peer {
    child_id id; /* 0: free */
    int filter;
    bool of_session, connected, lost, negotiated, quit, hears; /* hears: it was told something since the negotiation */
    uint8_t owed;                                              /* the command that waits; 0: none */
    unsigned late;                                             /* answers that an ABORT has made void */
    int64_t due_ms; /* when it does what it does; 0: nothing is due, INT64_MAX: it is silent */
    int rank;       /* how far it has got in a message, storm_child.c */
    bool told_connect, told_mail, told_data, told_eoh, skips, skips_rcpt, skips_header, aborted;
    bool excused; /* it has done something that it may be closed for without a QUIT */
    uint32_t version, actions, steps;
    unsigned opened_in; /* the number of the message in which it was connected to */
    unsigned helo;      /* the number of the HELO that it was told */
    char recipient[TEXT_BYTES];
    struct storm_mail told; /* the present message */
    bool paused;
};

struct storm_spool {
    uint64_t id;
    struct buf bytes;
};

enum mta_state { MTA_OPEN, MTA_CONNECTED, MTA_MAIL, MTA_DATA, MTA_HEADERS, MTA_BODY, MTA_OVER };

struct storm {
    uint64_t random;
    unsigned long seed;
    bool verbose, calm;
    unsigned wild; /* of 1000 answers, how many are bad ones */
    struct engine *engine;
    struct effects effects, running;
    struct instant now;
    struct buf conf;
    bool greylist, adds_header; /* the built-in filter, and whether it adds a header */
    int greylist_at;            /* it stands before this filter */
    int n_filters;
    struct storm_filter filters[FILTERS_MAX];
    struct storm_peer peers[PEERS_MAX];
    struct effect questions[64];
    char question_names[64][TEXT_BYTES];
    int n_questions;
    struct storm_spool spools[8];
    int next_id; /* of headers, recipients, texts */

    /* the MTA */
    owner_id session;
    bool closed, reloaded, gone, spool_failed, remote, over, leadspc, whole_over;
    struct milter_options granted;
    uint8_t command; /* the last one */
    bool owed;
    struct said reply; /* to it */
    bool skip, body_replaced;
    unsigned helo, messages;
    bool any_helo, in_message, first_message;
    char recipient[TEXT_BYTES];       /* the present one */
    bool recipient_rejected;          /* by the MTA itself */
    struct storm_recipients refused;  /* of this message: no filter may be told of them any more */
    struct storm_recipients rejected; /* by the MTA itself */
    struct storm_mail mail;           /* what the MTA has */
    struct storm_mail original;
    unsigned long delivered, refusals;
};

/* ---- storm.c ---- */

unsigned storm_random(struct storm *w, unsigned below);
bool storm_chance(struct storm *w, unsigned of_1000);
void storm_log(struct storm *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void storm_log_headers(struct storm *w, const char *what, const struct storm_headers *h);
void storm_fail(struct storm *w, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((noreturn));
void storm_step(struct storm *w, struct event *event);

struct plan *storm_plan(struct storm *w);
/* Something happens: somebody answers, or time passes. */
void storm_live(struct storm *w);

/* ---- storm_mta.c ---- */

/* A whole session; it is closed behind it. */
void storm_talk(struct storm *w);

/* ---- storm_child.c ---- */

void storm_child_open(struct storm *w, const struct effect *e);
void storm_child_told(struct storm *w, const struct effect *e);
void storm_child_close(struct storm *w, const struct effect *e);
struct storm_peer *storm_peer(struct storm *w, child_id id);
/* One that has something to do does it; false: there is none. */
bool storm_children_act(struct storm *w);
void storm_children_idle(struct storm *w);

/* ---- storm_oracle.c ---- */

void storm_answered(struct storm *w, struct storm_peer *p, uint8_t cmd, enum storm_verdict v, const char *text);
void storm_filter_failed(struct storm *w, struct storm_peer *p, bool was_asked);
/* The MTA has this reply to its command. */
void storm_judge(struct storm *w, const struct said *reply);
void storm_clear_message(struct storm *w);
void storm_clear_connection(struct storm *w);
/* The message as filter f must see it. Owner: storm_mail_fini. */
void storm_view(struct storm *w, int f, struct storm_mail *out);
/* Of the message that is there: is it asked? */
bool storm_is_asked(const struct storm *w, const struct storm_filter *f);
bool storm_may_hear(const struct storm *w, const struct storm_filter *f, const char *recipient);

#endif
