/*
 * child.h - scripted child milters. Each checks, as libmilter would and harder, what it is sent: one command at a time, in the
 * protocol's order, none that it has negotiated away. What it answers stands in its rules.
 *
 *   child.c        its connections: what it is sent, what it has said so far
 *   child_says.c   what goes back, and when
 *   child_rules.c  the lines `child …` of a script
 *   expect_child.c what a script wants of it
 *
 *     child a                                        it is there, takes every action, answers continue to everything
 *     child a wants actions addhdrs | steps nohelo skip | macros rcpt "{rcpt_host} i" | version 4
 *     child a at rcpt <b@example.net>: reply 550 5.7.1 no      the newest rule that fits counts
 *     child a at eom message 2: addheader X-A one | body new text | wait 2s | tempfail
 *     child a now die                                on the connections that it has
 *     child a missing                                also: refuses, accepts [after 3s | never], stops, reads
 *
 * at STAGE: negotiate, connect, helo, mail, rcpt, data, header, eoh, body, eom, unknown, any; then what narrows it: N (the N-th
 * of the message), message N, connection N, an address, a header's name. Steps, in order, parted by `|`:
 *     addheader N V (V *N: so many bytes), insheader I N V, chgheader I N V, delheader I N, body …, addrcpt A, delrcpt A, chgfrom A, quarantine …
 *     wait 3s, progress, progress every 5s for 20s
 *     continue, accept, reject, tempfail, discard, skip, reply …, shutdown, connfail     the answer; continue if none stands
 *     silent, die, reset, garbage, lie, raw HEX, more (negotiate: asks for what was not offered)
 */
#ifndef TARSIER_SCENARIO_CHILD_H
#define TARSIER_SCENARIO_CHILD_H

#include "base/ip.h"
#include "message.h"
#include "milter/command.h"
#include "port/effect.h"
#include "script.h"

struct world;
struct conn;
struct delivery;

enum child_step_kind {
    CHILD_STEP_SEND,     /* packet */
    CHILD_STEP_WAIT,     /* ms */
    CHILD_STEP_PROGRESS, /* every_ms for ms; both 0: one, now */
    CHILD_STEP_ANSWER,   /* packet, the last one */
    CHILD_STEP_SILENT,
    CHILD_STEP_DIE, /* error */
    CHILD_STEP_GARBAGE,
    CHILD_STEP_LIE,
    CHILD_STEP_MORE,
    CHILD_STEP_VERSION, /* number */
    CHILD_STEP_HEADER,  /* ADDHEADER, INSHEADER, CHGHEADER: code, number, name, value */
    CHILD_STEP_BODY,    /* value */
};

struct child_step {
    enum child_step_kind kind;
    uint8_t code;         /* the packet's */
    struct slice payload; /* SEND, ANSWER */
    int64_t ms, every_ms;
    uint32_t number;
    int error;
    const char *name, *value;
};

struct child_rule {
    struct child_rule *next; /* older */
    uint8_t cmd;             /* SMFIC_*; 0: any */
    unsigned connection, message, number;
    const char *address, *header;
    struct child_step *steps;
    size_t n_steps;
};

enum child_door { CHILD_ACCEPTS, CHILD_MISSING, CHILD_REFUSES, CHILD_DEAF /* accepts never */ };

/* One word for each thing that it was sent. */
struct child_seen {
    const char *word;
    unsigned connection;
    bool used; /* a `want child … saw` has had it */
};

struct child {
    const char *name;
    struct ip address; /* listens; family 0: its path */
    uint16_t port;
    enum child_door door;
    int64_t accept_ms;
    bool stopped; /* reads nothing */
    uint32_t version, actions, steps;
    const char *symlist[SMFIM_STAGES];
    struct child_rule *rules; /* newest first */
    unsigned n_connections;
    struct child_seen *seen;
    size_t n_seen, cap_seen;
    bool failed_ever; /* it did what makes a child count as failed */
};

enum child_conn_state { CHILD_CONN_ASKED, CHILD_CONN_OPEN, CHILD_CONN_LOST, CHILD_CONN_CLOSED };

enum { CHILD_COMMANDS = 128 };

/* The child's end of a connection to it. */
struct child_conn {
    child_id id;
    owner_id session;    /* for which it was opened */
    struct child *child; /* NULL: nobody lives there */
    unsigned number;     /* which of the child's, from 1 */
    enum child_conn_state state;
    struct buf in;
    /* the way back */
    int64_t last_due_ms;
    unsigned last_order;
    bool was_open, paused;
    struct delivery **held; /* while paused */
    size_t n_held, cap_held;
    bool drain_asked;
    /* protocol */
    bool negotiated;
    struct milter_options offered, chosen; /* no symlists */
    unsigned asked;                        /* how many commands that are answered came so far */
    uint8_t owed;                          /* the command that it owes a reply; 0: none */
    int64_t asked_ms;                      /* since when */
    uint8_t rank;                          /* where in the order of a message it is */
    bool session_over, message_over, skips_body, got_quit, misbehaved;
    struct slice pending_macros;
    uint8_t pending_for;
    struct slice macros[CHILD_COMMANDS]; /* by command: what came with the last one */
    unsigned counts[CHILD_COMMANDS];     /* of this message */
    unsigned messages;
    /* what it has said */
    bool accepted_session, accepted_message, passed_eom;
    struct message shown; /* the present or last message */
    const char *host, *helo;
};

struct children {
    struct child **items;
    size_t n, cap;
    struct child_conn **conns; /* all since the engine's start */
    size_t n_conns, cap_conns;
};

/* ---- child.c ---- */

void children_fini(struct children *cs);
/* The engine has died: their connections are gone. */
void children_forget(struct world *w);
/* EFFECT_CHILD_* */
void child_effect(struct world *w, const struct effect *e);
/* Owner: takes d. */
void child_deliver(struct world *w, struct delivery *d);
struct child *child_find(struct world *w, struct slice name);
/* It reads (again): what waits for that is told. */
void child_reads(struct world *w, struct child *ch);
/* The MTA begins a message: verdicts on the one before count no more. */
void children_new_message(struct world *w, owner_id session);
/* The session is over: its connections must be, too. 0: all of them. */
void children_check_closed(struct world *w, owner_id session);
/* The MTA lets a mail through, or stops to ask: some filter or fallback must have said so. */
void children_check_accept(struct world *w, const struct conn *c, bool at_eom);

/* ---- child_says.c ---- */

/* cmd: the command that the steps answer; 0: none, they come out of turn. */
void child_run_steps(struct world *w, struct child_conn *cc, uint8_t cmd, const struct child_step *steps, size_t n);
/* News for the engine, behind all that is on its way already. */
struct delivery *child_later(struct world *w, struct child_conn *cc, int64_t due_ms, enum child_news news);
/* From now on it counts as failed. */
void child_misbehaves(struct child_conn *cc);

/* ---- child_rules.c ---- */

void child_line(struct world *w, struct script_line *l);
const struct child_rule *child_rule_for(const struct child_conn *cc, const struct milter_command *m);
/* "connect", "rcpt", … as the scripts write it. */
const char *child_word_of(uint8_t cmd);
/* 0: no such command. */
uint8_t child_cmd_of(const char *word);
uint32_t child_action_of(const char *word);
uint32_t child_step_bit_of(const char *word);

#endif
