/*
 * whole.h - the two halves of the target: whole.c has the MTA, the services and the script; whole_child.c what children are told
 * and say. Each calls what stands here of the other.
 */
#ifndef TARSIER_FUZZ_WHOLE_H
#define TARSIER_FUZZ_WHOLE_H

#include "base/mem.h"
#include "engine/engine.h"
#include "grey/memory.h"
#include "milter/command.h"
#include "milter/reply.h"

enum { CONNS = 3, PEERS = 32, QUESTIONS = 256, SPOOLS = 32, LETTERS = 26, OPERATIONS_MAX = 600, LAST_SECONDS = 3000 };

struct filter {
    bool answered; /* the end of the present message, with continue or accept */
    bool has_body;
    bool surprises;  /* it has a new body, and has not negotiated that: those behind it did not wait */
    struct buf body; /* its new one */
    bool has_judged;
    struct buf judged; /* the body that it was told */
};

struct conn {
    owner_id id; /* 0: not there */
    bool owed, replacing, replaced;
    bool may_go_on;         /* with recipients behind DATA: it was refused, or none was good */
    unsigned good;          /* recipients */
    bool told_now;          /* a child has heard of the recipient that is to be answered */
    uint32_t steps;         /* granted */
    uint8_t last;           /* the command that was sent last */
    struct slice recipient; /* the last */
    struct buf refused;     /* recipients that the greylist filter has refused or put off, one a line */
    struct buf let_in;      /* … that were answered with continue in this message, once at least */
    struct buf body, got;
    struct filter filters[LETTERS];
};

struct peer {
    child_id id; /* 0: free */
    owner_id session;
    char letter;
    bool connected, negotiated, lost, bad, quit, in_message, skips;
    uint8_t owed, rank;
    unsigned late;
    struct milter_options got;
    struct buf body;
};

struct question {
    struct effect effect;
    struct grey_request store;
};

struct world {
    const uint8_t *at, *end;
    struct engine *engine;
    struct effects effects;
    struct grey_memory *memory;
    uint8_t options; /* what children mostly negotiate */
    struct arena arena;
    struct instant now;
    struct conn conns[CONNS];
    uint32_t serials[CONNS];
    struct peer peers[PEERS];
    struct question questions[QUESTIONS];
    size_t n_questions;
    struct {
        uint64_t id;
        struct buf bytes;
    } spools[SPOOLS];
};

/* ---- whole.c ---- */

void whole_expect(bool so, const char *what);
uint8_t whole_take(struct world *w); /* the next byte of the script */
struct conn *whole_conn(struct world *w, owner_id id);
void whole_step(struct world *w, struct event *event);
/* The body as filter `letter` is to see it; '~': as the MTA is to have it. */
struct slice whole_body_view(const struct conn *c, char letter);
bool whole_same_bytes(struct slice a, struct slice b);
bool whole_has_line(const struct buf *lines, struct slice line);

/* ---- whole_child.c ---- */

uint32_t whole_off_step(uint8_t cmd); /* SMFIP_NO… of a command; 0: none */
struct peer *whole_peer(struct world *w, child_id id);
void whole_opened(struct world *w, const struct effect *e);
void whole_told(struct world *w, struct peer *p, struct slice bytes);
/* One child, or all, in order: it connects, answers, dies, lies; how: 0 for what a good one does. */
void whole_child(struct world *w, struct peer *p, uint8_t how);
void whole_children(struct world *w);

#endif
