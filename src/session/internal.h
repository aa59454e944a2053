/*
 * internal.h - the session's insides, for the files of this folder only.
 *
 *   session.c    life, input, events                      commands.c   the table of commands
 *   negotiate.c  OPTNEG and macros                        children.h   the manager's side
 *   recipient.c  RCPT: policy, store, verdict             holding.c    what a hold and its end mean here
 *   asking.c     waiting for the store                    facts.h      facts that others are asked for
 *   message.c    DATA and end of message: headers         text.c       replies and log lines
 */
#ifndef TARSIER_SESSION_INTERNAL_H
#define TARSIER_SESSION_INTERNAL_H

#include "milter/command.h"
#include "milter/reply.h"
#include "port/journal.h"
#include "dialogue/dialogue.h"
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

/* What a reply that is owed to the MTA waits for. Those of a RCPT, from WAIT_LOOK_STORE on, are the ones that send PROGRESS. */
enum wait {
    WAIT_NOTHING,
    WAIT_FIRST_LOOK, /* CONNECT: is the client there, and can it be watched? */
    WAIT_LOOK_STORE, /* RCPT: what does the store know? The cursor is kept (facts.h) */
    WAIT_HELD,       /* RCPT: the hold, with the last look at its end */
    WAIT_STORE,      /* RCPT: decided; the record is being committed */
    WAIT_CHILDREN,   /* any: what do the child milters say? */
    WAIT_FACTS,      /* CONNECT to RCPT: what conditions and racl lines ask others for (facts.h) */
    WAIT_CONFIRM,    /* DATA: that it has come after a served hold is being committed */
    WAIT_MAX_
};

/* Bits of session.flags. */
enum {
    FLAG_GREYLIST_NOT_APPLICABLE =
        1u << 3,                  /* the filter's condition said no at CONNECT: it is not asked in this connection */
    FLAG_RELEASED = 1u << 6,      /* an administrator has let the present recipient in */
    FLAG_COUNTED = 1u << 17,      /* the present recipient is one of `accepted` */
    FLAG_OVER = 1u << 16,         /* the MTA has "accept" for the whole connection: everything is answered at once */
    FLAG_ASKED = 1u << 4,         /* the filter's condition said yes for this message */
    FLAG_DEFER_AT_DATA = 1u << 7, /* delayedreject: a recipient of this null sender was deferred */
    FLAG_RCPT_MACROS = 1u << 8,   /* macros of the recipient that follows are in the arena already */
    FLAG_MAIL_MACROS = 1u << 9,
    FLAG_HELO_MACROS = 1u << 12,
    FLAG_RCPT_UNFILTERED = 1u << 14,  /* its condition said no of a recipient of this message */
    FLAG_UNCONFIRMED = 1u << 25,      /* a hold was served in this connection, and no DATA has come since */
    FLAG_SILENT_HEADERS = 1u << 15,   /* SMFIP_NR_HDR: no header is answered by itself */
    FLAG_REFUSED = 1u << 19,          /* it asked for more memory than it may have: its next command is answered with 421 */
    FLAG_READER_ASKED = 1u << 26,     /* WAIT_STORE: the writer is slow, or has failed */
    FLAG_HEADERS_LEFT_OUT = 1u << 13, /* it was said that a message has more headers to add than it may */
};

struct decided_header {
    const struct format *text;
    int64_t index;
};

/* What policy said about the present recipient, without the room it did not need. Text lies in the recipient's arena. */
struct decision {
    enum conf_action action;
    unsigned reasons, n_headers;
    uint8_t tarpit; /* enum policy_tarpit */
    bool nolog;
    const struct conf_acl *acl;
    int64_t tarpit_sec, hold_ms, delay_sec, autowhite_sec;
    struct slice code, ecode;
    const struct format *msg, *report;
    const char *id;
    const struct decided_header *headers; /* n_headers of them */
    struct slice *groups;                 /* REGEX_GROUPS_MAX, or NULL */
};

/* A header to add at end of message. */
struct added_header {
    struct added_header *next;
    struct slice name, value;
    int64_t index; /* -1: at the end */
};

/*
 * What an ordinary dialogue keeps in three of its scopes; more, and all of HELO's, goes to the heap. Clients held by the ten
 * thousand are why this is counted in bytes: with it a held client needs just below 2 KiB in all.
 */
enum { SESSION_CONN_BYTES = 160, SESSION_MAIL_BYTES = 80, SESSION_RCPT_BYTES = 288 };
enum { SESSION_INLINE_BYTES = SESSION_CONN_BYTES + SESSION_MAIL_BYTES + SESSION_RCPT_BYTES };

enum { SESSION_HEADERS_MAX_BYTES = 128 * 1024, SESSION_STORE_DEADLINE_MS = 5000 };

/* Why the client's name is suspected, in a byte. */
enum suspicion {
    SUSPICION_NONE, /* it is not, or nobody asked */
    SUSPICION_S25R, /* and the rule, 0 to 6 */
    SUSPICION_NAMELESS = SUSPICION_S25R + 7,
    SUSPICION_POINTS, /* and generic_rdns's points, from 0 on */
};

struct session {
    struct dialogue d; /* what is known of it */
    uint32_t flags;
    uint8_t phase, wait;    /* enum phase, wait */
    uint8_t owed;           /* the command that waits for a reply, for logs; 0: none */
    uint8_t suspicion;      /* enum suspicion */
    uint32_t actions;       /* as negotiated */
    uint32_t store_request; /* the one under way; 0: none */
    uint32_t look_request;  /* in WAIT_STORE: at the records */

    /* the message */
    unsigned accepted;    /* recipients let through */
    uint32_t reasons;     /* of all accepted recipients */
    uint16_t needs;       /* of the plan; what the actions were negotiated for; here, for here is room */
    uint32_t elapsed_sec; /* longest delay of an accepted recipient; 0: none was delayed */
    uint32_t headers_bytes;
    uint32_t tarpit_sec;           /* of the last one that a tarpit line let in */
    uint32_t served_autowhite_sec; /* the connection's, here, for here is room: the longest of what FLAG_UNCONFIRMED means */
    char *report;                  /* text of the last line's own `report`; NULL: the usual */
    const struct conf_acl *header_acl; /* the line that X-Greylist names; NULL: no such reason */
    const char *header_acl_id;         /* its id, or a continue line's; NULL: the line's number */
    struct added_header *headers;
    struct slice deferred_text; /* delayedreject: the whole reply packet for DATA */

    /* the recipient */
    struct grey_tuple tuple;
    struct decision decision;
    struct grey_answer *known;           /* answer to the look at the store, in the recipient's arena; NULL: not asked */
    struct wall first_seen;              /* start of the hold, or the present */
    struct mono deadline, next_progress; /* of the timer's jobs, beside the client's; ms 0: not wanted */

    struct facts *facts; /* what others were asked for; NULL: nothing that is still wanted */
    struct chain *chain; /* the manager's side; NULL: there are none */

    struct buf in; /* a packet's beginning, or what came while a reply was owed */
    _Alignas(max_align_t) char inline_memory[SESSION_INLINE_BYTES];
};

/* ---- session.c ---- */

/* Answer the command that waits, unless the session has been closed; one packet, or several in one buffer: one write. */
void session_reply(struct session *s, struct slice packets);
void session_reply_code(struct session *s, uint8_t code);
/* The greylist filter's part of the command that waits is over, and it lets it go on: the others' turn comes with chain_run(). */
void session_continue(struct session *s);
/* The greylist filter's `evaluation`. */
bool session_only_evaluates(const struct session *s);
/* That, or a pause: what holds and defers is logged, and lets in. */
bool session_spares_all(const struct session *s);
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
struct policy_facts session_facts(struct session *s, enum stage stage);
/* After policy has been asked: what regexes did is counted, and one that came to no end logged, once a message. */
void session_note_effort(struct session *s);
bool session_may_progress(const struct session *s);

/* ---- commands.c ---- */

/* One whole packet of the MTA's, while nothing is owed to it. */
void command_handle(struct session *s, const struct wire_packet *p);

/* ---- negotiate.c ---- */

/* Errors: ERR_SYNTAX, ERR_UNSUPPORTED (version): the caller closes. */
MUST_CHECK enum err session_negotiate(struct session *s, struct slice body);
/* Whether a plan needs no more of the MTA than this session has negotiated. */
bool session_can_take_plan(struct session *s, const struct plan *p);
void session_macros(struct session *s, uint8_t for_cmd, struct slice pairs);

/* ---- recipient.c ---- */

void recipient_begin(struct session *s);
/* The store's answer to the look, or a failed one. */
void recipient_known(struct session *s, const struct grey_answer *answer);
/* After a served hold: the decision that follows it. */
void recipient_served(struct session *s);
/* An administrator has ended the hold. */
void recipient_released(struct session *s);
/* The hold has been cut, for the client cannot be watched any more: the lines are judged anew, and none of them holds. */
void recipient_unwatchable(struct session *s);
void recipient_committed(struct session *s, const struct grey_answer *answer);
/* DATA has come after a served hold: a request about the client. */
uint32_t recipient_ask_confirm(struct session *s, bool wants_answer);
/* A request about the present recipient, with what its decision says. */
/* Returns the request's number; 0 where no answer is wanted. */
uint32_t recipient_ask_store(struct session *s, enum grey_request_kind kind, enum grey_pass pass, int64_t waited_sec,
                             bool wants_answer);

/* ---- asking.c ---- */

/* Ask the store and wait (WAIT_STORE); what comes of it is given to recipient_committed, perhaps before this returns. */
void asking_begin(struct session *s, enum grey_request_kind kind, enum grey_pass pass, int64_t waited_sec);
void asking_answered(struct session *s, uint32_t request, const struct grey_answer *answer);
void asking_timer(struct session *s);
/* How long the writer, or the reader, is waited for now. */
int64_t asking_patience_ms(const struct shared *sh, bool of_writer);
/* It was waited for in vain. */
void asking_note_missed(struct session *s, bool of_writer);

/* ---- holding.c ---- */

void holding_first_look(struct session *s);
void holding_begin(struct session *s);
/* Something may have become of the client: act on its state, as far as the present wait is concerned with it. */
void holding_go(struct session *s);
/* The hold ends, if there is one: the MTA says that the client has left; or the connection ends by our will. Counted and logged. */
void holding_left(struct session *s);
void holding_cut(struct session *s);
enum policy_no_hold holding_why_not(const struct session *s);

/* ---- message.c ---- */

void message_data(struct session *s);
void message_end(struct session *s);
/* What DATA confirms is on disk, or could not be stored; the mail goes on. */
void message_confirmed(struct session *s, const struct grey_answer *answer);
struct mail_edits;
/* Headers to add, as edits; for a session with children. */
void message_put_edits(const struct session *s, struct mail_edits *edits);
/* Whether they can be applied before all headers of the mail are there (mail/mail.h). */
bool message_edits_fit_early(const struct session *s);
void message_note_accepted(struct session *s, unsigned reasons, int64_t elapsed_sec);

/* ---- text.c ---- */

/* A format on the present recipient's facts; control bytes of outside text cannot break a reply or a header. */
void text_expand(const struct session *s, const struct format *format, struct buf *out);
void text_refusal(struct session *s, int64_t elapsed_sec, int64_t remaining_sec, bool blacklisted, struct buf *packet);
/* The filter is not asked about the client, the message or the recipient; whatever of them is known. why NULL: settled earlier. */
void text_log_passed(struct session *s, const struct policy_why *why);
void text_log_accepted(struct session *s, unsigned reasons);
/* Greylisting's delay is over. */
void text_log_let_in(struct session *s, int64_t elapsed_sec);
void text_log_deferred(struct session *s, int64_t remaining_sec);
void text_log_rejected(struct session *s);
void text_log_held(struct session *s);
/* how: STAYED, SIBLING, LEFT or CUT. */
/* For a listing of who is held; texts borrow from the session. */
void text_describe_hold(const struct session *s, struct held_client *out);
void text_log_hold_end(struct session *s, enum journal_what how, int64_t waited_ms);
void text_log_not_held(struct session *s, enum policy_no_hold why);
/* A line with tarpit does not match for the client's left mark. */
void text_log_left_before(struct session *s, int64_t left_sec);
/* DATA has come after a served hold (for `verbose`), or the client has gone without it. */
void text_log_confirmed(struct session *s);
void text_log_unconfirmed(struct session *s);
void text_log_gone(struct session *s, const char *how);
void text_log_protocol(struct session *s, const char *what);
/* The MTA has told a queue id: one line says which connection it belongs to, where lines without it have been written. */
void text_log_queue_id(struct session *s);
/* "Delayed for …" or the reasons; empty when `report` wants no header for this mail. */
void text_x_greylist(const struct session *s, struct buf *out);

#endif
