/*
 * s25r.c - the condition s25r: is the client's name that of an end user's line? Knows what the MTA says about a name; the rules
 * themselves are in match/.
 */
#include "match/s25r.h"
#include "policy/items.h"
#include "policy/terms.h"

static enum policy_truth is_listed(const char *entry, enum policy_truth truth, struct policy_why *why)
{
    why->s25r_list = entry;
    return truth;
}

static enum policy_truth hit_rule(int rule, struct policy_why *why)
{
    why->s25r_rule = rule;
    return POLICY_YES;
}

static bool is_unknown(struct slice name)
{
    return name.len == 0 || slice_eq_nocase(name, SLICE_LIT("unknown"));
}

/* What an MTA gives when it has no name to give: "[192.0.2.1]" or "unknown". */
static bool is_no_name(struct slice host)
{
    return is_unknown(host) || (host.ptr[0] == '[' && host.ptr[host.len - 1] == ']');
}

struct slice policy_client_name(const struct policy_facts *f)
{
    bool verified = f->resolve == RESOLVE_OK || f->resolve == RESOLVE_ABSENT;
    return verified && !f->client_is_local && !is_no_name(f->host) ? f->host : SLICE_NONE;
}

/*
 * The look-up failed for now. The reverse name may be there all the same (Postfix: PTR found, its A not): nobody has verified
 * it, so it earns no whitelisting, but nobody would claim falsely to be an end user's line either.
 */
static enum policy_truth judge_temp(const struct policy *p, const struct policy_facts *f, struct policy_why *why)
{
    why->s25r_temp = true;
    if (is_unknown(f->client_ptr)) {
        if (!f->temp_again)
            return POLICY_NO;
        return hit_rule(0, why);
    }
    bool unknown = false;
    const char *entry = names_find(&p->s25r_black, f->client_ptr, f->effort, &unknown);
    if (entry)
        return is_listed(entry, POLICY_YES, why);
    int rule = s25r_match(f->client_ptr);
    return rule > 0 ? hit_rule(rule, why) : unknown ? POLICY_UNKNOWN : POLICY_NO;
}

/* Where no entry lets it pass: a blacklist's entry, or a rule. */
static enum policy_truth judge_name(const struct policy *p, const struct policy_facts *f, struct slice name,
                                    struct slice host, struct policy_why *why)
{
    bool unknown = false;
    const char *entry = names_find(&p->s25r_black, host, f->effort, &unknown);
    if (entry)
        return is_listed(entry, POLICY_YES, why);
    if (!name.ptr)
        return hit_rule(0, why);
    int rule = s25r_match(name);
    return rule > 0 ? hit_rule(rule, why) : unknown ? POLICY_UNKNOWN : POLICY_NO;
}

enum policy_truth s25r_judge(const struct policy *p, const struct policy_facts *f, struct policy_why *why)
{
    if (f->client_is_local)
        return POLICY_NO;
    if (f->resolve == RESOLVE_TEMP)
        return judge_temp(p, f, why);
    struct slice name = policy_client_name(f);
    /* "[192.0.2.1]" may stand on a list. A name of which the MTA says that it is not the client's counts for nothing there. */
    struct slice host = name.ptr ? name : is_no_name(f->host) ? f->host : SLICE_LIT("unknown");
    bool unknown = false;
    const char *entry = names_find(&p->s25r_white, host, f->effort, &unknown);
    if (entry)
        return is_listed(entry, POLICY_NO, why);
    enum policy_truth truth = judge_name(p, f, name, host, why);
    return truth == POLICY_YES && unknown ? POLICY_UNKNOWN : truth;
}
