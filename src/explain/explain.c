/* explain.c - the explanation as text: the verdict, facts, conditions, the line that decides, what happens then. */
#include "base/mem.h"
#include "conf/print.h"
#include "conf/terms.h"
#include "explain/records.h"
#include "explain/state.h"
#include "explain/told.h"
#include "grey/clean.h"
#include "policy/xgreylist.h"

#include <string.h>

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
    char address[IP_TEXT_MAX];
    buf_printf(out, "client      %.*s [%s]   (%s)\n", SLICE_ARG(p->host), ip_format(&f->client, address),
               seen_resolve(f->resolve));
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
    if (f->has_records)
        explain_put_records(f, tuple, out);
}

static void put_seen(unsigned depth, struct slice term, enum policy_truth truth, struct slice why, struct buf *out)
{
    buf_printf(out, "    %*s%-16.*s %s", (int)depth * 2, "", SLICE_ARG(term), seen_truth(truth));
    if (why.len)
        buf_printf(out, "   %.*s", SLICE_ARG(why));
    buf_put_byte(out, '\n');
}

/* One that no filter asks. */
static void put_condition(const struct told *t, const char *name, struct buf *out)
{
    const struct terms_row *row = terms_find(slice_cstr(name), TERMS_WHEN);
    struct buf text = {0};
    enum policy_truth truth;
    struct policy_why why;
    uint64_t missing;
    for (size_t i = 0; i < t->seen.count; i++)
        if (slice_eq_nocase(t->seen.items[i].term, slice_cstr(name)))
            return;
    if (strcmp(name, "helo_confirmed") == 0 && !policy_domains(t->plan->policy))
        return;
    if (policy_condition(t->plan->policy, name, &t->facts, &truth, &why, &missing) != ERR_NONE)
        return;
    if (row && row->kind == CONF_TERM_GENERIC_RDNS)
        truth = seen_is_generic(t->plan, &t->facts) ? POLICY_YES : POLICY_NO;
    if (row)
        seen_put_why(t->plan, row->kind, t->f, &t->facts, &why, truth, &text);
    put_seen(0, slice_cstr(name), truth, buf_slice(&text), out);
    buf_fini(&text);
}

static void put_filter(const struct told *t, size_t number, struct buf *out)
{
    const struct conf_filter *filter = &t->plan->conf->filters[number];
    struct told_filter asked = told_filter(t, number);
    buf_printf(out, "filter \"%s\" %s", filter->name, asked.text);
    if (asked.unknown)
        buf_put_cstr(out, ", for its condition is unknown: a regex takes too long on this");
    if (filter->when) {
        buf_put_cstr(out, ": when ");
        conf_print_expr(filter->when, out);
    }
    put_where(out, filter->when ? filter->when_where : filter->where);
    for (size_t i = 0; i < t->seen.count; i++) {
        const struct seen *s = &t->seen.items[i];
        if (s->filter == number)
            put_seen(s->depth, s->term, s->truth, s->why, out);
    }
}

static void put_conditions(const struct told *t, struct buf *out)
{
    static const char *const names[] = {"s25r",   "generic_rdns",  "unknown_client", "helo_confirmed",
                                        "remote", "authenticated", "unauthenticated"};
    const struct conf *conf = t->plan->conf;
    buf_put_byte(out, '\n');
    if (conf->n_filters == 0)
        buf_put_cstr(out, "the file has no filter block: greylisting is asked about everybody\n");
    for (size_t i = 0; i < conf->n_filters; i++)
        put_filter(t, i, out);
    buf_put_cstr(out, "other conditions\n");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        put_condition(t, names[i], out);
    for (size_t i = 0; i < conf->n_conditions; i++)
        put_condition(t, conf->conditions[i]->name, out);
}

static void put_line(const struct told *t, struct buf *out)
{
    static const char *const no_hold[] = {[HOLD_POSSIBLE] = "",
                                          [HOLD_UNWATCHABLE] = "the client's connection cannot be watched",
                                          [HOLD_BOUND_MAX] = "too many are held",
                                          [HOLD_BOUND_CLIENT] = "too many of this client are held",
                                          [HOLD_STRESS] = "the mail server is under stress",
                                          [HOLD_CALLOUT] = "mail without a sender is not held (delayedreject)"};
    struct policy_verdict verdict;
    if (!told_line(t, &verdict))
        return;
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

static void put_what_happens(const struct told *t, struct buf *out)
{
    struct outcome o;
    buf_put_cstr(out, "\nwhat happens\n");
    put_outcome(t->first.held ? "the client waits:    " : "", &t->first, out);
    if (!t->first.held)
        return;
    struct grey_memory *mine = grey_memory_copy(t->memory);
    dialogue_play(t->plan, t->f, mine, true, &o);
    put_outcome("the client hangs up: ", &o, out);
    outcome_fini(&o);
    struct explain_facts again = *t->f;
    again.now.sec += 5 * 60;
    dialogue_play(t->plan, &again, mine, false, &o);
    put_outcome("and comes back 5 minutes later: ", &o, out);
    outcome_fini(&o);
    grey_memory_free(mine);
}

static void put_verdict(const struct told *t, struct buf *out)
{
    const struct outcome *o = &t->first;
    buf_printf(out, "verdict     %s", told_verdict(t));
    if (o->held) {
        buf_put_cstr(out, " for ");
        xgreylist_put_duration(out, (o->held_ms + 500) / 1000);
    }
    if (o->reply.len && (o->held || o->deferred || o->rejected))
        buf_printf(out, "%s%.*s", o->held ? ", then " : ": ", SLICE_ARG(buf_slice(&o->reply)));
    buf_put_byte(out, '\n');
}

static void put_looked_up(const struct explain_facts *f, struct buf *out)
{
    struct slice rest = f->looked_up;
    for (const char *head = "looked up   "; rest.len > 0; head = "            ") {
        struct slice line = slice_cut(&rest, '\n');
        buf_printf(out, "%s%.*s\n", head, SLICE_ARG(line));
    }
}

enum err explain(struct plan *plan, const struct explain_facts *given, struct buf *out, const char **error)
{
    struct told t;
    struct explain_facts f = *given;
    enum err e = told_begin(&t, plan, &f, error);
    if (e == ERR_NONE) {
        put_verdict(&t, out);
        put_looked_up(&f, out);
        put_facts(&f, &t.facts, &t.tuple, plan->set->hostkey == CONF_HOSTKEY_DOMAIN, out);
        put_conditions(&t, out);
        put_line(&t, out);
        put_what_happens(&t, out);
    }
    told_fini(&t);
    return e;
}
