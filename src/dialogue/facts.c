/* facts.c - who is asked for a fact, what the answer means, and how long it counts. */
#include "dialogue/facts.h"
#include "base/mem.h"

#include <stdlib.h>

static struct facts *open_facts(struct dialogue *d)
{
    if (!d->facts)
        d->facts = mem_zalloc(sizeof(*d->facts));
    return d->facts;
}

/* Held clients are many, and most have nothing in it. */
static void trim(struct dialogue *d)
{
    struct facts *f = d->facts;
    if (!f || f->cursor || f->listed)
        return;
    free(f);
    d->facts = NULL;
}

void facts_clear(struct dialogue *d, enum facts_scope scope)
{
    struct facts *f = d->facts;
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
    trim(d);
}

/* Also while some are awaited: the daemon ends, or an MTA's connection. */
void facts_free(struct dialogue *d)
{
    facts_clear(d, FACTS_CONNECTION);
    free(d->facts);
    d->facts = NULL;
}

/* ---- the cursor ---- */

void facts_keep_cursor(struct dialogue *d, const struct policy_cursor *cursor)
{
    struct facts *f = open_facts(d);
    if (f->cursor == cursor)
        return;
    if (!f->cursor)
        f->cursor = mem_alloc(sizeof(*f->cursor));
    *f->cursor = *cursor;
}

struct policy_cursor *facts_cursor(const struct dialogue *d)
{
    return d->facts ? d->facts->cursor : NULL;
}

void facts_drop_cursor(struct dialogue *d)
{
    if (!d->facts)
        return;
    free(d->facts->cursor);
    d->facts->cursor = NULL;
    trim(d);
}

/* ---- DNS lists ---- */

const uint8_t *facts_listed(const struct dialogue *d)
{
    return d->facts ? d->facts->listed : NULL;
}

static void ask_list(struct dialogue *d, size_t list)
{
    struct buf name = {0};
    policy_dnsbl_name(d->plan->policy, list, &d->client.ends.remote, &name);
    struct effect *e = effects_add(d->sh->out, EFFECT_DNS, d->client.owner);
    e->u.dns.type = DNS_A;
    e->u.dns.name = arena_slice(&d->sh->out->arena, buf_slice(&name));
    e->request = d->facts->list_requests[list] = dialogue_next_request(d);
    buf_fini(&name);
}

/* Whether an answer is awaited now. */
static bool ask_lists(struct dialogue *d, uint64_t missing)
{
    size_t n = d->plan->conf->n_dnsbls;
    bool awaited = false;
    if (!(missing & POLICY_FACT_LISTS))
        return false;
    struct facts *f = open_facts(d);
    if (!f->listed) {
        f->listed = mem_zalloc(n);
        f->list_requests = mem_zalloc(n * sizeof(*f->list_requests));
    }
    for (size_t i = 0; i < n; i++) {
        if (!(missing & POLICY_FACT_LIST(i)) || f->listed[i] != LISTED_NOT_ASKED)
            continue;
        if (!f->list_requests[i])
            ask_list(d, i);
        awaited = true;
    }
    return awaited;
}

static uint8_t meaning_of(const struct dialogue *d, size_t list, const struct event *event)
{
    if (event->u.dns.status == DNS_FAILED)
        return LISTED_ERROR;
    bool found = event->u.dns.status == DNS_FOUND;
    return found && policy_dnsbl_matches(d->plan->policy, list, event->u.dns.addresses, event->u.dns.n_addresses)
               ? LISTED_YES
               : LISTED_NO;
}

static bool note_listed(struct dialogue *d, const struct event *event)
{
    struct facts *f = d->facts;
    for (size_t i = 0; f->list_requests && i < d->plan->conf->n_dnsbls; i++) {
        if (f->list_requests[i] != event->request)
            continue;
        f->list_requests[i] = 0;
        f->listed[i] = meaning_of(d, i, event);
        return true;
    }
    return false;
}

/* ---- all of them ---- */

bool facts_are_awaited(const struct dialogue *d)
{
    const struct facts *f = d->facts;
    for (size_t i = 0; f && f->list_requests && i < d->plan->conf->n_dnsbls; i++)
        if (f->list_requests[i])
            return true;
    return false;
}

bool facts_ready(struct dialogue *d, uint64_t missing)
{
    return !ask_lists(d, missing);
}

bool facts_answered(struct dialogue *d, const struct event *event)
{
    return d->facts && event->request != 0 && note_listed(d, event);
}
