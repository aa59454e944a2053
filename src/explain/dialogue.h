/* dialogue.h - the MTA, the store and the client of one explained mail, around a real engine. */
#ifndef TARSIER_EXPLAIN_DIALOGUE_H
#define TARSIER_EXPLAIN_DIALOGUE_H

#include "explain/explain.h"
#include "grey/memory.h"

struct outcome {
    struct buf reply;  /* of the command that settled it: "250", "451 4.7.1 …" */
    const char *stage; /* "CONNECT", "MAIL", "RCPT" or "end of message" */
    bool passed;       /* the filter was not asked */
    bool held;         /* RCPT was held */
    int64_t held_ms;   /* for how long */
    struct buf header; /* X-Greylist, when let in with one */
    struct buf log;    /* the log lines, each with a newline */
};

void outcome_fini(struct outcome *o);

/*
 * Play one mail from CONNECT to its end at facts->now. leaves: when it is held, the client hangs up at once.
 * The memory keeps what the mail changed.
 */
void dialogue_play(struct plan *plan, const struct explain_facts *facts, struct grey_memory *memory, bool leaves,
                   struct outcome *out);

#endif
