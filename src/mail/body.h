/*
 * body.h - the body of a message: its beginning in memory, what is beyond in a spool file that somebody else writes and
 * reads. No I/O: says what is to be written, and what is where.
 */
#ifndef TARSIER_MAIL_BODY_H
#define TARSIER_MAIL_BODY_H

#include "base/slice.h"

/* Memory of all bodies together (DESIGN 8); one struct, shared by them. */
struct body_budget {
    uint64_t used_bytes, max_bytes;
};

enum { BODY_MEMORY_MAX_BYTES = 256 * 1024, BODY_BUDGET_MAX_BYTES = 64 * 1024 * 1024 };

struct body_block;

/* Owner: body_fini, which gives its memory back to the budget. */
struct body {
    struct body_budget *budget;
    struct body_block *first, *last;
    uint64_t memory_bytes; /* the first ones, in the blocks */
    uint64_t bytes;        /* in all */
    uint64_t spool;        /* the name of its file, chosen by the owner before anything goes there; 0: none yet */
};

void body_init(struct body *b, struct body_budget *budget);
void body_fini(struct body *b);

/*
 * Append a chunk of any size. Returns how many of its bytes are kept in memory; the rest (the end of the chunk) now belongs
 * to the file, at its end, and is the caller's to write. Once bytes have gone to the file all later ones do.
 */
MUST_CHECK size_t body_append(struct body *b, struct slice chunk);

/*
 * Up to max bytes from offset (< bytes). True: *out, borrowed, from memory (maybe fewer than max; never none). False: they
 * are in the file, *spool_offset and *length tell where, length at most max.
 */
MUST_CHECK bool body_read(const struct body *b, uint64_t offset, size_t max, struct slice *out, uint64_t *spool_offset,
                          uint32_t *length);

#endif
