/*
 * spool.h - bodies with the file that they may have: what memory does not take goes there by effects, and comes back by events.
 * Knows no filter: whoever asks gives the number that comes back in the event.
 */
#ifndef TARSIER_DIALOGUE_SPOOL_H
#define TARSIER_DIALOGUE_SPOOL_H

#include "mail/body.h"
#include "milter/wire.h"
#include "dialogue/shared.h"

/*
 * Numbers of requests to the spool. They need not be unique in time: a file that is closed answers nobody, and one body has one
 * read under way for each that reads it.
 */
enum { SPOOL_WRITE_OWN = 1, SPOOL_READ_SEND = 2, SPOOL_WRITE_CHILD = 0x100, SPOOL_READ_CHILD = 0x200 };

/* A piece of a body, so that its packet is one that every MTA and child takes. */
enum { BODY_PIECE_MAX_BYTES = WIRE_PACKET_MAX_BYTES - 1 };

/* Append to a body; what memory does not take goes to its file. True: a write is under way, and request will be answered. */
bool spool_store(struct shared *sh, owner_id owner, struct body *body, struct slice chunk, uint32_t request);
/* A piece from offset on: there at once, or (false) asked for. */
bool spool_fetch(struct shared *sh, owner_id owner, const struct body *body, uint64_t offset, uint32_t request,
                 struct slice *chunk);
void spool_drop(struct shared *sh, owner_id owner, struct body *body); /* with its file */

#endif
