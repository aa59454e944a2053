/* state.h - a state in words, made into records by the same requests that the daemon would have made. */
#ifndef TARSIER_EXPLAIN_STATE_H
#define TARSIER_EXPLAIN_STATE_H

#include "explain/explain.h"
#include "grey/memory.h"

/* How such texts look, for messages. */
extern const char explain_state_help[];

/* tuple: of the mail that is explained. Errors: ERR_SYNTAX, ERR_RANGE. */
MUST_CHECK enum err explain_state_apply(struct slice text, const struct plan *plan, const struct grey_tuple *tuple,
                                        struct wall now, struct grey_memory *memory);

#endif
