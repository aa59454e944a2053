/*
 * internal.h - the session's insides, for the files of this folder only.
 *
 *   session.c    life, input, events              commands.c   the table of commands
 *   negotiate.c  OPTNEG and macros                presence.c   is the client there?
 *   chain.h      the filters in their row
 */
#ifndef TARSIER_SESSION_INTERNAL_H
#define TARSIER_SESSION_INTERNAL_H

#include "milter/command.h"
#include "milter/reply.h"
#include "dialogue/dialogue.h"
#include "filter/filter.h"
#include "session/session.h"

struct chain; /* chain.h */
struct facts; /* facts.h */

/* Where the MTA is in its dialogue. */
enum phase {
    PHASE_NEW,       /* nothing yet: OPTNEG is due */
    PHASE_OPEN,      /* negotiated: CONNECT is due */
    PHASE_CONNECTED, /* between messages */
    PHASE_MAIL,      /* a sender is known */
    PHASE_RCPT,      /* at least one recipient was asked about */
    PHASE_MESSAGE,   /* DATA, header, body */
    PHASE_OVER,      /* nothing more is read; EFFECT_CLOSE is queued */
    PHASE_MAX_
};

/* What a reply that is owed to the MTA waits for. From WAIT_GATE on PROGRESS is sent meanwhile. */
enum wait {
    WAIT_NOTHING,
    WAIT_FIRST_LOOK, /* CONNECT: is the client there, and can it be watched? */
    WAIT_GATE,       /* RCPT, DATA, end of message: the gate's word */
    WAIT_FILTERS,    /* any: what do the other filters say? */
    WAIT_FACTS,      /* CONNECT to RCPT: what conditions ask others for (facts.h) */
    WAIT_MAX_
};

/* Bits of session.flags. */
enum {
    FLAG_AT_GATE = 1u << 0,     /* the command that waits is the gate's to decide */
    FLAG_GATE_BEGINS = 1u << 1, /* … and it has not heard of it yet */
    FLAG_OVER = 1u << 16,       /* the MTA has "accept" for the whole connection: everything is answered at once */
    FLAG_RCPT_MACROS = 1u << 8, /* macros of the recipient that follows are in the arena already */
    FLAG_MAIL_MACROS = 1u << 9,
    FLAG_HELO_MACROS = 1u << 12,
    FLAG_SILENT_HEADERS = 1u << 15, /* SMFIP_NR_HDR: no header is answered by itself */
    FLAG_REFUSED = 1u << 19,        /* it asked for more memory than it may have: its next command is answered with 421 */
};

/*
 * What an ordinary dialogue keeps in three of its scopes; more, and all of HELO's, goes to the heap. Clients held by the ten
 * thousand are why this is counted in bytes: with it a held client needs just below 2 KiB in all.
 */
enum { SESSION_CONN_BYTES = 160, SESSION_MAIL_BYTES = 80, SESSION_RCPT_BYTES = 240 };
enum { SESSION_INLINE_BYTES = SESSION_CONN_BYTES + SESSION_MAIL_BYTES + SESSION_RCPT_BYTES };

struct session {
    struct dialogue d; /* what is known of it */
    uint32_t flags;
    uint16_t needs;            /* of the plan: what the actions were negotiated for */
    uint8_t phase, wait;       /* enum phase, wait */
    struct mono next_progress; /* ms 0: none is due */
    union filter_gate gate;    /* chain_gate() */
    struct chain *chain;       /* the other filters; NULL: there are none */
    struct buf in;             /* a packet's beginning, or what came while a reply was owed */
    _Alignas(max_align_t) char inline_memory[SESSION_INLINE_BYTES];
};

/* Of what kind it is the place knows that makes it (chain.c). */
static inline struct filter *chain_gate(struct session *s)
{
    return &s->gate.f;
}
static inline const struct filter *chain_gate_const(const struct session *s)
{
    return &s->gate.f;
}

/* ---- session.c ---- */

/* Answer the command that waits, unless the session has been closed; one packet, or several in one buffer: one write. */
void session_reply(struct session *s, struct slice packets);
void session_reply_code(struct session *s, uint8_t code);
/* Nobody is asked any more in this connection: "accept" for all of it. */
void session_accept_connection(struct session *s);
bool session_is_accepted(const struct session *s);
/* Each event ends so: one run of the filters, then what the MTA has sent meanwhile is read. */
void session_end_event(struct session *s);
/* 421 with this text; the MTA hangs up. */
void session_reply_gone(struct session *s, const char *text);
/* Close now; why goes to the log unless NULL. */
void session_close(struct session *s, const char *why);
/*
 * Copy text into a scope. NONE and session_is_refused() when the MTA has sent more than a scope may hold, or the budget of all
 * sessions is spent: the command that is to be answered has 421, else the next one will.
 */
struct slice session_keep(struct session *s, struct scope *scope, struct slice text);
/* Count what is about to be kept. False: refused. */
bool session_may_keep(struct session *s, struct scope *scope, size_t bytes);
/* What of it could be kept, as scope.h says: refuse the session if it could not. True: it was. */
bool session_was_kept(struct session *s, enum err e);
/* The session is over, or will be with its next command: nothing more is kept for it. */
bool session_is_refused(const struct session *s);
/* The command that is to be answered has 421, and the connection ends: the MTA's client is to come back. */
void session_refuse(struct session *s);
void session_clear_helo(struct session *s);
void session_clear_recipient(struct session *s);
void session_clear_message(struct session *s);
/*
 * Old waits end, with their timers; an answer still under way is stale from now on. Only the clock of PROGRESS runs on from one
 * wait of a command to the next.
 */
void session_set_wait(struct session *s, enum wait wait);
void session_arm_timer(struct session *s);

/* ---- commands.c ---- */

/* One whole packet of the MTA's, while nothing is owed to it. */
void command_handle(struct session *s, const struct wire_packet *p);
/* The facts are there that a command has waited for (WAIT_FACTS). */
void command_go_on(struct session *s);

/* ---- negotiate.c ---- */

/* Errors: ERR_SYNTAX, ERR_UNSUPPORTED (version): the caller closes. */
MUST_CHECK enum err session_negotiate(struct session *s, struct slice body);
/* Whether a plan needs no more of the MTA than this session has negotiated. */
bool session_can_take_plan(struct session *s, const struct plan *p);
void session_macros(struct session *s, uint8_t for_cmd, struct slice pairs);

/* ---- presence.c ---- */

/* At CONNECT: is the client there, and can it be watched? */
void presence_first_look(struct session *s);
/* Something may have become of the client: act on its state, as far as the present wait is concerned with it. */
void presence_changed(struct session *s);

#endif
