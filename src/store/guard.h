/*
 * guard.h - a store that brings the process down leaves a mark, so that the next start looks at it before it is mapped again.
 *
 * LMDB reads its file through a map and trusts it: a damaged page ends in SIGSEGV, SIGFPE or LMDB's own abort, a missing one in SIGBUS.
 * The handlers here write one byte to a file that is open already (nothing else is safe in them), and let the signal do what it would have
 * done. The marks stand in the file of the writer's lock, whose bytes have no other use: they are written beforehand, so that a full disk
 * does not lose one. kill -9 leaves none.
 */
#ifndef TARSIER_STORE_GUARD_H
#define TARSIER_STORE_GUARD_H

#include <stddef.h>

struct guard_marks {
    unsigned crashes;    /* since the last time that all was well for long; at most GUARD_CRASHES_MAX */
    unsigned unexamined; /* of these: nobody has looked at the store since */
};

enum { GUARD_CRASHES_MAX = 16 };

/* fd: the lock's file, open for writing. What cannot be written or read counts as no mark. */
void guard_prepare(int fd); /* a new file gets its bytes */
struct guard_marks guard_read(int fd);
void guard_mark(int fd); /* what LMDB has found itself counts as a crash, though there was none */
void guard_set_examined(int fd);
void guard_clear(int fd);

/* Catch the signals, once a process. What was caught before (a sanitizer's handler, say) is called after us. */
void guard_install(void);

/*
 * From now on the marks are for this file, and a fault in these bytes of the address space (len 0: none yet) or in a thread that has
 * entered leaves one. One store a process: the last one that called. guard_forget: the file is about to be closed.
 */
void guard_watch(int fd, const void *map, size_t len);
void guard_forget(void);

/* This thread works on the store (its faults are the store's) until it leaves. */
void guard_enter(void);
void guard_leave(void);

#endif
