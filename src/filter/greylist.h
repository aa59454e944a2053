/*
 * greylist.h - the filter `builtin greylist`: it decides each recipient by the racl lines and by what the store knows, holds
 * clients, and adds headers. It gates: others hear of a recipient only when it has let it through.
 *
 *   greylist.c            the interface, and the hold       greylist_asking.c    waiting for the store
 *   greylist_recipient.c  RCPT: policy, store, verdict      greylist_message.c   DATA and end of message: headers
 *   greylist_text.c       replies and log lines
 */
#ifndef TARSIER_FILTER_GREYLIST_H
#define TARSIER_FILTER_GREYLIST_H

#include "base/mem.h"
#include "dialogue/facts.h"
#include "filter/filter.h"
#include "milter/reply.h"
#include "port/journal.h"

/* What it waits for. */
enum greylist_wait {
    GREYLIST_RESTS,
    GREYLIST_LOOKS,    /* RCPT: what does the store know? The cursor is kept (facts.h) */
    GREYLIST_ASKS,     /* RCPT: what racl lines ask others for (facts.h) */
    GREYLIST_HOLDS,    /* RCPT: the hold, with the last look at its end */
    GREYLIST_COMMITS,  /* RCPT: decided; the record is being committed */
    GREYLIST_CONFIRMS, /* DATA: that it has come after a served hold is being committed */
};

/* Bits of greylist.flags. */
enum {
    GREYLIST_COUNTED = 1u << 0,          /* the present recipient is one of `accepted` */
    GREYLIST_DEFER_AT_DATA = 1u << 1,    /* delayedreject: a recipient of this null sender was deferred */
    GREYLIST_READER_ASKED = 1u << 3,     /* GREYLIST_COMMITS: the writer is slow, or has failed */
    GREYLIST_HEADERS_LEFT_OUT = 1u << 4, /* it was said that a message has more headers to add than it may */
    GREYLIST_RELEASED = 1u << 5,         /* the present recipient's hold was ended by an administrator */
};

enum { GREYLIST_HEADERS_MAX_BYTES = 128 * 1024, GREYLIST_STORE_DEADLINE_MS = 5000 };

/* A header that a line adds. */
struct decision_header {
    const struct format *format;
    int64_t index; /* -1: at the end */
};

/* What policy said about the present recipient, without the room it did not need. Text lies in the recipient's arena. */
struct decision {
    const struct conf_acl *acl;
    const char *code, *ecode; /* not ended by a NUL; NULL: default */
    const struct format *msg, *report;
    const char *id;
    const struct decision_header *headers;
    struct slice *groups;                                   /* REGEX_GROUPS_MAX, or NULL */
    uint32_t tarpit_sec, hold_ms, delay_sec, autowhite_sec; /* a delay or life beyond 136 years is cut there */
    uint32_t reasons;                                       /* REASON_*, for a whitelisting */
    uint8_t action : 4;                                     /* enum conf_action */
    uint8_t tarpit : 3;                                     /* enum policy_tarpit */
    bool nolog : 1;
    uint8_t n_headers, code_len, ecode_len;
};

/* A header to add at end of message. */
struct added_header {
    struct added_header *next;
    struct slice name, value;
    int64_t index; /* -1: at the end */
};

/* Part of its session: clients are held by the ten thousand. */
struct greylist {
    struct filter f;        /* conf NULL: the file has no filter, and it is asked about everybody */
    uint32_t reasons;       /* of all accepted recipients */
    uint32_t flags;         /* GREYLIST_* */
    uint8_t wait;           /* enum greylist_wait */
    uint32_t store_request; /* the one under way; 0: none */
    uint32_t look_request;  /* GREYLIST_COMMITS: at the records */
    struct mono deadline;   /* ms 0: none */

    /* the message */
    unsigned accepted;    /* recipients let through */
    uint32_t tarpit_sec;  /* of the last one that a tarpit line let in */
    uint32_t elapsed_sec; /* longest delay of an accepted recipient; 0: none was delayed */
    uint32_t headers_bytes;
    char *report;                      /* text of the last line's own `report`; NULL: the usual */
    const struct conf_acl *header_acl; /* the line that X-Greylist names; NULL: no such reason */
    const char *header_acl_id;         /* its id, or a continue line's; NULL: the line's number */
    struct added_header *headers;
    struct mail_edits *edits; /* the same, as edits; on demand */
    const char *deferred;     /* delayedreject: the whole reply packet for DATA, with its length in front; NULL: none */

    /* the recipient */
    struct grey_tuple tuple;
    struct decision decision;
    struct grey_answer *known; /* answer to the look at the store, in the recipient's arena; NULL: not asked */
    struct wall first_seen;    /* start of the hold, or the present */
};

static inline struct greylist *greylist_of(struct filter *f)
{
    return CONTAINER_OF(f, struct greylist, f);
}
static inline const struct greylist *greylist_of_const(const struct filter *f)
{
    return CONTAINER_OF(f, const struct greylist, f);
}

extern const struct filter_kind greylist_kind;

/* The rest is for its own files. */

/* `evaluation`, or a pause: what holds and defers is logged, and lets in. */
bool greylist_spares_all(const struct greylist *g);
/* What racl lines are told: the dialogue's facts at RCPT, with what is known of the tuple and of the hold. */
struct policy_facts greylist_facts(struct greylist *g);

/* An answer still under way is stale from now on, and the clock of the wait before ends. */
void greylist_set_wait(struct greylist *g, enum greylist_wait wait);
void greylist_pass(struct greylist *g); /* it has nothing against the command that waits */
void greylist_refuse(struct greylist *g, struct slice packet);
void greylist_refuse_gone(struct greylist *g, const char *text); /* 421; the MTA hangs up */
void holding_begin(struct greylist *g);

/* ---- greylist_recipient.c ---- */

void recipient_begin(struct greylist *g);
void recipient_goes_on(struct greylist *g); /* what others were asked for is there */
/* The store's answer to the look, or a failed one. */
void recipient_known(struct greylist *g, const struct grey_answer *answer);
/* After a served hold: the decision that follows it. */
void recipient_served(struct greylist *g);
/* An administrator has ended the hold. */
void recipient_released(struct greylist *g);
/* The hold has been cut, for the client cannot be watched any more: the lines are judged anew, and none of them holds. */
void recipient_unwatchable(struct greylist *g);
void recipient_committed(struct greylist *g, const struct grey_answer *answer);
/* DATA has come after a served hold: a request about the client. */
uint32_t recipient_ask_confirm(struct greylist *g, bool wants_answer);
/* A request about the present recipient, with what its decision says. Returns the request's number; 0 where no answer is wanted. */
uint32_t recipient_ask_store(struct greylist *g, enum grey_request_kind kind, enum grey_pass pass, int64_t waited_sec,
                             bool wants_answer);

/* ---- greylist_asking.c ---- */

/* Ask the store and wait (GREYLIST_COMMITS); what comes of it is given to recipient_committed, perhaps before this returns. */
void asking_begin(struct greylist *g, enum grey_request_kind kind, enum grey_pass pass, int64_t waited_sec);
void asking_answered(struct greylist *g, uint32_t request, const struct grey_answer *answer);
void asking_timer(struct greylist *g);
/* How long the writer, or the reader, is waited for now. */
int64_t asking_patience_ms(const struct shared *sh, bool of_writer);
/* It was waited for in vain. */
void asking_note_missed(struct greylist *g, bool of_writer);

/* ---- greylist_message.c ---- */

void message_data(struct greylist *g);
void message_end(struct greylist *g);
/* What DATA confirms is on disk, or could not be stored; the mail goes on. */
void message_confirmed(struct greylist *g, const struct grey_answer *answer);
/* Headers to add, as edits; for a session with children. */
void message_put_edits(const struct greylist *g, struct mail_edits *edits);
/* Whether they can be applied before all headers of the mail are there (mail/mail.h). */
bool message_edits_fit_early(const struct greylist *g);
void message_note_accepted(struct greylist *g, unsigned reasons, int64_t elapsed_sec);

/* ---- greylist_text.c ---- */

/* A format on the present recipient's facts; control bytes of outside text cannot break a reply or a header. */
void text_expand(const struct greylist *g, const struct format *format, struct buf *out);
void text_refusal(struct greylist *g, int64_t elapsed_sec, int64_t remaining_sec, bool blacklisted, struct buf *packet);
void text_log_accepted(struct greylist *g, unsigned reasons);
/* Greylisting's delay is over. */
void text_log_let_in(struct greylist *g, int64_t elapsed_sec);
void text_log_deferred(struct greylist *g, int64_t remaining_sec);
void text_log_rejected(struct greylist *g);
void text_log_held(struct greylist *g);
/* id or number of the line that decides; NONE: there is none yet. Perhaps in room. */
struct slice text_acl_name(const struct greylist *g, char room[16]);
/* how: how it ended, STAYED to CUT, RELEASED or DROPPED. */
void text_log_hold_end(struct greylist *g, enum journal_what how, int64_t waited_ms);
void text_log_not_held(struct greylist *g, enum policy_no_hold why);
/* A line with tarpit does not match for the client's left mark. */
void text_log_left_before(struct greylist *g, int64_t left_sec);
/* DATA has come after a served hold (for `verbose`), or the client has gone without it. */
void text_log_confirmed(struct greylist *g);
void text_log_unconfirmed(struct greylist *g);
/* "Delayed for …" or the reasons; empty when `report` wants no header for this mail. */
void text_x_greylist(const struct greylist *g, struct buf *out);

#endif
