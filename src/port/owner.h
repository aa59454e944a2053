/*
 * owner.h - the name of whoever an event is for, and of whoever wants an effect's answer.
 *
 * An owner is named by its kind, its slot (index in the table of its kind) and its serial (how often the slot has been used). Answers
 * carry the owner and the number of the request that they answer; the engine drops them when either is stale.
 */
#ifndef TARSIER_PORT_OWNER_H
#define TARSIER_PORT_OWNER_H

#include <stdint.h>

typedef uint64_t owner_id;

/* At most 255 kinds; the engine's table of them (engine/engine.c) says who gets their events. */
enum owner_kind {
    OWNER_SESSION, /* a milter session of an MTA */
    OWNER_CHILD,   /* a connection to a child milter (child_id): it gets EVENT_CHILD and asks for nothing */
    OWNER_CONTROL, /* a connection to the control socket (ctl/server.h): the engine does not hear of it */
    OWNER_KINDS
};

/* The engine's own questions, and lines of the log that are nobody's. No owner has this name: serials begin with 1. */
#define OWNER_NOBODY ((owner_id)0)

enum { OWNER_SLOT_BITS = 24 };

static inline owner_id owner_make(enum owner_kind kind, uint32_t slot, uint32_t serial)
{
    return (uint64_t)serial << 32 | (uint64_t)kind << OWNER_SLOT_BITS | slot;
}
static inline uint32_t owner_slot(owner_id id)
{
    return (uint32_t)id & ((1u << OWNER_SLOT_BITS) - 1);
}
static inline uint32_t owner_kind(owner_id id) /* enum owner_kind, unless somebody has made the name up */
{
    return (uint32_t)id >> OWNER_SLOT_BITS;
}
static inline uint32_t owner_serial(owner_id id)
{
    return (uint32_t)(id >> 32);
}

#endif
