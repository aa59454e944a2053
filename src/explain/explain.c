/* explain.c - the explanation's text: facts, conditions, the line that decides, what happens then. */
#include "explain/explain.h"
#include "conf/print.h"
#include "explain/dialogue.h"
#include "explain/state.h"
#include "grey/clean.h"
#include "match/s25r.h"
#include "policy/xgreylist.h"

#include <string.h>

static const char *const truths[] = {[POLICY_NO] = "no",
                                     [POLICY_YES] = "yes",
                                     [POLICY_LATER] = "not known yet",
                                     [POLICY_UNKNOWN] = "unknown: a regex takes too long on this"};

static enum policy_helo helo_proof_of(enum explain_proof proof)
{
    return proof == EXPLAIN_HELO_LEADS ? HELO_PROVES : proof == EXPLAIN_NO_PROOF ? HELO_ABSENT : HELO_UNKNOWN;
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

static void put_where(struct buf *out, struct conf_where where)
{
    if (where.file)
        buf_printf(out, "   # %s:%u", where.file, where.line);
    buf_put_byte(out, '\n');
}

/* With `hostkey domain`: what else a mail of this tuple makes known, once it has been let in after a deferral. */
static void put_known_by(const struct grey_tuple *tuple, struct buf *out)
{
    char address[IP_TEXT_MAX];
    struct slice domain = grey_address_domain(tuple->sender);
    unsigned net_bits = tuple->addr.family == IP_V6 ? 64 : 24;
    struct ip masked = ip_mask(&tuple->addr, tuple->addr_bits), net = ip_mask(&tuple->addr, net_bits);
    buf_put_cstr(out, "known by    ");
    if (tuple->client_domain.ptr) {
        buf_printf(out, "%.*s for %.*s\n", SLICE_ARG(tuple->client_domain),
                   SLICE_ARG(domain.len ? domain : SLICE_LIT("the null sender")));
        return;
    }
    buf_printf(out, "%s/%u for any sender", ip_format(&masked, address), tuple->addr_bits);
    if (domain.len > 0)
        buf_printf(out, ", %s/%u for %.*s", ip_format(&net, address), net_bits, SLICE_ARG(domain));
    buf_put_cstr(out, "   (once it has come back)\n");
}

static void put_facts(const struct explain_facts *f, const struct policy_facts *p, const struct grey_tuple *tuple,
                      bool pairs, struct buf *out)
{
    static const char *const names[] = {[RESOLVE_OK] = "name verified",
                                        [RESOLVE_FORGED] = "its name does not lead back to it",
                                        [RESOLVE_TEMP] = "the reverse look-up failed for now",
                                        [RESOLVE_FAIL] = "no reverse name"};
    char address[IP_TEXT_MAX];
    buf_printf(out, "client      %.*s [%s]   (%s)\n", SLICE_ARG(p->host), ip_format(&f->client, address), names[f->resolve]);
    buf_printf(out, "sender      %.*s\n", SLICE_ARG(p->sender));
    buf_printf(out, "recipient   %.*s\n", SLICE_ARG(p->recipient));
    buf_printf(out, "tuple       ");
    if (tuple->client_domain.ptr)
        buf_printf(out, "%.*s", SLICE_ARG(tuple->client_domain));
    else {
        struct ip masked = ip_mask(&tuple->addr, tuple->addr_bits);
        buf_printf(out, "%s/%u", ip_format(&masked, address), tuple->addr_bits);
    }
    buf_printf(out, ", %.*s, %.*s\n", SLICE_ARG(tuple->sender), SLICE_ARG(tuple->recipient));
    if (pairs)
        put_known_by(tuple, out);
    if (f->state.len)
        buf_printf(out, "remembered  %.*s\n", SLICE_ARG(f->state));
}

static void put_s25r(const struct policy_why *why, struct buf *out)
{
    if (why->s25r_list)
        buf_printf(out, "   settled by the entry %s", why->s25r_list);
    else if (why->s25r_rule >= 0)
        buf_printf(out, "   %s", s25r_rule_text(why->s25r_rule));
    else
        buf_printf(out, "   no rule hits");
    if (why->s25r_temp)
        buf_printf(out, " (judged while the look-up fails)");
}

/* Also where no filter's condition asks for it: then the policy has no list of its own. */
static void put_generic(const struct plan *plan, const struct policy_facts *facts, struct buf *out)
{
    struct domain_list *own = plan->domains ? NULL : domain_list_open();
    struct generic_verdict v;
    policy_judge_name(plan->policy, own ? own : plan->domains, policy_judged_name(facts), &facts->client, &v);
    buf_printf(out, "%s   ", truths[v.selected ? POLICY_YES : POLICY_NO]);
    generic_put_reasons(&v, out);
    buf_printf(out, "%s%d point%s; from %d on it holds", v.n_reasons ? ": " : "", v.points, v.points == 1 ? "" : "s",
               (int)plan->conf->generic.threshold);
    domain_list_free(own);
}

static void put_helo(const struct plan *plan, const struct policy_facts *facts, struct buf *out)
{
    enum policy_helo helo = policy_judge_helo(plan->policy, facts);
    buf_printf(out, "   %.*s: %s", SLICE_ARG(facts->helo), policy_helo_text(helo));
}

static void put_condition(const struct plan *plan, const char *name, const struct policy_facts *facts, struct buf *out)
{
    enum policy_truth truth;
    struct policy_why why;
    uint64_t missing;
    if (strcmp(name, "helo_confirmed") == 0 && !policy_domains(plan->policy))
        return; /* nobody asks for it */
    if (policy_condition(plan->policy, name, facts, &truth, &why, &missing) != ERR_NONE)
        return;
    buf_printf(out, "    %-16s ", name);
    if (strcmp(name, "generic_rdns") == 0)
        put_generic(plan, facts, out);
    else
        buf_put_cstr(out, truths[truth]);
    if (strcmp(name, "s25r") == 0)
        put_s25r(&why, out);
    if (strcmp(name, "helo_confirmed") == 0)
        put_helo(plan, facts, out);
    buf_put_byte(out, '\n');
}

static void put_filter(const struct plan *plan, size_t number, const struct policy_facts *facts, struct buf *out)
{
    static const char *const asked[] = {
        [POLICY_NO] = "is not asked", [POLICY_YES] = "is asked", [POLICY_LATER] = "is asked or not as the message tells"};
    const struct conf_filter *filter = &plan->conf->filters[number];
    struct policy_why why;
    uint64_t missing = 0;
    enum policy_truth truth = policy_filter_when(plan->policy, number, facts, &why, &missing);
    buf_printf(out, "filter \"%s\" %s", filter->name, filter->set.enabled ? asked[truth] : "is not enabled");
    if (missing)
        buf_put_cstr(out, ", as DNS tells");
    if (why.unknown)
        buf_put_cstr(out, ", for its condition is unknown: a regex takes too long on this");
    if (filter->when) {
        buf_put_cstr(out, ": when ");
        conf_print_expr(filter->when, out);
    }
    put_where(out, filter->when ? filter->when_where : filter->where);
}

static void put_conditions(const struct plan *plan, const struct policy_facts *facts, struct buf *out)
{
    static const char *const names[] = {"s25r",   "generic_rdns",  "unknown_client", "helo_confirmed",
                                        "remote", "authenticated", "unauthenticated"};
    buf_put_cstr(out, "\nconditions\n");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put_condition(plan, names[i], facts, out);
    for (size_t i = 0; i < plan->conf->n_conditions; i++)
        put_condition(plan, plan->conf->conditions[i]->name, facts, out);
    if (plan->conf->n_filters == 0)
        buf_put_cstr(out, "the file has no filter block: greylisting is asked about everybody\n");
    for (size_t i = 0; i < plan->conf->n_filters; i++)
        put_filter(plan, i, facts, out);
}

static void put_line(const struct plan *plan, const struct policy_facts *facts, const struct grey_tuple *tuple,
                     const struct grey_memory *memory, struct buf *out)
{
    static const char *const no_hold[] = {[HOLD_POSSIBLE] = "",
                                          [HOLD_UNWATCHABLE] = "the client's connection cannot be watched",
                                          [HOLD_BOUND_MAX] = "too many are held",
                                          [HOLD_BOUND_CLIENT] = "too many of this client are held",
                                          [HOLD_STRESS] = "the mail server is under stress",
                                          [HOLD_CALLOUT] = "mail without a sender is not held (delayedreject)"};
    struct policy_cursor cursor;
    struct policy_verdict verdict;
    struct policy_facts f = *facts;
    struct grey_answer known;
    policy_begin(plan->policy, &cursor);
    uint64_t missing;
    while (policy_step(plan->policy, &cursor, &f, &verdict, &missing) == POLICY_NEED) {
        if (missing & POLICY_FACT_HELO) {
            f.helo_proof = HELO_FAILED; /* nobody was asked: it has proved nothing */
            continue;
        }
        struct grey_memory *copy = grey_memory_copy(memory);
        struct grey_request look = plan_request(plan, GREY_LOOK, tuple, f.now);
        (void)grey_memory_run(copy, &look, &known);
        grey_memory_free(copy);
        f.look = &known;
    }
    buf_put_cstr(out, "\nline that decides\n    ");
    if (verdict.acl) {
        conf_print_acl(verdict.acl, out);
        put_where(out, verdict.acl->where);
    } else {
        buf_printf(out, "%s\n",
                   verdict.action == CONF_WHITELIST ? "none: an implicit rule lets it in"
                                                    : "none: greylisting is what is left");
    }
    if (verdict.left_sec >= 0)
        buf_printf(out, "    a tarpit line before it did not match: this client hung up after %lld s\n",
                   (long long)verdict.left_sec);
    if (verdict.skipped != HOLD_POSSIBLE)
        buf_printf(out, "    a tarpit line before it did not match: %s\n", no_hold[verdict.skipped]);
}

static void put_indented(const char *what, struct slice text, struct buf *out)
{
    while (text.len > 0) {
        struct slice line = slice_cut(&text, '\n');
        if (line.len)
            buf_printf(out, "        %s: %.*s\n", what, SLICE_ARG(line));
    }
}

static void put_outcome(const char *who, const struct outcome *o, struct buf *out)
{
    buf_printf(out, "    %s", who);
    if (o->held) {
        buf_put_cstr(out, "held for ");
        xgreylist_put_duration(out, (o->held_ms + 500) / 1000);
        buf_put_cstr(out, ", then ");
    }
    if (o->reply.len)
        buf_printf(out, "%.*s at %s\n", SLICE_ARG(buf_slice(&o->reply)), o->stage);
    else
        buf_printf(out, "closed at %s\n", o->stage);
    put_indented("header", buf_slice(&o->header), out);
    put_indented("log", buf_slice(&o->log), out);
}

static void put_what_happens(struct plan *plan, const struct explain_facts *facts, const struct grey_memory *memory,
                             struct buf *out)
{
    struct grey_memory *mine = grey_memory_copy(memory);
    struct outcome o;
    buf_put_cstr(out, "\nwhat happens\n");
    dialogue_play(plan, facts, mine, false, &o);
    bool held = o.held;
    put_outcome(held ? "the client waits:    " : "", &o, out);
    outcome_fini(&o);
    grey_memory_free(mine);
    if (!held)
        return;
    mine = grey_memory_copy(memory);
    dialogue_play(plan, facts, mine, true, &o);
    put_outcome("the client hangs up: ", &o, out);
    outcome_fini(&o);
    struct explain_facts again = *facts;
    again.now.sec += 5 * 60;
    dialogue_play(plan, &again, mine, false, &o);
    put_outcome("and comes back 5 minutes later: ", &o, out);
    outcome_fini(&o);
    grey_memory_free(mine);
}

enum err explain(struct plan *plan, const struct explain_facts *given, struct buf *out, const char **error)
{
    struct arena arena = {0};
    struct explain_facts f = *given;
    if (f.resolve == RESOLVE_ABSENT)
        f.resolve = f.name.len ? RESOLVE_OK : f.ptr.len ? RESOLVE_FORGED : RESOLVE_FAIL;
    struct grey_memory *memory = grey_memory_new(&(struct grey_secret){.text = {{1}}, .tail = {{2}}});
    struct policy_facts facts = explain_policy_facts(&f, &arena);
    facts.no_hold = f.unwatched && plan->set->holds_unwatched == CONF_UNWATCHED_SKIP ? HOLD_UNWATCHABLE : HOLD_POSSIBLE;
    struct grey_tuple tuple = plan_tuple(plan, &facts, &arena);
    enum err e = f.state.len ? explain_state_apply(f.state, plan, &tuple, f.now, memory) : ERR_NONE;
    if (e == ERR_NONE) {
        put_facts(&f, &facts, &tuple, plan->set->hostkey == CONF_HOSTKEY_DOMAIN, out);
        put_conditions(plan, &facts, out);
        struct policy_why why;
        bool asked = policy_when(plan->policy, &facts, &why) != POLICY_NO;
        facts.sender_seen = tuple.sender; /* for racl lines; conditions see it as the MTA gave it */
        if (asked)
            put_line(plan, &facts, &tuple, memory, out);
        put_what_happens(plan, &f, memory, out);
    } else {
        *error = explain_state_help;
    }
    grey_memory_free(memory);
    arena_fini(&arena);
    return e;
}
