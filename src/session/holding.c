/*
 * holding.c - what it means for a session that its client is there, is held, or has gone (DESIGN 3). The looks, the clock of the
 * hold and its siblings are client/'s.
 *
 * Whether the client is still there is what makes a tarpit more than a delay: Postfix does not look while it waits for us, and
 * delivers what a client has sent blindly before it hung up.
 */
#include "session/chain.h"

enum { MTA_TIMEOUT_MS = 30 * 1000 /* Postfix's default milter_command_timeout */ };

static bool skips_unwatched(const struct session *s)
{
    return s->d.plan->set->holds_unwatched == CONF_UNWATCHED_SKIP;
}

enum policy_no_hold holding_why_not(const struct session *s)
{
    const struct shared *sh = s->d.sh;
    struct ip client = ip_client(&s->d.client.ends.remote);
    if (s->d.client.watch == CLIENT_WATCH_IMPOSSIBLE && skips_unwatched(s))
        return HOLD_UNWATCHABLE;
    if (hold_count(sh->clients.holds) >= shared_holds_max(sh))
        return HOLD_BOUND_MAX;
    if (hold_count_client(sh->clients.holds, &client) >= (uint64_t)s->d.plan->set->holds_per_client)
        return HOLD_BOUND_CLIENT;
    if ((s->d.flags & DIALOGUE_MTA_STRESS) || shared_is_stressed(sh))
        return HOLD_STRESS;
    return HOLD_POSSIBLE;
}

/* ---- at CONNECT ---- */

void holding_first_look(struct session *s)
{
    bool wanted = (policy_needs(s->d.plan->policy) & POLICY_NEEDS_HOLD) || (s->chain);
    session_set_wait(s, WAIT_FIRST_LOOK);
    if (!wanted)
        client_mark_unwatchable(&s->d.client);
    if (!wanted || !client_look(&s->d.sh->clients, &s->d.client))
        session_continue(s);
    else
        session_arm_timer(s);
}

/* Not watchable is: on another host, in another network namespace, XCLIENT. It is counted where a line would hold. */
static void first_looked(struct session *s)
{
    bool is_gone = s->d.client.state == CLIENT_GONE;
    if (is_gone && session_spares_all(s) && !s->chain) {
        client_mark_unwatchable(&s->d.client);
        is_gone = false; /* nothing is done to anybody */
    }
    if (!is_gone) {
        session_continue(s);
        return;
    }
    s->d.sh->stats.gone++;
    text_log_gone(s, "gone at CONNECT");
    session_reply_gone(s, "Client is gone");
}

/* ---- the hold ---- */

void holding_begin(struct session *s)
{
    struct shared *sh = s->d.sh;
    sh->stats.held_all++;
    s->first_seen = sh->now.wall;
    session_set_wait(s, WAIT_HELD);
    client_hold(&sh->clients, &s->d.client, s->decision.hold_ms, !skips_unwatched(s));
    session_arm_timer(s);
    text_log_held(s);
    if (!session_may_progress(s) && s->decision.hold_ms >= MTA_TIMEOUT_MS && !sh->told_progress) {
        sh->told_progress = true;
        dialogue_log(&s->d, LOG_LEVEL_WARNING,
                     "holding for %d s without progress reports: what stands between us and Postfix must wait "
                     "longer than "
                     "that (milter_command_timeout, or milter-manager's reading_timeout)",
                     (int)(s->decision.hold_ms / 1000));
    }
}

static int64_t waited_ms(const struct session *s)
{
    return client_waited_ms(&s->d.sh->clients, &s->d.client);
}

void holding_cut(struct session *s)
{
    if (!client_is_held(&s->d.client))
        return;
    client_end_hold(&s->d.sh->clients, &s->d.client, CLIENT_DROPPED);
    s->d.sh->stats.cut++;
    text_log_hold_end(s, JOURNAL_CUT, waited_ms(s));
}

static void note_left(struct session *s)
{
    s->d.sh->stats.left++;
    recipient_ask_store(s, GREY_LEFT, GREY_PASS_SERVED, (s->d.client.waited_ms + waited_ms(s)) / 1000, false);
    text_log_hold_end(s, JOURNAL_LEFT, waited_ms(s));
}

void holding_left(struct session *s)
{
    if (!client_is_held(&s->d.client))
        return;
    client_end_hold(&s->d.sh->clients, &s->d.client, CLIENT_GONE);
    note_left(s);
}

static void note_served(struct session *s)
{
    struct engine_stats *stats = &s->d.sh->stats;
    if (s->d.client.with_sibling)
        stats->siblings++;
    else
        stats->served++;
    text_log_hold_end(s, s->d.client.with_sibling ? JOURNAL_SIBLING : JOURNAL_STAYED, waited_ms(s));
}

static void hold_over(struct session *s)
{
    switch ((enum client_state)s->d.client.state) {
    case CLIENT_SERVED:
        note_served(s);
        recipient_served(s);
        break;
    case CLIENT_GONE:
        note_left(s);
        session_reply_gone(s, "Client is gone");
        break;
    case CLIENT_RELEASED:
        s->d.sh->stats.released++;
        text_log_hold_end(s, JOURNAL_RELEASED, waited_ms(s));
        recipient_released(s);
        break;
    case CLIENT_DROPPED:
        s->d.sh->stats.dropped++;
        text_log_hold_end(s, JOURNAL_DROPPED, waited_ms(s));
        session_reply_gone(s, "Service is not available to you now");
        break;
    case CLIENT_UNWATCHABLE:
        s->d.sh->stats.cut++;
        text_log_hold_end(s, JOURNAL_CUT, waited_ms(s));
        recipient_unwatchable(s);
        break;
    default:
        break;
    }
}

void holding_go(struct session *s)
{
    const struct client *c = &s->d.client;
    if (s->wait == WAIT_FIRST_LOOK && c->task != CLIENT_FIRST_LOOK)
        first_looked(s);
    else if (s->wait == WAIT_CHILDREN && c->state == CLIENT_GONE)
        chain_client_gone(s);
    else if (s->wait == WAIT_HELD && c->state != CLIENT_HELD)
        hold_over(s);
}
