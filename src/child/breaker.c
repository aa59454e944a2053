/* breaker.c - when a child is left alone, and for how long. */
#include "child/breaker.h"

/* Only one session probes. Where its fate never becomes known (a slow client), another one probes after this. */
enum { PROBE_MS = 30 * 1000 };

static void open_for(struct breaker *b, int64_t pause_ms, const struct breaker_limits *limits, struct mono now)
{
    b->state = BREAKER_OPEN;
    b->pause_ms = pause_ms > limits->pause_max_ms ? limits->pause_max_ms : pause_ms;
    b->until.ms = now.ms + b->pause_ms;
}

static void close_up(struct breaker *b)
{
    *b = (struct breaker){.state = BREAKER_CLOSED, .probe = b->probe};
}

static bool is_probe(const struct breaker *b, uint32_t probe)
{
    return b->state == BREAKER_PROBING && probe == b->probe;
}

bool breaker_may_try(struct breaker *b, struct mono now, uint32_t *probe)
{
    *probe = 0;
    if (b->state == BREAKER_CLOSED)
        return true;
    if (now.ms < b->until.ms)
        return false;
    b->state = BREAKER_PROBING;
    b->until.ms = now.ms + PROBE_MS;
    if (++b->probe == 0)
        b->probe = 1;
    *probe = b->probe;
    return true;
}

void breaker_unproven(struct breaker *b, uint32_t probe, struct mono now)
{
    if (is_probe(b, probe))
        b->until = now;
}

bool breaker_succeeded(struct breaker *b, uint32_t probe)
{
    switch (b->state) {
    case BREAKER_CLOSED:
        b->failures = 0;
        return false;
    case BREAKER_OPEN:
        /* of a connection from before: says nothing about new ones */
        return false;
    case BREAKER_PROBING:
        if (!is_probe(b, probe))
            return false;
        close_up(b);
        return true;
    }
    return false;
}

bool breaker_failed(struct breaker *b, uint32_t probe, const struct breaker_limits *limits, struct mono now)
{
    if (b->failures < UINT32_MAX)
        b->failures++;
    switch (b->state) {
    case BREAKER_CLOSED:
        if (limits->failures == 0 || b->failures < limits->failures)
            return false;
        b->since = now;
        open_for(b, BREAKER_PAUSE_FIRST_MS, limits, now);
        return true;
    case BREAKER_OPEN:
        /* of a session that began before it opened: its cause is known already */
        return false;
    case BREAKER_PROBING:
        if (!is_probe(b, probe))
            return false;
        if (limits->failures == 0) /* the setting has changed since */
            close_up(b);
        else
            open_for(b, b->pause_ms <= limits->pause_max_ms / 2 ? b->pause_ms * 2 : limits->pause_max_ms, limits, now);
        return true;
    }
    return false;
}
