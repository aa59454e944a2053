/*
 * chain.h - the filters of a session in their row, and the one coordinator of them, for the files of this folder only. Whoever
 * deals with an event notes what it has brought, and ends with chain_run().
 *
 *   chain.c       life; what commands mean for filters; events' way to them; the run
 *   conditions.c  facts for conditions; who is asked
 *   verdict.c     who is awaited, votes, one reply           deliver.c   the end of a message that is let in
 *   reply.c       waits; refusals that are no filter's word   waiting.c    what a session waits for, in words
 */
#ifndef TARSIER_SESSION_CHAIN_H
#define TARSIER_SESSION_CHAIN_H

#include "filter/filter.h"
#include "session/internal.h"

/* Why a message cannot be given to all who must see it: ours (spool, memory) or its own fault, never a filter's. */
enum trouble {
    TROUBLE_NONE,
    TROUBLE_ROOM,    /* no room for its body */
    TROUBLE_BUDGET,  /* no room for its headers, in what all sessions may have together */
    TROUBLE_HEADERS, /* its headers are larger than is ever kept */
    TROUBLE_MAX_
};

struct chain {
    unsigned count;
    struct filter_common common;
    struct policy_memo *memo; /* what conditions have said of the message; NULL: nothing yet */
    uint8_t trouble;          /* enum trouble */
    bool applied_own;         /* the gate's edits are in the message */

    /* deliver.c */
    bool answering;     /* the verdict is found: edits are on their way to the MTA */
    struct buf changes; /* all edits but the body's, as packets */
    size_t sent_changes;
    uint64_t sent_body;
    uint32_t drain_request;
    struct mono send_deadline; /* a piece of the spooled body is read until then; ms 0: none is */

    struct mono since;
    uint8_t last_status; /* of a session's line of statistics: enum verdict */
    const char *last_place;

    uint8_t standing[MAIL_FILTERS_MAX]; /* enum policy_standing, for conditions */
    bool quarantined[MAIL_FILTERS_MAX];
    struct filter *filter[]; /* by number; NULL: it is not enabled, or the gate */
};

/* ---- chain.c ---- */

/* All filters of the session's plan are made. */
void chain_begin(struct session *s);
/* The connection ends: what is open is closed, with QUIT; who is held is let go. */
void chain_close(struct session *s);
void chain_end(struct session *s); /* … and its memory goes */
/* The session has a new plan: all filters end and are made anew. What the MTA has said of the connection is told to the new ones. */
void chain_take_plan(struct session *s);
void chain_clear_message(struct session *s); /* ABORT to those who are in one */
/* Another client's connection follows on this one. */
void chain_clear_connection(struct session *s);

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

/* An event that is a filter's, or was caused by one. */
void chain_event(struct session *s, const struct event *event);
/* News of a child's connection: filter's number. */
void chain_child_event(struct session *s, unsigned number, const struct event *event);
void chain_tick(struct session *s);
int64_t chain_deadline_ms(const struct session *s); /* 0: none */
/*
 * The one run of the filters that ends an event: edits of those who are through are applied, conditions that can be decided
 * are, everybody is led on, and if all that are asked have said enough the MTA has its answer.
 */
void chain_run(struct session *s);
/* The command that waits is to be decided by the gate, in the run that follows. */
void chain_to_gate(struct session *s);
void chain_pass(struct session *s); /* … or the gate has nothing to do with it */
void chain_gate_event(struct session *s, const struct event *event);
void chain_client_gone(struct session *s);

/* ---- conditions.c ---- */

/*
 * Whether all facts are in that a filter's condition wants at this stage; else they are asked for, and the session waits. For
 * sessions without children too.
 */
bool chain_facts_ready(struct session *s, enum stage stage);
/*
 * Whether the gate is asked about this client (CONNECT), message (MAIL) or recipient (RCPT), as far as the stage tells. A no is noted
 * in the gate, counted and logged.
 */
bool chain_gate_is_asked(struct session *s, enum stage stage);
/* The gate is a new one, under a new plan: what its condition says of the connection; and whether it was out of it before. */
void chain_judge_connection(struct session *s, bool was_over);
/* The gate is out of it, or has let a recipient through. */
bool chain_may_start(const struct session *s);
/* A recipient has come: who is asked about it? */
void chain_judge_recipient(struct session *s, struct filter *f, struct filter_note *note);
/* Decide one filter's condition, as far as the facts tell. earlier_done: those before it are settled. */
void chain_decide(struct session *s, unsigned number, bool earlier_done);
/* Of some recipient it is not known yet whether it is asked. */
bool chain_has_undecided(const struct session *s, const struct filter *f);

/* ---- verdict.c ---- */

/* If everybody who is asked has said enough for the MTA's present command: answer it. */
void chain_settle(struct session *s);
/* Edits of those who are through, in order. */
void chain_apply(struct session *s);
/* Some filter has refused the message, or failed so that it counts as refused. */
bool chain_is_refused(const struct session *s);
/* May it be led on now? */
bool chain_may_lead(const struct session *s, const struct filter *f);
/* The command that waits, waits for this one. */
bool chain_filter_is_awaited(const struct session *s, const struct filter *f);
bool chain_filter_may_edit(const struct filter *f); /* what those behind it see, still */

/* ---- reply.c ---- */

/* Who is in the message hears that it is over, and has no more to say about it. */
void chain_stop(struct session *s);
/* 452 to the recipient that is to be answered. */
void chain_refuse_rcpt(struct session *s);
void chain_wait(struct session *s); /* for filters, the disk or the MTA */
/* The message is over for us: the MTA has the last word that we have on it. */
void chain_reply_last(struct session *s, struct slice packet);
/* No filter's verdict: the mail is not lost, and nobody has seen less of it than the configuration says. */
void chain_reply_trouble(struct session *s);
/* For the line of statistics: what the session was told last, and at which stage. */
void chain_note_status(struct session *s, enum verdict v);

/* ---- deliver.c ---- */

/* The end of a message that nobody but the gate has seen. */
void deliver_alone(struct session *s);
/* Edits, a new body, and the last word. */
void deliver_begin(struct session *s);
/* A part of a new body is on its way to the MTA, and more of it is to come. */
bool deliver_body_has_begun(const struct session *s);
/* What the disk and the MTA's queue say; true: nothing more is to be done about it. */
bool deliver_spooled(struct session *s, const struct event *event);
void deliver_check_deadline(struct session *s);
void deliver_drained(struct session *s, uint32_t request);

/* ---- waiting.c ---- */

/* What the session waits for, in words; nothing where it does not wait. The only place that knows. */
void waiting_put(const struct session *s, struct buf *out);
/* The same to a trace, when it has become another one. */
void waiting_trace(struct session *s);

/* ---- statistics.c ---- */

void chain_log_filter(const struct session *s, const struct filter *f);
void chain_log_session(const struct session *s);

#endif
