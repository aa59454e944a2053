/* told.c - a mail judged and played on given facts. */
#include "explain/told.h"
#include "explain/records.h"
#include "explain/state.h"

static enum policy_helo helo_proof_of(enum explain_proof proof)
{
    static const enum policy_helo helos[] = {[EXPLAIN_NOT_ASKED] = HELO_UNKNOWN,
                                             [EXPLAIN_NO_PROOF] = HELO_ABSENT,
                                             [EXPLAIN_HELO_LEADS] = HELO_PROVES,
                                             [EXPLAIN_HELO_ELSEWHERE] = HELO_OTHER_ADDRESS,
                                             [EXPLAIN_HELO_FAILED] = HELO_FAILED};
    return helos[proof];
}

struct policy_facts explain_policy_facts(const struct explain_facts *f, struct arena *arena)
{
    char address[IP_TEXT_MAX];
    struct policy_facts p = {
        .stage = STAGE_RCPT,
        .client = f->client,
        .client_ptr = f->ptr,
        .resolve = f->resolve,
        .helo = f->helo.len ? f->helo : f->name,
        .helo_proof = (uint8_t)helo_proof_of(f->proof),
        .auth_authen = f->authenticated,
        .auth_type = f->authenticated.len ? SLICE_LIT("PLAIN") : SLICE_NONE,
        .now = f->now,
    };
    if (f->resolve == RESOLVE_OK)
        p.host = f->name;
    else
        p.host = slice_cstr(arena_printf(arena, "[%s]", ip_format(&f->client, address)));
    const struct slice in[2] = {f->sender, f->recipient};
    struct slice *const out[2] = {&p.sender, &p.recipient};
    for (int i = 0; i < 2; i++)
        *out[i] = slice_has_prefix(in[i], "<") ? in[i] : slice_cstr(arena_printf(arena, "<%.*s>", SLICE_ARG(in[i])));
    return p;
}

static enum policy_resolve resolve_of(const struct explain_facts *f)
{
    if (f->resolve != RESOLVE_ABSENT)
        return f->resolve;
    return f->name.len ? RESOLVE_OK : f->ptr.len ? RESOLVE_FORGED : RESOLVE_FAIL;
}

void explain_wanted(const struct plan *plan, const struct explain_facts *given, struct arena *arena, struct wanted *out)
{
    struct explain_facts f = *given;
    f.resolve = resolve_of(given);
    struct policy_facts facts = explain_policy_facts(&f, arena);
    *out = (struct wanted){.tuple = plan_tuple(plan, &facts, arena)};
    struct grey_request look = plan_request(plan, GREY_LOOK, &out->tuple, f.now);
    out->pairs = look.pairs;
    out->lazy = look.lazy;
    out->helo_domain = policy_helo_domain_key(plan->policy, &facts, arena);
}

enum err told_begin(struct told *t, struct plan *plan, struct explain_facts *f, const char **error)
{
    *t = (struct told){.plan = plan, .f = f};
    f->resolve = resolve_of(f);
    t->memory = grey_memory_new(&(struct grey_secret){.text = {{1}}, .tail = {{2}}});
    t->facts = explain_policy_facts(f, &t->arena);
    t->facts.no_hold = f->unwatched && plan->set->holds_unwatched == CONF_UNWATCHED_SKIP ? HOLD_UNWATCHABLE : HOLD_POSSIBLE;
    t->tuple = plan_tuple(plan, &t->facts, &t->arena);
    t->facts.sender_seen = t->tuple.sender;
    explain_records_apply(f, &t->tuple, t->memory);
    enum err e = f->state.len ? explain_state_apply(f->state, plan, &t->tuple, f->now, t->memory) : ERR_NONE;
    if (e != ERR_NONE) {
        *error = explain_state_help;
        return e;
    }
    seen_all(plan, f, &t->facts, &t->arena, &t->seen);
    struct grey_memory *mine = grey_memory_copy(t->memory);
    dialogue_play(plan, f, mine, false, &t->first);
    grey_memory_free(mine);
    return ERR_NONE;
}

void told_fini(struct told *t)
{
    outcome_fini(&t->first);
    seen_fini(&t->seen);
    grey_memory_free(t->memory);
    arena_fini(&t->arena);
}

struct told_filter told_filter(const struct told *t, size_t number)
{
    static const char *const asked[] = {
        [POLICY_NO] = "is not asked", [POLICY_YES] = "is asked", [POLICY_LATER] = "is asked or not as the message tells"};
    struct policy_why why;
    uint64_t missing = 0;
    enum policy_truth truth = policy_filter_when(t->plan->policy, number, &t->facts, &why, &missing);
    bool enabled = t->plan->conf->filters[number].set.enabled;
    const char *text = missing ? "is asked or not, as DNS tells" : asked[truth];
    return (struct told_filter){enabled ? text : "is not enabled", why.unknown};
}

bool told_line(const struct told *t, struct policy_verdict *out)
{
    struct policy_cursor cursor;
    struct policy_facts f = t->facts;
    struct grey_answer known;
    struct policy_why why;
    uint64_t missing;
    if (policy_when(t->plan->policy, &t->facts, &why) == POLICY_NO)
        return false;
    policy_begin(t->plan->policy, &cursor);
    while (policy_step(t->plan->policy, &cursor, &f, out, &missing) == POLICY_NEED) {
        if (missing & POLICY_FACT_HELO) {
            f.helo_proof = HELO_FAILED; /* nobody was asked: it has proved nothing */
            continue;
        }
        struct grey_memory *copy = grey_memory_copy(t->memory);
        struct grey_request look = plan_request(t->plan, GREY_LOOK, &t->tuple, f.now);
        (void)grey_memory_run(copy, &look, &known);
        grey_memory_free(copy);
        f.look = &known;
    }
    return true;
}

const char *told_verdict(const struct told *t)
{
    const struct outcome *o = &t->first;
    struct policy_why why;
    bool unasked = o->passed || policy_when(t->plan->policy, &t->facts, &why) == POLICY_NO;
    if (o->held)
        return "held";
    if (o->rejected)
        return "refused";
    if (o->deferred)
        return "deferred";
    if (unasked)
        return "passes untouched";
    return o->reply.len ? "let in" : "closed";
}
