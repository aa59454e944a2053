/*
 * holding.c - looks at the client's own TCP connection, the hold and how it ends (DESIGN 3).
 *
 * Whether the client is still there is what makes a tarpit more than a delay: Postfix does not look while it waits for us, and
 * delivers what a client has sent blindly before it hung up.
 */
#include "session/children.h"
#include "base/mem.h"

enum {
    LOOK_EVERY_MS = 1000,
    LOOK_UNKNOWN_MAX = 5,      /* in a row: then the client cannot be watched */
    FIRST_LOOK_MS = 1000,      /* no answer by then: unknown */
    MTA_TIMEOUT_MS = 30 * 1000 /* Postfix's default milter_command_timeout */
};

static void ask_look(struct session *s, bool alone)
{
    struct effect *e = effects_add(s->sh->out, EFFECT_LOOK, s->id);
    s->look_request = session_next_request(s);
    e->request = s->look_request;
    e->u.look.ends = s->ends;
    e->u.look.cookie = s->cookie;
    e->u.look.alone = alone;
}

/* A client on this host's TCP that the MTA has named in full. */
static bool has_endpoints(const struct session *s)
{
    const struct endpoints *e = &s->ends;
    return e->remote.family != IP_NONE && e->local.family == e->remote.family && e->local_port && e->remote_port;
}

static bool skips_unwatched(const struct session *s)
{
    return s->plan->set->holds_unwatched == CONF_UNWATCHED_SKIP;
}

enum policy_no_hold holding_why_not(const struct session *s)
{
    const struct shared *sh = s->sh;
    struct ip client = ip_client(&s->ends.remote);
    if (s->watch == WATCH_IMPOSSIBLE && skips_unwatched(s))
        return HOLD_UNWATCHABLE;
    if (hold_count(sh->holds) >= shared_holds_max(sh))
        return HOLD_BOUND_MAX;
    if (hold_count_client(sh->holds, &client) >= (uint64_t)s->plan->set->holds_per_client)
        return HOLD_BOUND_CLIENT;
    if ((s->flags & FLAG_MTA_STRESS) || shared_is_stressed(sh))
        return HOLD_STRESS;
    return HOLD_POSSIBLE;
}

/* ---- the first look, at CONNECT ---- */

void holding_first_look(struct session *s)
{
    bool wanted = (policy_needs(s->plan->policy) & POLICY_NEEDS_HOLD) || (s->children && s->children->any_child);
    if (!wanted || !has_endpoints(s)) {
        s->watch = WATCH_IMPOSSIBLE;
        session_continue(s);
        return;
    }
    session_set_wait(s, WAIT_FIRST_LOOK);
    s->deadline.ms = s->sh->now.mono.ms + FIRST_LOOK_MS;
    session_arm_timer(s);
    ask_look(s, false);
}

static void first_looked(struct session *s, enum look_result result, uint64_t cookie)
{
    bool confirming = s->flags & FLAG_CONFIRMING;
    bool gone = result == LOOK_GONE || (confirming && (result == LOOK_ABSENT || result == LOOK_LISTEN));
    if (gone && session_only_evaluates(s) && !s->children)
        gone = false; /* nothing is done to anybody */
    if (gone && !confirming) {
        s->flags |= FLAG_CONFIRMING;
        s->cookie = cookie;
        ask_look(s, true);
        return;
    }
    if (gone) {
        s->sh->stats.gone++;
        text_log_gone(s, "gone at CONNECT");
        session_reply_gone(s, "Client is gone");
        return;
    }
    if (result == LOOK_ALIVE) {
        s->watch = WATCH_POSSIBLE;
        s->cookie = cookie;
    } else if (result == LOOK_UNKNOWN) {
        s->watch = WATCH_UNCLEAR;
        s->unknown_looks = 1;
    } else {
        s->watch = WATCH_IMPOSSIBLE; /* other host, other network namespace, XCLIENT: counted where a line would hold */
    }
    session_continue(s);
}

/* ---- while children are awaited ---- */

void holding_watch(struct session *s)
{
    s->next_look.ms = s->sh->now.mono.ms + LOOK_EVERY_MS + owner_slot(s->id) % 5 * TIMER_TICK_MS;
}

static void watched_looked(struct session *s, enum look_result result, uint64_t cookie)
{
    bool confirming = s->flags & FLAG_CONFIRMING;
    s->flags &= ~(uint32_t)FLAG_CONFIRMING;
    s->next_look.ms = s->sh->now.mono.ms + LOOK_EVERY_MS;
    if (result == LOOK_UNKNOWN) {
        if (++s->unknown_looks >= LOOK_UNKNOWN_MAX) {
            s->watch = WATCH_IMPOSSIBLE;
            s->next_look.ms = 0;
        }
    } else if (result == LOOK_ALIVE) {
        s->unknown_looks = 0;
        s->watch = WATCH_POSSIBLE;
        s->cookie = cookie;
    } else if (result != LOOK_GONE && s->cookie == 0) {
        s->watch = WATCH_IMPOSSIBLE; /* never seen alive: it may be on another host */
        s->next_look.ms = 0;
    } else if (confirming) {
        children_client_gone(s);
        return;
    } else {
        s->flags |= FLAG_CONFIRMING;
        ask_look(s, true);
    }
    session_arm_timer(s);
}

/* ---- the hold ---- */

void holding_begin(struct session *s)
{
    struct shared *sh = s->sh;
    struct ip client = ip_client(&s->ends.remote);
    hold_begin(sh->holds, &s->hold, &client, sh->now, s->decision.hold_ms);
    sh->stats.held_all++;
    sh->stats.held = hold_count(sh->holds);
    s->first_seen = sh->now.wall;
    session_set_wait(s, WAIT_HELD);
    s->deadline = s->hold.due;
    /* connections come in bursts; their looks are spread over the second by where they sit */
    if (s->watch != WATCH_IMPOSSIBLE)
        s->next_look.ms = sh->now.mono.ms + LOOK_EVERY_MS / 2 + owner_slot(s->id) % 5 * TIMER_TICK_MS;
    session_arm_timer(s);
    text_log_held(s);
    if (!session_may_progress(s) && s->decision.hold_ms >= MTA_TIMEOUT_MS && !sh->told_progress) {
        sh->told_progress = true;
        text_log(s, LOG_LEVEL_WARNING,
                 "holding for %d s without progress reports: what stands between us and Postfix must wait "
                 "longer than "
                 "that (milter_command_timeout, or milter-manager's reading_timeout)",
                 (int)(s->decision.hold_ms / 1000));
    }
}

/* What was waited stays with the connection. Who is released with a sibling has waited: what is left was the other's to serve. */
static void note_served(struct session *s, int64_t waited_ms)
{
    struct engine_stats *stats = &s->sh->stats;
    bool sibling = s->flags & FLAG_SIBLING;
    int64_t served_ms = sibling && waited_ms < s->decision.hold_ms ? s->decision.hold_ms : waited_ms;
    s->waited_ms += served_ms;
    if (served_ms > s->longest_ms)
        s->longest_ms = served_ms;
    if (sibling)
        stats->siblings++;
    else
        stats->served++;
}

void holding_end(struct session *s, enum hold_end end)
{
    struct shared *sh = s->sh;
    if (!hold_is_held(&s->hold))
        return;
    int64_t waited_ms = hold_waited_ms(&s->hold, sh->now.mono);
    hold_end(sh->holds, &s->hold);
    sh->stats.held = hold_count(sh->holds);
    switch (end) {
    case HOLD_END_SERVED:
        note_served(s, waited_ms);
        text_log_hold_end(s, s->flags & FLAG_SIBLING ? JOURNAL_SIBLING : JOURNAL_STAYED, waited_ms);
        break;
    case HOLD_END_LEFT:
        sh->stats.left++;
        recipient_ask_store(s, GREY_LEFT, GREY_PASS_SERVED, (s->waited_ms + waited_ms) / 1000, false);
        text_log_hold_end(s, JOURNAL_LEFT, waited_ms);
        break;
    case HOLD_END_CUT:
        sh->stats.cut++;
        text_log_hold_end(s, JOURNAL_CUT, waited_ms);
        break;
    }
}

static void last_look(struct session *s)
{
    session_set_wait(s, WAIT_LAST_LOOK);
    if (s->watch == WATCH_IMPOSSIBLE) {
        /* `holds unwatched hold`: nothing can be known but that the MTA still waits */
        holding_looked(s, LOOK_ALIVE, 0);
        return;
    }
    s->next_look.ms = s->sh->now.mono.ms + LOOK_EVERY_MS;
    session_arm_timer(s);
    ask_look(s, true);
}

static void served(struct session *s)
{
    /* The client has shown its patience: its other connections need not wait longer, each after a last look of its own. */
    struct ip client = ip_client(&s->ends.remote);
    holding_end(s, HOLD_END_SERVED);
    for (struct hold *h = hold_first(s->sh->holds, &client), *next; h; h = next) {
        next = hold_next(h);
        struct session *other = CONTAINER_OF(h, struct session, hold);
        if (other->wait != WAIT_HELD)
            continue;
        other->flags |= FLAG_SIBLING;
        if (other->watch == WATCH_IMPOSSIBLE) {
            /* no look to wait for: its own timer ends it, so that what its MTA has sent meanwhile is read then */
            other->deadline = s->sh->now.mono;
            session_arm_timer(other);
        } else {
            last_look(other);
        }
    }
    recipient_served(s);
}

static void left(struct session *s)
{
    holding_end(s, HOLD_END_LEFT);
    session_reply_gone(s, "Client is gone");
}

static void became_unwatchable(struct session *s)
{
    s->watch = WATCH_IMPOSSIBLE;
    if (!skips_unwatched(s)) {
        if (s->wait == WAIT_LAST_LOOK)
            served(s);
        return;
    }
    holding_end(s, HOLD_END_CUT);
    recipient_unwatchable(s);
}

static void look_unknown(struct session *s)
{
    if (++s->unknown_looks >= LOOK_UNKNOWN_MAX) {
        became_unwatchable(s);
        return;
    }
    s->flags &= ~(uint32_t)FLAG_CONFIRMING;
    s->next_look.ms = s->sh->now.mono.ms + LOOK_EVERY_MS;
    session_arm_timer(s);
}

void holding_looked(struct session *s, enum look_result result, uint64_t cookie)
{
    if (s->wait == WAIT_FIRST_LOOK) {
        first_looked(s, result, cookie);
        return;
    }
    if (s->wait == WAIT_CHILDREN) {
        watched_looked(s, result, cookie);
        return;
    }
    if (s->wait != WAIT_HELD && s->wait != WAIT_LAST_LOOK)
        return;
    if (result == LOOK_UNKNOWN) {
        look_unknown(s);
        return;
    }
    s->unknown_looks = 0;
    if (result == LOOK_ALIVE) {
        if (s->watch != WATCH_IMPOSSIBLE) {
            s->watch = WATCH_POSSIBLE;
            s->cookie = cookie;
        }
        s->flags &= ~(uint32_t)FLAG_CONFIRMING;
        if (s->wait == WAIT_LAST_LOOK) {
            served(s);
            return;
        }
        s->next_look.ms = s->sh->now.mono.ms + LOOK_EVERY_MS;
        session_arm_timer(s);
        return;
    }
    if (result != LOOK_GONE && s->cookie == 0) {
        became_unwatchable(s); /* never seen alive: it may be on another host */
        return;
    }
    /* Gone, says a look among many: looked at alone before anybody is turned away. */
    if (s->wait == WAIT_LAST_LOOK || (s->flags & FLAG_CONFIRMING)) {
        left(s);
        return;
    }
    s->flags |= FLAG_CONFIRMING;
    ask_look(s, true);
}

void holding_timer(struct session *s)
{
    int64_t now = s->sh->now.mono.ms;
    if (s->wait == WAIT_FIRST_LOOK) {
        if (now >= s->deadline.ms) {
            s->look_request = 0;
            first_looked(s, LOOK_UNKNOWN, 0);
        }
        return;
    }
    if (s->wait == WAIT_HELD && now >= s->deadline.ms) {
        last_look(s);
        return;
    }
    if (s->next_look.ms == 0 || now < s->next_look.ms)
        return;
    if (s->wait == WAIT_CHILDREN) {
        if (s->look_request != 0) {
            s->look_request = 0;
            watched_looked(s, LOOK_UNKNOWN, 0);
        } else {
            s->next_look.ms = now + LOOK_EVERY_MS;
            ask_look(s, false);
        }
        return;
    }
    if (s->look_request != 0) { /* the one before was not answered */
        s->look_request = 0;
        look_unknown(s);
        if (s->wait != WAIT_HELD && s->wait != WAIT_LAST_LOOK)
            return;
        if (s->watch == WATCH_IMPOSSIBLE)
            return;
    }
    s->next_look.ms = now + LOOK_EVERY_MS;
    ask_look(s, s->wait == WAIT_LAST_LOOK);
}
