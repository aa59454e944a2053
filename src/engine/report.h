/* report.h - what the engine is doing now, as lines of the log: for an administrator who asks (SIGUSR1). */
#ifndef TARSIER_ENGINE_REPORT_H
#define TARSIER_ENGINE_REPORT_H

#include "engine/engine.h"
#include "session/session.h"

/* Lines go to sh->out, at the present step's time. Nothing changes. */
void report_put(struct shared *sh);

/* The same as values (engine.h). */
void report_overview(struct shared *sh, struct instant now, struct engine_overview *out);
MUST_CHECK bool report_filter(struct shared *sh, size_t i, struct instant now, struct engine_filter *out);

#endif
