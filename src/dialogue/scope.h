/*
 * scope.h - text of the MTA's that is kept for as long as a scope lasts: a connection, a HELO, a message, a recipient. Counted,
 * so that no dialogue makes it grow without end, nor all dialogues together (ADR 0017).
 */
#ifndef TARSIER_DIALOGUE_SCOPE_H
#define TARSIER_DIALOGUE_SCOPE_H

#include "base/arena.h"
#include "base/err.h"
#include "dialogue/shared.h"

enum { SCOPE_KEEP_MAX_BYTES = 64 * 1024 }; /* for all but a message */

struct scope {
    struct arena arena;
    uint32_t kept_bytes;
};

/*
 * Count so many bytes more, which are about to be kept. Errors, with nothing counted: ERR_LIMIT, the scope would have more than
 * max_bytes; ERR_FULL, the budget of all sessions is spent.
 */
MUST_CHECK enum err scope_reserve(struct scope *scope, struct shared *sh, size_t bytes, size_t max_bytes);
/* Copy text into the scope. Errors: as scope_reserve; *kept is NONE then. */
MUST_CHECK enum err scope_keep(struct scope *scope, struct shared *sh, struct slice text, size_t max_bytes,
                               struct slice *kept);
void scope_clear(struct scope *scope, struct shared *sh);

#endif
