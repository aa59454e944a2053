/* records.h - records of a store beside an explained mail: which ones count for it, and what they say, in words. */
#ifndef TARSIER_EXPLAIN_RECORDS_H
#define TARSIER_EXPLAIN_RECORDS_H

#include "explain/explain.h"
#include "grey/memory.h"

/* Make them what is remembered. */
void explain_records_apply(const struct explain_facts *f, const struct grey_tuple *tuple, struct grey_memory *memory);

/* Row i as it counts at f->now: what was served and is confirmed is let in. False: it has expired, and says nothing. */
bool explain_record(const struct explain_facts *f, size_t i, struct grey_record *out);

/* A row for each: "record      pending   192.0.2.0/24, first seen 12 min ago, ends in 5 d". */
void explain_put_records(const struct explain_facts *f, const struct grey_tuple *tuple, struct buf *out);

#endif
