/*
 * store.h - the kinds of store that there are, each behind the interface of port/store.h.
 *
 * LMDB: files in a directory, one writer thread, one reader thread. LOOK is answered by the reader, all others by the writer. With
 * `always` a damaged database is examined, and exchanged for one with all that is whole in it (recover.h). Its guard catches the signals
 * by which a damaged database ends the process, so that the next start knows of it (guard.h).
 *
 * Memory: a table that nobody sees but this process, and that ends with it. No thread: requests are carried out where they are handed
 * in.
 */
#ifndef TARSIER_STORE_STORE_H
#define TARSIER_STORE_STORE_H

#include "port/store.h"

extern const struct store_kind store_lmdb;
extern const struct store_kind store_memory;

/* The secret that an LMDB store's keys are hashed with; borrowed. For tests. */
const struct grey_secret *store_lmdb_secret(const struct store *s);

#endif
