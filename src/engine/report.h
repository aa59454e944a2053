/* report.h - what the engine is doing now, as lines of the log: for an administrator who asks (SIGUSR1). */
#ifndef TARSIER_ENGINE_REPORT_H
#define TARSIER_ENGINE_REPORT_H

#include "session/session.h"

/* Lines go to sh->out, at the present step's time. Nothing changes. */
void report_put(struct shared *sh);

#endif
