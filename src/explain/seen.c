/* seen.c - what each test of a condition saw, in words. */
#include "explain/seen.h"
#include "base/mem.h"
#include "conf/print.h"
#include "match/s25r.h"

#include <stdlib.h>

const char *seen_truth(enum policy_truth truth)
{
    static const char *const texts[] = {[POLICY_NO] = "no",
                                        [POLICY_YES] = "yes",
                                        [POLICY_LATER] = "not known yet",
                                        [POLICY_UNKNOWN] = "unknown: a regex takes too long on this"};
    return texts[truth];
}

const char *seen_resolve(enum policy_resolve resolve)
{
    static const char *const texts[] = {[RESOLVE_ABSENT] = "nobody has looked its name up",
                                        [RESOLVE_OK] = "name verified",
                                        [RESOLVE_FORGED] = "its name does not lead back to it",
                                        [RESOLVE_TEMP] = "the reverse look-up failed for now",
                                        [RESOLVE_FAIL] = "no reverse name"};
    return texts[resolve];
}

static void put_s25r(const struct policy_why *why, struct buf *out)
{
    if (why->s25r_list)
        buf_printf(out, "settled by the entry %s", why->s25r_list);
    else if (why->s25r_rule >= 0)
        buf_put_cstr(out, s25r_rule_text(why->s25r_rule));
    else
        buf_put_cstr(out, "no rule hits");
    if (why->s25r_temp)
        buf_put_cstr(out, " (judged while the look-up fails)");
}

/* Where no filter's condition asks for it the policy has no list of its own. */
static void judge_name(const struct plan *plan, const struct policy_facts *facts, struct generic_verdict *v)
{
    struct domain_list *own = plan->domains ? NULL : domain_list_open();
    policy_judge_name(plan->policy, own ? own : plan->domains, policy_judged_name(facts), &facts->client, v);
    domain_list_free(own);
}

bool seen_is_generic(const struct plan *plan, const struct policy_facts *facts)
{
    struct generic_verdict v;
    judge_name(plan, facts, &v);
    return v.selected;
}

static void put_generic(const struct plan *plan, const struct policy_facts *facts, struct buf *out)
{
    struct generic_verdict v;
    judge_name(plan, facts, &v);
    generic_put_reasons(&v, out);
    buf_printf(out, "%s%d point%s; from %d on it holds", v.n_reasons ? ": " : "", v.points, v.points == 1 ? "" : "s",
               (int)plan->conf->generic.threshold);
}

static void put_helo(const struct plan *plan, const struct policy_facts *facts, struct buf *out)
{
    enum policy_helo helo = policy_judge_helo(plan->policy, facts);
    buf_put_visible(out, facts->helo);
    buf_printf(out, "%s%s", facts->helo.len ? ": " : "", policy_helo_text(helo));
    if (helo == HELO_UNKNOWN)
        buf_put_cstr(out, " (--resolve does)");
}

static void put_nameless(const struct policy_facts *facts, struct buf *out)
{
    buf_put_cstr(out, seen_resolve(facts->resolve));
    if (facts->client_ptr.len) {
        buf_put_cstr(out, ": ");
        buf_put_visible(out, facts->client_ptr);
    }
}

void seen_put_why(const struct plan *plan, enum conf_term_kind kind, const struct explain_facts *f,
                  const struct policy_facts *facts, const struct policy_why *why, enum policy_truth truth, struct buf *out)
{
    char address[IP_TEXT_MAX];
    switch (kind) {
    case CONF_TERM_S25R:
        put_s25r(why, out);
        break;
    case CONF_TERM_GENERIC_RDNS:
        put_generic(plan, facts, out);
        break;
    case CONF_TERM_UNKNOWN_CLIENT:
        put_nameless(facts, out);
        break;
    case CONF_TERM_HELO_CONFIRMED:
        put_helo(plan, facts, out);
        break;
    case CONF_TERM_REMOTE:
        buf_printf(out, "%s is %s", ip_format(&f->client, address),
                   truth == POLICY_YES ? "outside of our networks" : "in our networks (network local)");
        break;
    case CONF_TERM_AUTHENTICATED:
    case CONF_TERM_UNAUTHENTICATED:
        if (f->authenticated.len)
            buf_put_cstr(out, "logged in as ");
        else
            buf_put_cstr(out, "nobody has logged in");
        buf_put_visible(out, f->authenticated);
        break;
    case CONF_TERM_DNSBL:
        buf_put_cstr(out, "DNS lists are not asked here");
        break;
    case CONF_TERM_STRESS:
        buf_put_cstr(out, "the mail server is taken to be idle");
        break;
    default:
        break;
    }
}

/* What an operand is compared with. */
static void put_value(const struct conf_term *term, const struct explain_facts *f, const struct policy_facts *facts,
                      struct buf *out)
{
    char address[IP_TEXT_MAX];
    enum conf_item_kind kind = term->list ? term->list->kind : term->item_kind;
    const struct slice values[CONF_ITEM_MAX_] = {[CONF_ITEM_ADDR] = slice_cstr(ip_format(&f->client, address)),
                                                 [CONF_ITEM_DOMAIN] = facts->host,
                                                 [CONF_ITEM_HELO] = facts->helo,
                                                 [CONF_ITEM_FROM] = facts->sender,
                                                 [CONF_ITEM_RCPT] = facts->recipient};
    buf_put_visible(out, values[kind].len ? values[kind] : SLICE_LIT("there is none"));
}

struct gathering {
    const struct plan *plan;
    const struct explain_facts *f;
    const struct policy_facts *facts;
    struct arena *arena;
    struct seen_list *list;
    size_t filter;
};

static void gather(void *ctx, const struct conf_term *term, unsigned depth, enum policy_truth truth,
                   const struct policy_why *why)
{
    const struct gathering *g = ctx;
    struct seen_list *l = g->list;
    struct buf text = {0};
    struct conf_expr alone = {.op = CONF_EXPR_TERM, .term = *term};
    l->items = mem_grow(l->items, &l->cap, l->count + 1, sizeof(*l->items));
    struct seen *seen = &l->items[l->count++];
    *seen = (struct seen){.filter = g->filter, .depth = depth, .truth = truth};
    conf_print_expr(&alone, &text);
    seen->term = arena_slice(g->arena, buf_slice(&text));
    buf_clear(&text);
    if (term->kind == CONF_TERM_ITEMS)
        put_value(term, g->f, g->facts, &text);
    else
        seen_put_why(g->plan, term->kind, g->f, g->facts, why, truth, &text);
    seen->why = arena_slice(g->arena, buf_slice(&text));
    buf_fini(&text);
}

void seen_all(const struct plan *plan, const struct explain_facts *f, const struct policy_facts *facts, struct arena *arena,
              struct seen_list *out)
{
    *out = (struct seen_list){0};
    for (size_t i = 0; i < plan->conf->n_filters; i++) {
        struct gathering g = {plan, f, facts, arena, out, i};
        policy_filter_look(plan->policy, i, facts, gather, &g);
    }
}

void seen_fini(struct seen_list *l)
{
    free(l->items);
}
