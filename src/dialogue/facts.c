/* facts.c - who is asked for a fact, what the answer means, and how long it counts. */
#include "dialogue/facts.h"
#include "base/mem.h"
#include "grey/proof.h"

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
    if (!f || f->cursor || f->listed || f->helo_request || f->prove_request)
        return;
    free(f);
    d->facts = NULL;
}

/* Nobody is asked about it any more; what has come of it. */
static void end_helo(struct dialogue *d, enum policy_helo helo)
{
    struct facts *f = d->facts;
    d->helo_proof = (uint8_t)helo;
    if (helo != HELO_UNKNOWN)
        trace_line(d, "HELO %.*s: %s", SLICE_ARG(d->helo), policy_helo_text(helo));
    if (!f)
        return;
    if (f->helo_request)
        d->sh->helos_asked--;
    f->helo_request = f->prove_request = 0;
    f->deadline.ms = 0;
}

void facts_clear(struct dialogue *d, enum facts_scope scope)
{
    struct facts *f = d->facts;
    if (scope <= FACTS_HELO)
        end_helo(d, HELO_UNKNOWN);
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

static void ask_list(struct dialogue *d, size_t list)
{
    struct buf name = {0};
    policy_dnsbl_name(d->plan->policy, list, &d->client.ends.remote, &name);
    struct effect *e = effects_add(d->sh->out, EFFECT_DNS, d->client.owner);
    e->u.dns.type = DNS_A;
    e->u.dns.name = arena_slice(&d->sh->out->arena, buf_slice(&name));
    e->request = d->facts->list_requests[list] = dialogue_next_request(d);
    trace_line(d, "question %u to DNS: A %.*s", d->facts->list_requests[list], SLICE_ARG(buf_slice(&name)));
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

/* ---- the HELO ---- */

static struct slice lower_copy(struct arena *arena, struct slice text)
{
    struct slice copy = arena_slice(arena, text);
    for (size_t i = 0; i < copy.len; i++)
        ((char *)(uintptr_t)copy.ptr)[i] = ascii_lower(copy.ptr[i]);
    return copy;
}

/* Whether an answer is awaited now. One family is asked for: the client's own. */
static bool ask_helo(struct dialogue *d, uint64_t missing)
{
    if (!(missing & POLICY_FACT_HELO) || d->helo_proof != HELO_UNKNOWN)
        return false;
    if (d->facts && (d->facts->helo_request || d->facts->prove_request))
        return true;
    if (d->sh->helos_asked >= FACTS_HELOS_MAX) {
        end_helo(d, HELO_FAILED);
        return false;
    }
    struct facts *f = open_facts(d);
    struct policy_facts facts = dialogue_facts(d, STAGE_RCPT);
    struct effect *e = effects_add(d->sh->out, EFFECT_DNS, d->client.owner);
    e->u.dns.type = d->client.ends.remote.family == IP_V6 ? DNS_AAAA : DNS_A;
    e->u.dns.name = lower_copy(&d->sh->out->arena, policy_helo_name(&facts));
    e->request = f->helo_request = dialogue_next_request(d);
    trace_line(d, "question %u to DNS: %s %.*s", e->request, e->u.dns.type == DNS_AAAA ? "AAAA" : "A",
               SLICE_ARG(e->u.dns.name));
    f->deadline.ms = d->sh->now.mono.ms + FACTS_HELO_MS;
    d->sh->helos_asked++;
    return true;
}

static bool leads_to_client(const struct dialogue *d, const struct event *event)
{
    for (size_t i = 0; i < event->u.dns.n_addresses; i++)
        if (ip_eq(&event->u.dns.addresses[i], &d->client.ends.remote))
            return true;
    return false;
}

/* Whether its domain may prove one more is for the store to say, which notes it in the same breath. */
static void ask_store(struct dialogue *d)
{
    struct policy_facts facts = dialogue_facts(d, STAGE_RCPT);
    struct arena *arena = &d->sh->out->arena;
    const struct grey_tuple domain = {.addr = d->client.ends.remote,
                                      .client_domain = policy_helo_domain_key(d->plan->policy, &facts, arena),
                                      .sender = SLICE_LIT(""),
                                      .recipient = SLICE_LIT("")};
    struct grey_request *r = arena_alloc(arena, sizeof(*r));
    *r = plan_request(d->plan, GREY_PROVE, &domain, d->sh->now.wall);
    struct effect *e = effects_add(d->sh->out, EFFECT_STORE, d->client.owner);
    e->u.store = r;
    e->request = d->facts->prove_request = trace_question(d, GREY_PROVE, dialogue_next_request(d));
    d->facts->deadline.ms = d->sh->now.mono.ms + (d->sh->writes_late ? GREY_SLOW_MS : FACTS_STORE_MS);
}

static void note_helo(struct dialogue *d, const struct event *event)
{
    static const enum policy_helo meanings[] = {
        [DNS_FOUND] = HELO_OTHER_ADDRESS, [DNS_ABSENT] = HELO_ABSENT, [DNS_FAILED] = HELO_FAILED};
    bool proves = event->u.dns.status == DNS_FOUND && leads_to_client(d, event);
    end_helo(d, proves ? HELO_UNKNOWN : meanings[event->u.dns.status]);
    if (proves)
        ask_store(d);
}

bool facts_stored(struct dialogue *d, uint32_t request, const struct grey_answer *answer)
{
    if (!d->facts || request == 0 || request != d->facts->prove_request)
        return false;
    bool spent = !answer->failed && answer->verdict == GREY_DEFER; /* a store that cannot say is held against nobody */
    end_helo(d, spent ? HELO_SPENT : HELO_PROVES);
    if (spent)
        dialogue_log(d, LOG_LEVEL_NOTICE, "HELO %.*s proves nothing: its domain has proved %d clients in 35 days",
                     SLICE_ARG(d->helo), GREY_PROOF_CLIENTS);
    return true;
}

int64_t facts_deadline_ms(const struct dialogue *d)
{
    return d->facts ? d->facts->deadline.ms : 0;
}

void facts_tick(struct dialogue *d)
{
    if (facts_deadline_ms(d) == 0 || d->sh->now.mono.ms < facts_deadline_ms(d))
        return;
    bool of_store = d->facts->prove_request != 0;
    if (of_store)
        dialogue_log(d, LOG_LEVEL_WARNING, "HELO %.*s: the store does not say whether its domain may prove it; it counts",
                     SLICE_ARG(d->helo));
    end_helo(d, of_store ? HELO_PROVES : HELO_FAILED);
}

/* ---- all of them ---- */

bool facts_are_awaited(const struct dialogue *d)
{
    const struct facts *f = d->facts;
    for (size_t i = 0; f && f->list_requests && i < d->plan->conf->n_dnsbls; i++)
        if (f->list_requests[i])
            return true;
    return f && (f->helo_request || f->prove_request);
}

bool facts_ready(struct dialogue *d, uint64_t missing)
{
    bool lists = ask_lists(d, missing), helo = ask_helo(d, missing);
    return !lists && !helo;
}

bool facts_answered(struct dialogue *d, const struct event *event)
{
    if (!d->facts || event->request == 0)
        return false;
    if (event->request != d->facts->helo_request)
        return note_listed(d, event);
    note_helo(d, event);
    return true;
}
