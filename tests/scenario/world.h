/*
 * world.h - everything around an engine that a scenario plays: clocks, store, clients' sockets, MTA connections, and the crash.
 *
 *   run.c      scenarios, seeds, crashes         mta.c          the MTA's side of a connection, as Postfix behaves
 *   world.c    clocks, events in, effects out    mta_content.c  the mail it sends, edits, delivery
 *                                                mta_replies.c  what that side makes of what the engine says
 *   outside.c  store and clients' sockets        expect.c       what a script wants
 *   script.c   the file                          child.c        scripted child milters (child.h)
 *   message.c  a mail, and edits on it           services.c     DNS and the spool (services.h)
 *
 * Time is virtual. What takes its time outside (the store, a look) is a delivery with a due time drawn from the seed, so that
 * answers overtake each other in every way that they can. Effects are counted; a run may crash behind any of them.
 */
#ifndef TARSIER_SCENARIO_WORLD_H
#define TARSIER_SCENARIO_WORLD_H

#include "base/buf.h"
#include "child.h"
#include "engine/engine.h"
#include "grey/memory.h"
#include "milter/command.h"
#include "milter/reply.h"
#include "port/journal.h"
#include "script.h"
#include "services.h"

/* What a client's own TCP connection looks like from here. */
/* The kind of a journal's row among the log's lines. */
enum { WORLD_JOURNAL = 100 };

enum peer_state {
    PEER_ALIVE,
    PEER_GONE,    /* it has sent its FIN */
    PEER_RST,     /* it has reset: the kernel falls back to the listening socket, or with a cookie finds nothing */
    PEER_LISTEN,  /* cannot be watched: XCLIENT */
    PEER_ABSENT,  /* cannot be watched: other host */
    PEER_UNKNOWN, /* looks end in an error */
    PEER_SILENT,  /* looks are not answered */
    PEER_REUSED   /* reset, and a new connection from the same port */
};

enum store_mode {
    STORE_OK,
    STORE_FAIL,         /* it refuses everything */
    STORE_FULL,         /* it refuses what would write */
    STORE_DEAD,         /* it never answers */
    STORE_SLOW,         /* both threads take their time */
    STORE_SLOW_COMMITS, /* the writer does, the reader does not */
    STORE_HOLD          /* commits wait for the script; looks do not */
};

/* Commands of the MTA side that wait for their turn. */
struct mta_step {
    const char *verb;
    char **args;
    unsigned n_args;
    unsigned line;
    bool as_is;  /* header: args are name, and all behind the colon */
    size_t from; /* body: how much of it has gone out */
};

struct tuple_copy {
    struct tuple_copy *next;
    struct grey_tuple tuple;
    struct wall answered; /* with a 451 */
    bool decided;         /* the store was asked for a decision about it in the present RCPT */
};

enum { OWED_MAX = 16 };

struct conn {
    const char *name;
    owner_id id;
    bool open;     /* on both sides */
    bool hung_up;  /* the MTA has closed */
    bool closed;   /* the engine has closed */
    bool is_blind; /* the script sends without waiting for replies */
    /* the MTA's side */
    struct buf in;       /* from the engine, not yet cut */
    size_t unread_bytes; /* of its sends, since the last of which it is known that the MTA has read it */
    struct mta_step *queue;
    size_t n_queue, cap_queue;
    unsigned owed;
    uint8_t owed_cmds[OWED_MAX]; /* oldest first */
    uint8_t owed_cmd;            /* the one that was answered last */
    int64_t heard_ms;            /* when the engine spoke last, or a command was sent */
    int64_t timeout_ms;          /* milter_command_timeout; 0: patient */
    char **options;              /* key=value of the connect step */
    unsigned n_options;
    uint32_t version, offer, offered_steps, steps; /* steps: as negotiated, what is left out */
    uint32_t actions;                              /* as negotiated */
    const char *symlist[SMFIM_STAGES];
    bool negotiated, session_free, message_free, tls, sender_known;
    bool skips_body;           /* the filter wants no more of it */
    bool refuses;              /* the MTA itself refuses this recipient */
    unsigned accepted;         /* recipients of this message */
    struct message *mail;      /* being sent, with what was changed so far; NULL: none */
    struct message *delivered; /* the last one that was let in; NULL: the last one was not */
    bool discarded;            /* the last one */
    const char *address, *host, *helo, *sender, *recipient;
    const char *auth, *subject;
    /* the client's socket */
    enum peer_state state;
    uint64_t cookie;
    bool lies_gone; /* the next look among others says gone, whatever is so */
    /* what was seen */
    const char *reply; /* to the last command; NULL: none yet */
    bool unseen;       /* and no script line has looked at it, though it is no continue */
    struct buf headers;
    unsigned progress, looks, alone_looks, stores; /* since the last command */
    unsigned sent_now;                             /* packets from the engine since the script's last action */
    struct tuple_copy *message_tuples;             /* decided in this message: for delayedreject */
    struct tuple_copy now_tuple;
};

enum delivery_kind {
    DELIVER_READ,
    DELIVER_COMMIT,
    DELIVER_ANSWER,
    DELIVER_LOOK,
    DELIVER_CHILD,
    DELIVER_CHILD_HELD, /* what a paused child has said meanwhile */
    DELIVER_DNS,
    DELIVER_SPOOL,
    DELIVER_DRAINED
};

struct delivery {
    int64_t due_ms;
    unsigned order; /* among those that are due at once: drawn */
    enum delivery_kind kind;
    bool slow; /* not waited for when the script goes on */
    owner_id session;
    uint32_t request;
    struct grey_request *store;
    struct grey_answer answer;
    int64_t asked_ms; /* COMMIT */
    uint64_t cookie;
    bool alone;
    struct slice bytes; /* CHILD, SPOOL: write */
    /* CHILD */
    struct child_conn *child;
    enum child_news news;
    int error;
    uint8_t cmd, code; /* what its last packet answers, and how; 0: nothing */
    unsigned ask;
    /* DNS, SPOOL */
    const struct dns_entry *dns;
    uint64_t spool_id, offset;
    uint32_t length;
};

struct plan_cache; /* plans by their text, over all runs */

struct world {
    struct arena arena;
    const struct script *script;
    const struct script_scenario *scenario;
    unsigned line; /* of the script, now being run */
    struct plan_cache *plans;
    struct plan *plan; /* the newest; the engine's reference */
    struct engine *engine;
    struct effects effects;
    struct engine_stats before_crash;
    uint64_t random;
    /* clocks */
    int64_t now_ms, tick_ms, script_ms, wall_start_sec, wall_jump_sec;
    /* outside */
    struct grey_memory *committed;
    struct grey_secret secret;
    enum store_mode store;
    int64_t store_slow_ms, last_commit_ms;
    struct delivery **deliveries;
    size_t n_deliveries, cap_deliveries;
    struct grey_request **parked; /* STORE_HOLD */
    struct delivery **parked_as;
    size_t n_parked, cap_parked, cap_parked_as;
    struct conn **conns;
    size_t n_conns, cap_conns;
    struct conn **slots; /* by slot, NULL: free */
    uint32_t *serials;
    size_t n_slots;
    bool stopped, stopping;
    unsigned qids;
    uint32_t limits;
    int64_t longest_tarpit_sec, longest_child_sec;
    bool may_refuse; /* some plan of this run has a blacklist line or a child */
    bool reloaded;
    struct children children;
    struct services services;
    struct message *messages; /* all, for their end */
    /* what was seen */
    const char **logs;
    bool *logs_used;
    int *log_levels; /* enum log_level, or WORLD_JOURNAL */
    size_t n_logs, cap_logs, cap_logs_used, cap_log_levels;
    struct tuple_copy *answered; /* tuples that were told 451 and not let in since */
    struct buf transcript;
    /* crash */
    uint64_t n_effects, crash_at; /* 0: never */
    bool crashed, failed;
};

/* ---- world.c ---- */

void world_init(struct world *w, const struct script *script, const struct script_scenario *scenario,
                struct plan_cache *plans, uint64_t seed);
void world_fini(struct world *w);
/* 0 to below-1. */
unsigned world_random(struct world *w, unsigned below);
/* "40s", "10m", "2h", "3d", "500ms", with a sign. */
int64_t world_duration_ms(struct world *w, const char *text);
void world_tell(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The first failure of a run is printed with the transcript; later ones are not. */
void world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct instant world_now(const struct world *w);
/* A plan of this text; NULL after a failure. Owner: the caller has a reference. */
struct plan *world_plan(struct world *w, const char *text);
void world_start(struct world *w, struct plan *plan);
void world_reload(struct world *w, struct plan *plan);
void world_crash(struct world *w);
void world_cut(struct world *w); /* as SIGTERM begins; stop is its end */
void world_stop(struct world *w);
void world_limits(struct world *w, uint32_t mta_sessions, uint64_t memory_bytes);
void world_step(struct world *w, struct event *event);
/* Let happen what happens at once: commands, and answers that are not slow. */
void world_settle(struct world *w);
/* Move the script's clock on. */
void world_pass(struct world *w, int64_t ms);
struct conn *world_conn(struct world *w, const char *name);
struct conn *world_conn_of(struct world *w, owner_id id);
struct conn *world_open(struct world *w, const char *name);
void world_closed(struct world *w, struct conn *c);

struct plan_cache *plan_cache_new(void);
void plan_cache_free(struct plan_cache *cache);

/* ---- outside.c ---- */

/* A delivery for that time. Owner: whoever delivers it frees it. */
struct delivery *outside_later(struct world *w, enum delivery_kind kind, int64_t due_ms);
void outside_store(struct world *w, const struct effect *e, struct conn *c);
void outside_look(struct world *w, const struct effect *e, struct conn *c);
/* The delivery that is next and due by then; NULL: none. Owner: the caller frees. */
struct delivery *outside_next(struct world *w, int64_t until_ms, bool slow_too);
void outside_deliver(struct world *w, struct delivery *d);
/* Commit what STORE_HOLD has parked. */
void outside_commit(struct world *w);
/* What was asked and not committed is lost. */
void outside_forget(struct world *w);
void outside_mode(struct world *w, enum store_mode mode, int64_t slow_ms);
/* What the committed records say of a tuple. */
struct grey_answer outside_known(struct world *w, const struct grey_tuple *tuple, int64_t delay_sec);
struct tuple_copy *outside_copy_tuple(struct world *w, const struct grey_tuple *tuple);
bool outside_client_state(const char *word, enum peer_state *state);

/* ---- mta.c, mta_content.c, mta_replies.c ---- */

/* Queue the steps of one script line, words from `first` on. */
void mta_line(struct world *w, struct script_line *l);
bool mta_is_ready(const struct conn *c);
/*
 * Macros and command, as far as negotiated. off: the bit that leaves the step out; no_reply: the one that leaves its reply out.
 * Whether a reply is awaited now.
 */
bool mta_send_command(struct world *w, struct conn *c, const struct milter_command *command, uint32_t off,
                      uint32_t no_reply);
/* The value of an option NAME=VALUE of its connect; NULL: not given. */
const char *mta_option(const struct conn *c, const char *name);
void mta_begin_mail(struct world *w, struct conn *c, const char *sender);
void mta_recipient_passed(struct conn *c);
void mta_data(struct world *w, struct conn *c, const struct mta_step *s);
void mta_message(struct world *w, struct conn *c, const struct mta_step *s);
void mta_header(struct world *w, struct conn *c, const struct mta_step *s);
void mta_eoh(struct world *w, struct conn *c, const struct mta_step *s);
void mta_body(struct world *w, struct conn *c, const struct mta_step *s);
void mta_eom(struct world *w, struct conn *c, const struct mta_step *s);
void mta_edit(struct world *w, struct conn *c, const struct milter_reply *r);
/* The mail is delivered, as changed, unless it was discarded. */
void mta_let_in(struct world *w, struct conn *c);
void mta_drop_content(struct conn *c);
/* Send the next command of the queue. */
void mta_send_next(struct world *w, struct conn *c);
/* Bytes from the engine. */
void mta_receive(struct world *w, struct conn *c, struct slice bytes);
void mta_hang_up(struct world *w, struct conn *c);
void mta_forget_message(struct conn *c);
void mta_check_timeouts(struct world *w);

/* ---- expect.c, expect_child.c ---- */

/* The line `want …`; failures go to world_fail. */
void expect_line(struct world *w, const struct script_line *l);
/* `want child …`, `want dns …`, `want spool …`, `want [CONN] delivered …`; false: it is none of them. */
bool expect_outside(struct world *w, const struct script_line *l);

#endif
