/* dialogue.c - small questions about a dialogue. */
#include "dialogue/dialogue.h"

uint32_t dialogue_next_request(struct dialogue *d)
{
    if (++d->last_request == 0)
        d->last_request = 1; /* 0 stands for "nobody waits" */
    return d->last_request;
}

bool dialogue_is_stressed(const struct dialogue *d)
{
    return (d->flags & DIALOGUE_MTA_STRESS) || shared_is_stressed(d->sh);
}
