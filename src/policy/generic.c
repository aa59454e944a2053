/*
 * generic.c - the conditions generic_rdns (the client's name says "line") and unknown_client (it has none). Knows what the MTA says
 * about a name; the points are match/'s affair.
 */
#include "policy/terms.h"

static bool is_unknown(struct slice name)
{
    return name.len == 0 || slice_eq_nocase(name, SLICE_LIT("unknown"));
}

/* While the look-up fails {client_ptr} is verified by nobody, but nobody would claim falsely to be an end user's line either. */
struct slice policy_judged_name(const struct policy_facts *f)
{
    if (f->client_is_local)
        return SLICE_NONE;
    if (f->resolve == RESOLVE_TEMP)
        return is_unknown(f->client_ptr) ? SLICE_NONE : f->client_ptr;
    return policy_client_name(f);
}

void policy_judge_name(const struct policy *p, const struct domain_list *domains, struct slice name, const struct ip *ip,
                       struct generic_verdict *out)
{
    *out = (struct generic_verdict){0};
    if (domains && p->generic_words && name.ptr)
        generic_judge(&p->generic, domains, name, ip, out);
}

const struct domain_list *policy_domains(const struct policy *p)
{
    return p->domains;
}

enum policy_truth generic_judge_client(const struct policy *p, const struct policy_facts *f, struct policy_why *why)
{
    struct generic_verdict v;
    policy_judge_name(p, p->domains, policy_judged_name(f), &f->client, &v);
    why->generic_points = v.points;
    why->is_generic = v.selected;
    return v.selected ? POLICY_YES : POLICY_NO;
}

/* For good, or again after more than an hour: the look-up that has failed for now says nothing yet (DESIGN 4). */
enum policy_truth nameless_judge(const struct policy_facts *f, struct policy_why *why)
{
    bool may_have_one = f->client_is_local || policy_judged_name(f).ptr || (f->resolve == RESOLVE_TEMP && !f->temp_again);
    why->is_nameless = !may_have_one;
    return may_have_one ? POLICY_NO : POLICY_YES;
}
