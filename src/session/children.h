/*
 * children.h - the manager's side of a session, for the files of this folder only.
 *
 * What the MTA says in a connection and a message is kept, in order, until nobody needs it any more. Each child milter has a
 * place in that sequence: the next thing that it is to be told. It is led on as fast as it answers, up to where the MTA
 * has got ("goal"). So a child that starts late (its condition became true, a recipient was let through), one that waits behind
 * an editor, and one that streams live differ only in where they stand.
 *
 *   children.c    life, conditions, starts and failures       talk.c      leading a child through; its answers
 *   chain.c       what the MTA says, recorded for them         verdict.c   votes, the one reply, edits to the MTA
 *   provide.c     macros that a child gets
 */
#ifndef TARSIER_SESSION_CHILDREN_H
#define TARSIER_SESSION_CHILDREN_H

#include "child/link.h"
#include "child/merge.h"
#include "mail/body.h"
#include "mail/mail.h"
#include "session/internal.h"

/* How a child stands to the present message (to the connection, before its first one). */
enum outcome {
    OUTCOME_PENDING,  /* it has said nothing final */
    OUTCOME_FINAL,    /* verdict; for this message */
    OUTCOME_FALLBACK, /* it has failed: what its filter's fallback says */
};

/* Why a message cannot be given to all who must see it: ours (spool, memory) or its own fault, never a filter's. */
enum trouble {
    TROUBLE_NONE,
    TROUBLE_ROOM,    /* no room for its body */
    TROUBLE_BUDGET,  /* no room for its headers, in what all sessions may have together */
    TROUBLE_HEADERS, /* its headers are larger than is ever kept */
    TROUBLE_MAX_
};

struct milter {
    struct session *session;
    struct registry_record *record; /* what outlives the session: cache, breaker */
    const struct conf_filter *conf;
    struct link *link;    /* NULL: no connection */
    child_id id;          /* 0: no connection */
    uint32_t dns_request; /* its host's name is being looked up */
    bool reading;         /* a piece of a spooled body is on its way to us, for it */
    bool draining;        /* much was sent that it does not answer: the rest waits until that is out */
    uint32_t unanswered_bytes;
    struct mono drain_deadline; /* draining: it takes nothing in time, and has failed */
    struct mail_edits edits;    /* with its answer to the end of the message */
    struct link_limits limits;
    uint8_t number;          /* of its filter */
    uint8_t asked;           /* enum policy_truth: by its condition, for this message */
    uint8_t next;            /* enum stage: what it is to be told next */
    uint8_t outcome;         /* enum outcome */
    uint8_t verdict;         /* OUTCOME_FINAL: enum verdict */
    uint8_t rcpt_verdict;    /* enum verdict, of the present recipient */
    uint8_t unknown_verdict; /* … of the present UNKNOWN */
    uint8_t last;            /* enum stage: the last it was told, for statistics */
    bool connection_over;    /* its verdict was on CONNECT or HELO: for the whole connection */
    bool without_recipient;  /* at DATA none of its recipients was good: it is out of the message, unless one more comes */
    bool replayed;           /* it has been told an envelope that an earlier filter has changed */
    bool in_transaction;     /* it is in a message: ABORT is due when that ends early */
    bool closed_between_messages;    /* it has closed its connection between messages: not before the next one again */
    bool skips_rcpt, skips_header;   /* it wants no more of these, in this message */
    bool skips;                      /* … of the body */
    bool applied;                    /* its edits are in mail */
    bool stopped;                    /* another's refusal, or the client's leave, has ended its say */
    bool counted;                    /* it was asked in this message: a line of statistics is due */
    bool was_quarantined;            /* it wants the message quarantined */
    bool paused;                     /* nothing is read from it */
    bool has_answered;               /* a command, in this connection */
    uint32_t probe;                  /* for the breaker: the number of this probe; 0: it is none */
    uint32_t helo_told;              /* number of the HELO it knows; 0: none */
    struct mail_cursor header, rcpt; /* what it has been told of them */
    unsigned rcpt_asked;             /* the number of the one whose answer is awaited */
    unsigned rcpt_good;              /* recipients that it takes */
    uint64_t body_told;
    struct slice
        refusal; /* a whole packet (REPLYCODE …) in the message's arena, of a final or of the last recipient's verdict */
    struct body *new_body;
    unsigned spool_writes; /* of the new body, under way */
    struct mono started;   /* to be reached: its host's name looked up, connected to, negotiated with */
    struct mono since;     /* it was asked, in this message */
};

/* What is noted of a recipient, by its number in mail. */
struct recipient_note {
    uint64_t memo;               /* facts.recipient_memo */
    uint32_t shown, later, told; /* filters that are asked about it; whose condition is not known yet; that have been told */
};

struct children {
    unsigned count;
    bool any_child;                               /* an enabled filter that is one */
    struct arena connection_texts, message_texts; /* what filters have said that lives as long */
    struct arena unknown_texts;                   /* what is said to the present UNKNOWN */

    /* DNS */
    uint32_t if_name_request;
    bool if_name_known;
    struct slice if_name;

    /* the message */
    struct recipient_note *notes;
    size_t n_notes, cap_notes;
    struct mail_cursor header_cursor; /* next_header()'s */
    size_t header_at;
    struct mail_cursor recipient_cursor; /* next_recipient()'s */
    size_t recipient_at;
    struct policy_memo *memo; /* what conditions have said of it; NULL: nothing yet */
    uint8_t trouble;          /* enum trouble */
    bool answering;           /* the verdict is found: edits are on their way to the MTA */
    struct buf changes;       /* answering: all edits but the body's, as packets */
    size_t sent_changes;
    uint64_t sent_body;
    uint32_t drain_request;
    struct mono send_deadline; /* answering: a piece of the spooled body is read until then; ms 0: none is */
    struct mono since;
    uint8_t last_status; /* of a session's line of statistics: enum verdict */
    const char *last_place;

    uint8_t standing[MAIL_FILTERS_MAX]; /* enum policy_standing, for conditions */
    bool quarantined[MAIL_FILTERS_MAX];
    struct milter child[];
};

/* ---- children.c ---- */

/* NULL when the plan has no children. */
struct children *children_new(struct session *s);
/* Closes what is open, with QUIT. */
void children_free(struct session *s);
/* The newest plan is taken: what is kept of the connection stays, connections to children end. */
void children_take_plan(struct session *s);
void children_clear_message(struct session *s); /* ABORT to those who are in one */
void children_clear_connection(struct session *s);

/*
 * Whether all facts are in that a filter's condition wants at this stage; else they are asked for, the session waits, and `then`
 * is called when they are. For sessions without children too.
 */
bool children_facts_ready(struct session *s, enum stage stage, void (*then)(struct session *s));
/* An answer that is no fact's: a name of the MTA's host, a child's address. */
void children_dns_answered(struct session *s, const struct event *event);
/* Decide whose conditions can be decided; start and lead on whom that concerns. */
void children_decide(struct session *s);
/* The greylist filter is out of it, or has let a recipient through. */
bool children_may_start(const struct session *s);
bool child_has_undecided(const struct milter *c); /* recipients */
void child_served(struct milter *c);              /* it has answered well: for the breaker */
void child_fail(struct milter *c, const char *why);
/* Its connection is of no use any more. A failure if it is asked now; else no verdict of its changes. */
void child_break(struct milter *c, const char *why);
/* As child_hang_up; it is connected to again when it is to be told something of a message. */
void child_let_go(struct milter *c);
/* Its connection ends: QUIT if that can still be said. */
void child_hang_up(struct milter *c);
/* One that may still change what those behind it see. */
bool child_may_edit(const struct milter *c);
bool child_actions_edit(uint32_t actions); /* SMFIF_*: is there one that those behind it would see? */
/* One behind it whose verdict counts has begun with the headers or the body as they are before its edits. */
bool child_is_overtaken(const struct milter *c);
bool child_is_settled(const struct milter *c);
struct policy_session_facts children_facts(const struct session *s);
/* Room for what conditions say of the present message; NULL where there is none. */
struct policy_memo *children_memo(struct session *s);
int64_t children_deadline_ms(const struct session *s); /* 0: none */
void children_check_deadlines(struct session *s);

/* ---- chain.c ---- */

/*
 * What the MTA has said is recorded, and what it means for the filters is seen to. The session is refused where it cannot be
 * kept.
 */
void chain_macros(struct session *s, uint8_t for_cmd, struct slice pairs);
void chain_connect(struct session *s, struct slice body);
void chain_helo(struct session *s, struct slice body);
void chain_mail(struct session *s, struct slice body);
void chain_keep_rcpt(struct session *s, struct slice body); /* until it is let through */
/* False: there are too many; this one is refused. */
MUST_CHECK bool chain_rcpt(struct session *s);
void chain_header(struct session *s, struct slice name, struct slice value);
void chain_eoh(struct session *s);
void chain_body(struct session *s, struct slice chunk);
void chain_eom(struct session *s, struct slice chunk);
void chain_unknown(struct session *s, struct slice line);
/*
 * The one run of the filters that ends an event: edits of those who are through are applied, conditions that can be decided
 * are, everybody is led on, and if all that are asked have said enough the MTA has its answer.
 */
void chain_run(struct session *s);
bool children_is_rejected_rcpt(const struct session *s); /* the one that follows, by the MTA itself */
enum stage children_stage(const struct session *s);
struct recipient_note *children_note_of(struct session *s, unsigned number);

/* ---- talk.c ---- */

/* Tell it all that it is to be told now. */
void child_lead(struct milter *c);
/* UNKNOWN stands outside of the sequence: it is told to who is there, and to nobody later. */
void child_tell_unknown(struct milter *c, struct slice line);
void child_resolved(struct milter *c, const struct event *event); /* its host's address */
void child_check_resolving(struct milter *c);                     /* that took too long: it has failed */
void child_read(struct milter *c, struct slice piece);            /* its piece of a spooled body has come */
bool child_is_blocked(const struct milter *c);
void child_abort(struct milter *c);

/* ---- provide.c ---- */

/* Names that a child gets at a stage for which it has asked for none. */
const char *children_default_macros(const struct plan *plan, enum milter_stage stage);
void child_macros(struct milter *c, uint8_t cmd, struct slice pairs, struct buf *out);
/* What has to be looked up first is there, or asked for now. */
bool child_macros_ready(struct milter *c);

/* ---- verdict.c ---- */

/* If everybody who is asked has said enough for the MTA's present command: answer it. */
void children_settle(struct session *s);
/* Edits of those who are through, in order. */
void children_apply(struct session *s);
void children_client_gone(struct session *s);
/* Who is in the message hears that it is over, and has no more to say about it. */
void children_stop(struct session *s);
/* 452 to the recipient that is to be answered. */
void children_refuse_rcpt(struct session *s);
/* A part of a new body is on its way to the MTA, and more of it is to come. */
bool children_body_has_begun(const struct session *s);
void children_check_sending(struct session *s); /* its deadline */
bool children_is_refused(const struct session *s);

/* ---- statistics.c ---- */

void children_log_child(const struct milter *c);
void children_log_session(const struct session *s);

#endif
