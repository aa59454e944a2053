/*
 * memory.h - records in a table in memory, answered by grey_apply: the store of tests and of `tarsier explain`.
 *
 * Nothing is forgotten by itself: an expired record stays until it is overwritten, which no answer can tell.
 */
#ifndef TARSIER_GREY_MEMORY_H
#define TARSIER_GREY_MEMORY_H

#include "grey/decide.h"

struct grey_memory;

/* Owner: grey_memory_free. */
struct grey_memory *grey_memory_new(const struct grey_secret *secret);
void grey_memory_free(struct grey_memory *m);
/* All of it as it stands: what was committed at this moment. Owner: grey_memory_free. */
struct grey_memory *grey_memory_copy(const struct grey_memory *m);

/* More than this many unconfirmed tuples of one address (ip_client) share a record. 0, as at first: no bound. */
void grey_memory_set_crowd(struct grey_memory *m, size_t tuples);

/* Carry one request out. Owner: nothing of it is kept but copies. Returns whether a store's answer would wait for a commit. */
bool grey_memory_run(struct grey_memory *m, const struct grey_request *req, struct grey_answer *answer);

/* Put a record in as it is (imports, given facts). */
void grey_memory_put(struct grey_memory *m, const struct grey_key *key, const struct grey_record *record);

size_t grey_memory_count(const struct grey_memory *m);

#endif
