/* facts.c - who is asked for a fact, what the answer means, and how long it counts. */
#include "session/facts.h"
#include "base/mem.h"

#include <stdlib.h>

static struct facts *open_facts(struct session *s)
{
    if (!s->facts)
        s->facts = mem_zalloc(sizeof(*s->facts));
    return s->facts;
}

/* Held clients are many, and most have nothing in it. */
static void trim(struct session *s)
{
    struct facts *f = s->facts;
    if (!f || f->cursor || f->listed || s->wait == WAIT_FACTS)
        return;
    free(f);
    s->facts = NULL;
}

void facts_clear(struct session *s, enum facts_scope scope)
{
    struct facts *f = s->facts;
    if (!f)
        return;
    free(f->cursor);
    f->cursor = NULL;
    if (scope <= FACTS_CONNECTION) {
        free(f->listed);
        free(f->list_requests);
        f->listed = NULL;
        f->list_requests = NULL;
    }
    trim(s);
}

/* Also while some are awaited: the daemon ends, or an MTA's connection. */
void facts_free(struct session *s)
{
    facts_clear(s, FACTS_CONNECTION);
    free(s->facts);
    s->facts = NULL;
}

/* ---- the cursor ---- */

void facts_keep_cursor(struct session *s, const struct policy_cursor *cursor)
{
    struct facts *f = open_facts(s);
    if (f->cursor == cursor)
        return;
    if (!f->cursor)
        f->cursor = mem_alloc(sizeof(*f->cursor));
    *f->cursor = *cursor;
}

struct policy_cursor *facts_cursor(const struct session *s)
{
    return s->facts ? s->facts->cursor : NULL;
}

void facts_drop_cursor(struct session *s)
{
    if (!s->facts)
        return;
    free(s->facts->cursor);
    s->facts->cursor = NULL;
    trim(s);
}

/* ---- DNS lists ---- */

const uint8_t *facts_listed(const struct session *s)
{
    return s->facts ? s->facts->listed : NULL;
}

static void ask_list(struct session *s, size_t list)
{
    struct buf name = {0};
    policy_dnsbl_name(s->d.plan->policy, list, &s->d.client.ends.remote, &name);
    struct effect *e = effects_add(s->d.sh->out, EFFECT_DNS, s->d.client.owner);
    e->u.dns.type = DNS_A;
    e->u.dns.name = arena_slice(&s->d.sh->out->arena, buf_slice(&name));
    e->request = s->facts->list_requests[list] = dialogue_next_request(&s->d);
    buf_fini(&name);
}

/* Whether an answer is awaited now. */
static bool ask_lists(struct session *s, uint64_t missing)
{
    size_t n = s->d.plan->conf->n_dnsbls;
    bool awaited = false;
    if (!(missing & POLICY_FACT_LISTS))
        return false;
    struct facts *f = open_facts(s);
    if (!f->listed) {
        f->listed = mem_zalloc(n);
        f->list_requests = mem_zalloc(n * sizeof(*f->list_requests));
    }
    for (size_t i = 0; i < n; i++) {
        if (!(missing & POLICY_FACT_LIST(i)) || f->listed[i] != LISTED_NOT_ASKED)
            continue;
        if (!f->list_requests[i])
            ask_list(s, i);
        awaited = true;
    }
    return awaited;
}

static uint8_t meaning_of(const struct session *s, size_t list, const struct event *event)
{
    if (event->u.dns.status == DNS_FAILED)
        return LISTED_ERROR;
    bool found = event->u.dns.status == DNS_FOUND;
    return found && policy_dnsbl_matches(s->d.plan->policy, list, event->u.dns.addresses, event->u.dns.n_addresses)
               ? LISTED_YES
               : LISTED_NO;
}

static bool note_listed(struct session *s, const struct event *event)
{
    struct facts *f = s->facts;
    for (size_t i = 0; f->list_requests && i < s->d.plan->conf->n_dnsbls; i++) {
        if (f->list_requests[i] != event->request)
            continue;
        f->list_requests[i] = 0;
        f->listed[i] = meaning_of(s, i, event);
        return true;
    }
    return false;
}

/* ---- all of them ---- */

static bool is_awaited(const struct session *s)
{
    const struct facts *f = s->facts;
    for (size_t i = 0; f->list_requests && i < s->d.plan->conf->n_dnsbls; i++)
        if (f->list_requests[i])
            return true;
    return false;
}

bool facts_ready(struct session *s, uint64_t missing, void (*then)(struct session *s))
{
    if (!ask_lists(s, missing))
        return true;
    s->facts->then = then;
    session_set_wait(s, WAIT_FACTS);
    return false;
}

bool facts_answered(struct session *s, const struct event *event)
{
    if (!s->facts || event->request == 0 || !note_listed(s, event))
        return false;
    if (s->wait == WAIT_FACTS && !is_awaited(s)) {
        session_set_wait(s, WAIT_NOTHING);
        s->facts->then(s);
    }
    return true;
}
