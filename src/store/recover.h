/*
 * recover.h - what a store does that cannot be used. Mail flows meanwhile: whoever asks is told at once that nothing is known.
 *
 *     closed ── opened ──────────────────────────────────────────────► open
 *        │  ▲      └─ refused (no right, no room, read error, in use, another version): later, ever less often
 *        │  └──────────────────────────────── the same ◄── failed, removed, replaced
 *        └─ damaged, or it brought us down ──► looked at ── whole ──► closed, and soon open
 *                                                  └─ damaged ──► looked at again, from the disk ── damaged ──► exchanged
 *
 * Only damage that two looks have found moves a store aside; a right that is missing, a disk that does not read or has no room, another
 * version or a look that takes too long never do. All of it is for one thread.
 */
#ifndef TARSIER_STORE_RECOVER_H
#define TARSIER_STORE_RECOVER_H

#include "store/examine.h"
#include "store/store.h"
#include "store/tables.h"

#include <pthread.h>

enum recover_state { RECOVER_OPEN, RECOVER_CLOSED, RECOVER_LOOKED_AT, RECOVER_LOOKED_AT_AGAIN };

struct recover {
    const struct store_config *config;
    struct tables *tables;
    pthread_mutex_t *env_lock; /* taken while the environment is put in or taken away */
    enum recover_state state;
    bool adopted;
    bool suspected; /* to be looked at before it is opened again */
    struct examine look;
    int64_t retry_ms; /* when the next step is due */
    int64_t backoff_ms;
    int64_t closed_ms; /* since when; 0: never open yet */
    int64_t opened_ms;
    uint64_t refusals; /* since it was open */
    struct buf told;   /* what was said last */
    int64_t told_ms;
    bool marked; /* there are marks to be taken back some day */
};

/* Strings and config are borrowed. */
void recover_init(struct recover *r, const struct store_config *config, struct tables *tables, pthread_mutex_t *env_lock);
void recover_fini(struct recover *r);

/* It was opened by somebody else, a tool: then a damaged file is not looked at, and never exchanged. */
void recover_adopt(struct recover *r);

/* While it is not open (as it is at the start): go on, when it is time. True: it is open now. Says in the log what is wrong. */
bool recover_step(struct recover *r, int64_t now_ms);
/* When the next step is due; while it is open INT64_MAX. */
int64_t recover_next_ms(const struct recover *r);

/* It is open, and LMDB has failed with this code. Where no more can be had of it, it is closed. */
void recover_failed(struct recover *r, int rc, int64_t now_ms);

/* The thread is about to end. */
void recover_stop(struct recover *r);

/* Every now and then, while it is open: is it there still? */
void recover_look(struct recover *r, int64_t now_ms);

#endif
