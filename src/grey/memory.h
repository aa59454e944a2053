/*
 * memory.h - records in a table in memory, answered by grey_apply: the store of tests, of `tarsier explain` and `replay`.
 *
 * Nothing is forgotten by itself: an expired record stays until it is overwritten or grey_memory_forget comes, which no answer
 * can tell.
 */
#ifndef TARSIER_GREY_MEMORY_H
#define TARSIER_GREY_MEMORY_H

#include "grey/decide.h"
#include "grey/take.h"

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

/* What it would be answered on: a set of its slots, with SHARED. Owner: the records' texts are the request's. */
void grey_memory_load(const struct grey_memory *m, const struct grey_request *req, struct grey_set *set);

/* Take one record in as an import does (grey_take_in). */
enum grey_taken grey_memory_take_in(struct grey_memory *m, const struct grey_record *record, unsigned addr_bits);

/* Put a record in as it is (given facts). */
void grey_memory_put(struct grey_memory *m, const struct grey_key *key, const struct grey_record *record);

/* Remove what says nothing any more at now. */
void grey_memory_forget(struct grey_memory *m, struct wall now);

size_t grey_memory_count(const struct grey_memory *m);

/* All keys, in their order. Owner: free(3) for the array of grey_memory_count keys. */
struct grey_key *grey_memory_keys(const struct grey_memory *m);
/* Errors: ERR_NOT_FOUND; as grey_record_decode. Owner: the record's texts lie in the memory, until it is changed. */
MUST_CHECK enum err grey_memory_get(const struct grey_memory *m, const struct grey_key *key, struct grey_record *out);
/* Nothing happens where there is none. */
void grey_memory_remove(struct grey_memory *m, const struct grey_key *key);

#endif
