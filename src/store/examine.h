/*
 * examine.h - salvage.h's work in a process of its own: what a damaged file does to it stops there. It has our user, the lowest priority,
 * none of our descriptors, and bounds on time and memory; it ends with the thread that started it.
 */
#ifndef TARSIER_STORE_EXAMINE_H
#define TARSIER_STORE_EXAMINE_H

#include "store/salvage.h"

#include <sys/types.h>

enum examine_job {
    EXAMINE_ONLY,     /* salvage_examine */
    EXAMINE_AND_MAKE, /* salvage_make */
};

struct examine {
    pid_t pid; /* 0: none runs */
    int fd;    /* its report comes from here */
    int64_t until_ms;
};

/* Errors: errno's value; then none runs. */
int examine_start(struct examine *x, enum examine_job job, const char *directory, int64_t now_ms);

enum examine_result {
    EXAMINE_RUNS,
    EXAMINE_DONE, /* out has its report */
    EXAMINE_LATE, /* its time was over */
    EXAMINE_DIED, /* of a signal, or without a report: it proves nothing about the store */
};

/* Never waits. After any result but EXAMINE_RUNS none runs any more. */
enum examine_result examine_poll(struct examine *x, int64_t now_ms, struct salvage_report *out);

/* End it now, if one runs. */
void examine_stop(struct examine *x);

#endif
