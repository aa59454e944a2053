/*
 * mischief.h - what one connection of a bad child does, drawn by chance: it edits, refuses, hangs up, falls silent, answers nonsense
 * or behaves. Packets in, bytes out; no socket, no clock.
 */
#ifndef TARSIER_BENCH_MISCHIEF_H
#define TARSIER_BENCH_MISCHIEF_H

#include "milter/wire.h"

enum mischief_kind {
    MISCHIEF_NONE,
    MISCHIEF_EDIT,   /* changes the message, as it may */
    MISCHIEF_DIE,    /* hangs up; at the end of a message after half of its edits */
    MISCHIEF_STALL,  /* never answers again */
    MISCHIEF_DEAF,   /* nor reads */
    MISCHIEF_NOISE,  /* bytes that are no packets */
    MISCHIEF_LIE,    /* packets that have no place there */
    MISCHIEF_REFUSE, /* a verdict of its own */
    MISCHIEF_KINDS,
};

struct mischief_settings {
    unsigned stall_permille; /* of the connections: STALL and DEAF */
    bool refuse;             /* REFUSE too: without it every message reaches its end, whatever the child does */
};

struct mischief {
    enum mischief_kind kind;
    unsigned at;       /* at which answer; a connection that does not come so far behaves */
    unsigned answered; /* so far */
    bool done;         /* it was */
};

enum mischief_next {
    MISCHIEF_GO_ON, /* send what has been put */
    MISCHIEF_CLOSE, /* send it and close */
    MISCHIEF_SILENT,
    MISCHIEF_BLOCK, /* read no more */
};

/* splitmix64 (Steele, Lea, Flood 2014): 0 to below-1. */
unsigned mischief_random(uint64_t *state, unsigned below);

void mischief_draw(struct mischief *m, const struct mischief_settings *s, uint64_t *random);

/* One packet of the MTA's; puts the answer. */
MUST_CHECK enum mischief_next mischief_take(struct mischief *m, const struct wire_packet *p, uint64_t *random,
                                            struct buf *out);

const char *mischief_name(enum mischief_kind kind);

#endif
