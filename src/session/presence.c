/*
 * presence.c - whether the client is there at CONNECT, and while filters are awaited (DESIGN 3). The looks are client/'s; what a
 * hold means is the gate's.
 *
 * Whether the client is still there is what makes a tarpit more than a delay: Postfix does not look while it waits for us, and
 * delivers what a client has sent blindly before it hung up.
 */
#include "session/chain.h"

void presence_first_look(struct session *s)
{
    bool wanted = (policy_needs(s->d.plan->policy) & POLICY_NEEDS_HOLD) || s->chain;
    session_set_wait(s, WAIT_FIRST_LOOK);
    if (!wanted)
        client_mark_unwatchable(&s->d.client);
    if (!wanted || !client_look(&s->d.sh->clients, &s->d.client))
        chain_pass(s);
    else
        session_arm_timer(s);
}

/* Not watchable is: on another host, in another network namespace, XCLIENT. It is counted where a line would hold. */
static void first_looked(struct session *s)
{
    bool is_gone = s->d.client.state == CLIENT_GONE;
    bool spared = filter_only_evaluates(chain_gate(s)) || shared_is_paused(s->d.sh);
    if (is_gone && spared && !s->chain) {
        client_mark_unwatchable(&s->d.client);
        is_gone = false; /* nothing is done to anybody */
    }
    if (!is_gone) {
        chain_pass(s);
        return;
    }
    s->d.sh->stats.gone++;
    dialogue_log_gone(&s->d, "gone at CONNECT");
    session_reply_gone(s, "Client is gone");
}

void presence_changed(struct session *s)
{
    const struct client *c = &s->d.client;
    if (s->wait == WAIT_FIRST_LOOK && c->task != CLIENT_FIRST_LOOK)
        first_looked(s);
    else if (s->wait == WAIT_FILTERS && c->state == CLIENT_GONE)
        chain_client_gone(s);
}
