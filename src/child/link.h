/*
 * link.h - our side of one connection to a child milter: negotiation, one command at a time, its answer checked. A state
 * machine without I/O: bytes in, bytes out, deadlines as values. Knows nothing of sessions, of other children or of what a
 * verdict means for the mail.
 *
 * A child that lies (an answer that this command cannot have, a form that is broken, a change that the MTA does not offer,
 * bytes when nothing was asked) is failed: nothing that it has said goes on. What it says without having negotiated it is
 * taken where the MTA takes it (Postfix 3.7 milter8_event(); Sendmail 8.14 milter_send_command(), milter_data()).
 */
#ifndef TARSIER_CHILD_LINK_H
#define TARSIER_CHILD_LINK_H

#include "base/clock.h"
#include "mail/edit.h"
#include "milter/command.h"
#include "milter/reply.h"

enum link_state {
    LINK_NEW,
    LINK_CONNECTING,
    LINK_NEGOTIATING,
    LINK_IDLE,  /* nothing is owed to us */
    LINK_ASKED, /* a reply is owed */
    LINK_FAILED,
    LINK_MAX_
};

/* Milliseconds each. */
struct link_limits {
    int64_t connect_ms; /* to stand and to be negotiated */
    int64_t command_ms; /* CONNECT to DATA, UNKNOWN */
    int64_t message_ms; /* HEADER, EOH, BODY */
    int64_t eom_ms;
    int64_t progress_max_ms; /* to this PROGRESS may prolong one command */
};

struct link {
    enum link_state state;
    uint8_t asked;                    /* LINK_ASKED: the command */
    const struct link_limits *limits; /* borrowed */
    struct milter_options offer;      /* what it was offered; no symlists */
    struct milter_options got;        /* what it chose; symlists in memory of the link's */
    struct mono asked_at, deadline;   /* deadline.ms 0: nothing is awaited */
    struct mail_edits edits;          /* since EOM was asked */
    uint32_t unnegotiated;            /* SMFIF_*: changes that it has made without negotiating them */
    const char *why;                  /* LINK_FAILED: a literal, for the log */
    struct buf in;                    /* the beginning of a packet */
    struct arena arena;               /* got's symlists */
    unsigned late;                    /* replies to commands before an ABORT, still to come and to be passed over */
    bool quit;                        /* QUIT was said: nothing is expected any more, and whatever comes is passed over */
};

enum link_news {
    LINK_NOTHING,    /* more bytes are needed */
    LINK_NEGOTIATED, /* got is filled */
    LINK_ANSWERED,   /* *answer is; slices borrowed until the next call. edits holds what was said before an EOM's answer */
    LINK_BODY,       /* EOM: a piece of a new body, in answer->text, borrowed until the next call; call again */
    LINK_PROGRESS,   /* it is still at work: its clock has started again */
    LINK_BROKEN,     /* state is LINK_FAILED */
};

/* Final for its command. */
struct link_answer {
    /*
     * CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, REPLYCODE. SHUTDOWN, CONNFAIL: REPLYCODE 421. SKIP: goes on, and wants no
     * more RCPT, HEADER or BODY of this message; for every other command the same as CONTINUE (Postfix 3.7).
     */
    uint8_t code;
    int status;        /* REPLYCODE: 400..599 */
    struct slice text; /* REPLYCODE: as milter_reply.replycode.text */
};

/* Owner: link_fini. The limits must outlive the link. */
void link_init(struct link *l, const struct link_limits *limits);
void link_fini(struct link *l);

void link_connecting(struct link *l, struct mono now);
/*
 * The connection stands: appends OPTNEG. offer: version, actions and steps that the child may choose from; of steps all that
 * we do for it whatever the MTA does (SMFIP_NO*, SMFIP_NR_*, SKIP), and RCPT_REJ and HDR_LEADSPC where the MTA gives them.
 */
void link_connected(struct link *l, const struct milter_options *offer, struct mono now, struct buf *out);

/* Whether this command is to be sent at all: it has not said NO… to it, and its version knows it (DATA 4, UNKNOWN 3). */
bool link_wants(const struct link *l, uint8_t cmd);
/* Whether it answers this command (it has not said NR_… to it). ABORT, QUIT: never. */
bool link_answers(const struct link *l, uint8_t cmd);

/*
 * Ask (LINK_IDLE only). macros: pairs "name NUL value NUL …" that the child is to get with it; empty: no macro packet. The
 * state is LINK_ASKED behind it, or LINK_IDLE still when the child does not answer this command. A HEADER's value is given
 * in canonical form (all behind the colon); one leading space is left out for a child without HDR_LEADSPC.
 *
 * Of a command that it has said NO… to only the macros go out, as Postfix does (a filter may look at HELO's macros at MAIL);
 * not even those for HEADER and BODY, which come again with EOH and EOM, or for what its version does not know.
 *
 * ABORT and QUIT may be told in every state. Behind the negotiation they are sent: after ABORT the link is LINK_IDLE and a
 * reply that was owed is passed over when it comes; after QUIT nothing is to be asked. Before it and of a failed link they
 * do nothing. A child that does not answer a command at all once it is aborted (no libmilter does that) seems slow
 * afterwards: whoever wants to be sure ends the connection instead when late > 0.
 */
void link_ask(struct link *l, const struct milter_command *c, struct slice macros, struct mono now, struct buf *out);

/*
 * Take what it has said off *bytes until there is news; call it until LINK_NOTHING or LINK_BROKEN. Header values in edits
 * are canonical: one space is put before those of a child without HDR_LEADSPC. Edits and pieces of a body restart its clock
 * as PROGRESS does. With nothing owed, PROGRESS is passed over (a command without reply can cause it, and a child's timer
 * that runs out while it answers); every other packet is a lie, also one that comes together with an answer.
 * Owner: *bytes is borrowed; what is incomplete is kept inside.
 */
MUST_CHECK enum link_news link_take(struct link *l, struct slice *bytes, struct mono now, struct link_answer *answer);

/*
 * Its connection was lost (error: errno's value, 0: closed), or its deadline has passed: LINK_FAILED, with why. The first
 * why stays; after QUIT a lost connection is no failure.
 */
void link_lost(struct link *l, int error);
bool link_check_deadline(struct link *l, struct mono now); /* true: it has failed just now */

#endif
