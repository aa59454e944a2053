/*
 * condition.c - conditions in three truths: yes, no, and "a later stage tells". Knows what each condition asks of the facts;
 * nothing of ACL lines.
 */
#include "base/mem.h"
#include "match/s25r.h"
#include "policy/compiled.h"

/* ---- s25r ---- */

static bool matches_any(const struct policy_regex *regexes, size_t n, struct slice name, const char **entry)
{
    for (size_t i = 0; i < n; i++) {
        bool matched;
        /* A regex that comes to its limit settles nothing: the next entry, or the rules, do. */
        if (regex_match(regexes[i].re, name, &matched, NULL) == ERR_NONE && matched) {
            *entry = regexes[i].text;
            return true;
        }
    }
    return false;
}

/* The entry of list that covers name, as written; NULL: none. */
static const char *find_entry(const struct s25r_list *list, struct slice name)
{
    struct slice found = textset_find(&list->names, name);
    if (!found.ptr)
        found = textset_find_suffix(&list->suffixes, name, false);
    const char *entry = found.ptr;
    if (!entry)
        matches_any(list->regexes, list->n_regexes, name, &entry);
    return entry;
}

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
    const char *entry = find_entry(&p->s25r_black, f->client_ptr);
    if (entry)
        return is_listed(entry, POLICY_YES, why);
    int rule = s25r_match(f->client_ptr);
    return rule > 0 ? hit_rule(rule, why) : POLICY_NO;
}

static enum policy_truth judge_s25r(const struct policy *p, const struct policy_facts *f, struct policy_why *why)
{
    if (f->client_is_local)
        return POLICY_NO;
    if (f->resolve == RESOLVE_TEMP)
        return judge_temp(p, f, why);
    struct slice name = policy_client_name(f);
    /* "[192.0.2.1]" may stand on a list. A name of which the MTA says that it is not the client's counts for nothing there. */
    struct slice host = name.ptr ? name : is_no_name(f->host) ? f->host : SLICE_LIT("unknown");
    const char *entry = find_entry(&p->s25r_white, host);
    if (entry)
        return is_listed(entry, POLICY_NO, why);
    entry = find_entry(&p->s25r_black, host);
    if (entry)
        return is_listed(entry, POLICY_YES, why);
    if (!name.ptr)
        return hit_rule(0, why);
    int rule = s25r_match(name);
    return rule > 0 ? hit_rule(rule, why) : POLICY_NO;
}

/* ---- remote ---- */

struct local_net {
    struct ip net;
    unsigned bits;
};

/* Loopback, RFC 1918, RFC 3927; RFC 4291 loopback and link-local, RFC 4193 unique local addresses. */
static const struct local_net local_nets[] = {
    {{IP_V4, {127}}, 8},       {{IP_V4, {10}}, 8},         {{IP_V4, {172, 16}}, 12},    {{IP_V4, {192, 168}}, 16},
    {{IP_V4, {169, 254}}, 16}, {{IP_V6, {[15] = 1}}, 128}, {{IP_V6, {0xfe, 0x80}}, 10}, {{IP_V6, {0xfc}}, 7},
};

static enum policy_truth judge_remote(const struct policy_facts *f)
{
    if (f->client_is_local || f->client.family == IP_NONE)
        return POLICY_NO;
    for (size_t i = 0; i < sizeof(local_nets) / sizeof(local_nets[0]); i++)
        if (ip_in(&f->client, &local_nets[i].net, local_nets[i].bits))
            return POLICY_NO;
    return POLICY_YES;
}

/* ---- authenticated ---- */

/* The MTA tells at MAIL who has logged in; an earlier silence means nothing. */
static enum policy_truth judge_auth(const struct policy_facts *f, bool wanted)
{
    if (f->stage < POLICY_AT_MAIL)
        return POLICY_LATER;
    bool is = f->auth_type.len > 0 || f->auth_authen.len > 0;
    return is == wanted ? POLICY_YES : POLICY_NO;
}

/* ---- expressions ---- */

static enum policy_truth judge_named(const struct policy *p, enum cond_kind kind, const struct policy_facts *f,
                                     struct policy_why *why)
{
    why->condition = condition_names[kind];
    switch (kind) {
    case COND_S25R:
        return judge_s25r(p, f, why);
    case COND_REMOTE:
        return judge_remote(f);
    case COND_AUTHENTICATED:
        return judge_auth(f, true);
    case COND_UNAUTHENTICATED:
        return judge_auth(f, false);
    default:
        PANIC("a condition without a name");
    }
}

static enum policy_truth judge(const struct policy *p, const struct cond *cond, const struct policy_facts *f,
                               struct policy_why *why);

/*
 * `and`, `or`: one side may settle it alone (no, yes), whatever the other will be; only where none does is the answer LATER.
 * So both sides are asked even if the left one says LATER.
 */
static enum policy_truth judge_pair(const struct policy *p, const struct cond *cond, const struct policy_facts *f,
                                    struct policy_why *why)
{
    enum policy_truth settles = cond->kind == COND_AND ? POLICY_NO : POLICY_YES;
    enum policy_truth left = judge(p, cond->left, f, why);
    if (left == settles)
        return left;
    const char *of_left = why->condition;
    enum policy_truth right = judge(p, cond->right, f, why);
    if (left == POLICY_LATER && right != settles) {
        why->condition = of_left;
        return POLICY_LATER;
    }
    return right;
}

static enum policy_truth judge(const struct policy *p, const struct cond *cond, const struct policy_facts *f,
                               struct policy_why *why)
{
    if (cond->kind < COND_NAMED_)
        return judge_named(p, cond->kind, f, why);
    if (cond->kind != COND_NOT)
        return judge_pair(p, cond, f, why);
    switch (judge(p, cond->left, f, why)) {
    case POLICY_NO:
        return POLICY_YES;
    case POLICY_YES:
        return POLICY_NO;
    case POLICY_LATER:
        break;
    }
    return POLICY_LATER;
}

enum policy_truth policy_when(const struct policy *p, const struct policy_facts *f, struct policy_why *why)
{
    *why = (struct policy_why){.s25r_rule = -1};
    if (!p->filtered)
        return POLICY_YES;
    if (!p->has_greylist_filter)
        return POLICY_NO;
    return p->when ? judge(p, p->when, f, why) : POLICY_YES;
}

enum err policy_condition(const struct policy *p, const char *name, const struct policy_facts *f, enum policy_truth *truth,
                          struct policy_why *why)
{
    enum cond_kind kind;
    *why = (struct policy_why){.s25r_rule = -1};
    *truth = POLICY_NO;
    if (!condition_find(name, &kind))
        return ERR_NOT_FOUND;
    *truth = judge_named(p, kind, f, why);
    return ERR_NONE;
}
