/*
 * shared.h - what all sessions of one engine share: the present plan, holds, bounds and stress, the memory of failed look-ups,
 * the timer wheel, counters. The engine owns it; sessions change it.
 */
#ifndef TARSIER_DIALOGUE_SHARED_H
#define TARSIER_DIALOGUE_SHARED_H

#include "base/timer.h"
#include "client/client.h"
#include "mail/body.h"
#include "milter/command.h"
#include "dialogue/stats.h"
#include "dialogue/trace.h"
#include "plan/plan.h"
#include "port/effect.h"

/* Addresses whose reverse look-up failed for now, when first; and how many of the last clients were of that kind. */
enum { TEMP_SLOTS = 4096, TEMP_RECENT = 100 };

/* Room for the part of a connection's name that stands for the process: digits and lower-case letters, with NUL. */
enum { SESSION_BOOT_MAX = 9 };

struct temp_memory {
    struct {
        struct ip client;
        struct mono first;
    } slots[TEMP_SLOTS];         /* by hash; a newer address takes an older one's place */
    uint8_t recent[TEMP_RECENT]; /* ring of the last clients: 1 TEMP, 0 not */
    unsigned next, count, temps;
    struct mono warned; /* last "the resolver is ill"; 0: never */
};

/* The lists of macros that an MTA was asked for; mostly the same for all sessions, so they are kept once and counted. */
struct registry;

struct macro_lists {
    unsigned references;
    struct arena arena;
    struct slice names[SMFIM_STAGES];
};

/*
 * What an MTA with this offer was asked for last, for this plan and with what was known of its children then: nearly always the
 * same, and a fiftieth of what a session with a child costs.
 */
struct requirements_memory {
    const struct plan *plan; /* not counted; forgotten when a new plan comes. NULL: nothing is remembered */
    uint64_t learned;        /* of all its children together */
    uint32_t version, actions, steps;
    struct milter_options required; /* lists in arena */
    struct arena arena;
};

/*
 * What all sessions together keep of one sort. Each item of a session's, such as the macros of one stage, may have its
 * first free_bytes whatever the others have, and these are not counted: so a flood from one connection does no harm to
 * an ordinary one (ADR 0017).
 */
struct keep_budget {
    const char *what; /* for the log */
    uint64_t used_bytes, max_bytes, free_bytes;
    uint64_t refused; /* how often it did not give what was asked for, since the last line of the log about it */
    struct mono told; /* that line; ms 0: none yet */
};

enum {
    KEEP_FREE_BYTES = 1024,
    KEEP_BUDGET_MAX_BYTES = 64 * 1024 * 1024,
    HEADERS_FREE_BYTES = 32 * 1024, /* more than nearly every message has */
    HEADERS_BUDGET_MAX_BYTES = 64 * 1024 * 1024,
};

/* Trouble that comes with every recipient or message; a full disk, say. One error line a minute is enough. */
struct complaint {
    uint64_t count;   /* since the last line */
    struct mono told; /* that line; ms 0: none yet */
};

struct shared {
    struct plan *plan;
    struct allows *allows; /* who is let in by hand; a reference of our own; NULL: nobody */
    struct clients clients;
    struct siphash_key key;
    struct temp_memory *temp;
    uint32_t mta_sessions;       /* the MTA's limit of sessions; 0: not known */
    char boot[SESSION_BOOT_MAX]; /* in the names of this process's connections in the log */
    uint32_t connections;        /* named so far */
    bool stopping;
    struct wall paused_until; /* until then nobody is held or deferred; 0: no pause */
    struct traces traces;     /* whose dialogues are logged step by step */
    bool told_progress;       /* the warning that holds exceed the MTA's time-out was given */
    bool writes_slow; /* the last commit took more than GREY_SLOW_MS, or takes it: the reader is asked too (asking.c) */
    bool writes_late; /* one was waited for in vain, and none has succeeded since */
    bool reads_late;  /* the same of the reader */
    struct complaint unstored, unspooled; /* records and spool files that could not be written */
    struct engine_stats stats;
    /* the manager's */
    struct registry *registry; /* filter/registry.h: of child milters; the engine's */
    struct body_budget bodies;
    /*
     * What MTAs have said (names, macros, recipients, input that is not handled yet) and what is to be said to them; and the
     * headers of messages that are under way. Bodies have a budget of their own.
     */
    struct keep_budget keeps, headers;
    struct macro_lists *lists; /* the newest; a reference of our own; NULL: none yet */
    struct requirements_memory requirements;
    unsigned helos_asked;             /* HELO names that DNS is being asked for */
    uint64_t last_spool;              /* names of spool files */
    struct policy_session_facts more; /* where session_facts() puts what conditions read; overwritten by its next call */
    /* of the present step */
    struct instant now;
    struct effects *out;
    struct regex_effort effort; /* session_facts() says whose it is */
};

void shared_init(struct shared *sh, struct plan *plan, struct siphash_key key, struct instant now);
void shared_fini(struct shared *sh);

/* An answer of the store's, whoever has asked: how quick it is. */
void shared_note_store(struct shared *sh, const struct grey_answer *answer);

/* It has come again. Where a line is due: how often since the last one; else 0. */
uint64_t shared_complain(const struct shared *sh, struct complaint *c);

/* A counted copy of these lists: the newest one, where that says the same. Owner: macro_lists_unref. */
struct macro_lists *shared_lists(struct shared *sh, const struct slice names[SMFIM_STAGES]);
void macro_lists_unref(struct macro_lists *lists); /* NULL is harmless */

/*
 * An item of a session's grows from old_bytes to new_bytes. False: the budget is spent; nothing is counted then. The last quarter
 * is only for input that is not a whole command yet: it cannot be answered, and the connection could only be closed.
 */
MUST_CHECK bool shared_keep_more(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes);
MUST_CHECK bool shared_keep_input(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes);
void shared_keep_less(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes);
/* The same for the headers of a message. */
MUST_CHECK bool shared_headers_more(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes);
void shared_headers_less(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes);

/* How many clients may be held at once (DESIGN 3, "Bounds"). */
unsigned shared_holds_max(const struct shared *sh);
/* Whether an administrator has told us to hold and defer nobody. */
bool shared_is_paused(const struct shared *sh);
/* Whether the MTA is near its limit of sessions. */
bool shared_is_stressed(const struct shared *sh);

/*
 * Count a client whose reverse look-up failed for now (temp) or did not. Returns true when it failed, as it had more than an
 * hour ago and ever since, and this is not a trouble of our own resolver: then the client counts as one without a name (DESIGN 4, "TEMP").
 */
bool shared_note_lookup(struct shared *sh, const struct ip *client, bool temp);

#endif
