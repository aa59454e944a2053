/*
 * helo.c - the condition helo_confirmed: does the HELO name prove itself? It proves that the client's owner runs a domain of his own,
 * when it leads to the client's address. Knows which names can prove nothing at all, so that nobody is asked about those; what DNS
 * says of the others is a fact.
 */
#include "policy/terms.h"

#include <string.h>

static bool is_literal(struct slice name)
{
    struct ip ip;
    return slice_has_prefix(name, "[") || ip_parse(name, &ip) == ERR_NONE;
}

/* Names of no one: RFC 6762 (.local), RFC 6761, RFC 8375, and what resolvers at home make up. None is in the Public Suffix List. */
static bool is_local(struct slice name)
{
    static const char *const ends[] = {"local",     "localhost", "localdomain", "internal", "lan",     "home",
                                       "home.arpa", "corp",      "test",        "invalid",  "example", "arpa"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t len = strlen(ends[i]);
        if (name.len > len && name.ptr[name.len - len - 1] == '.' &&
            slice_eq_nocase(slice_from(name, name.len - len), slice_cstr(ends[i])))
            return true;
    }
    return false;
}

static struct slice macro(const struct policy_facts *f, const char *name)
{
    return f->more && f->more->macro ? f->more->macro(f->more->ctx, slice_cstr(name)) : SLICE_NONE;
}

/* The reverse name's domain, verified or not: who names the line names it after himself. */
static bool is_of_reverse_name(const struct policy *p, const struct policy_facts *f, struct slice base)
{
    const struct slice names[] = {policy_client_name(f), f->client_ptr};
    for (size_t i = 0; i < 2; i++) {
        struct slice other = names[i].len > 0 ? domain_base_icann(p->domains, names[i]) : SLICE_NONE;
        if (other.ptr && other.len > 0 && other.ptr[other.len - 1] == '.')
            other.len--;
        if (other.ptr && slice_eq_nocase(other, base))
            return true;
    }
    return false;
}

static struct slice without_dot(struct slice name)
{
    return slice_upto(name, name.len - (name.len > 0 && name.ptr[name.len - 1] == '.'));
}

struct slice policy_helo_name(const struct policy_facts *f)
{
    return without_dot(f->helo);
}

struct slice policy_helo_domain(const struct policy *p, const struct policy_facts *f)
{
    return p->domains ? domain_base(p->domains, policy_helo_name(f)) : SLICE_NONE;
}

struct slice policy_helo_domain_key(const struct policy *p, const struct policy_facts *f, struct arena *arena)
{
    struct slice domain = policy_helo_domain(p, f);
    if (!domain.ptr)
        return SLICE_NONE;
    char *folded = arena_cstr(arena, domain);
    for (size_t i = 0; i < domain.len; i++)
        folded[i] = ascii_lower(folded[i]);
    return slice_of(folded, domain.len);
}

/* What can be told of it without asking; HELO_UNKNOWN: DNS can tell. */
static enum policy_helo judge_name(const struct policy *p, const struct policy_facts *f)
{
    struct slice name = policy_helo_name(f);
    struct generic_verdict generic;
    bool unknown = false;
    if (name.len == 0)
        return HELO_NONE;
    if (is_literal(name) || slice_find(name, '.') == name.len)
        return HELO_NO_NAME;
    if (is_local(name))
        return HELO_LOCAL;
    if (slice_eq_nocase(name, macro(f, "j")))
        return HELO_OURS;
    struct slice base = policy_helo_domain(p, f);
    if (!base.ptr)
        return HELO_NO_SUFFIX;
    struct slice icann = domain_base_icann(p->domains, name);
    if (!icann.ptr || icann.len != base.len)
        return HELO_PRIVATE_SUFFIX;
    if (is_of_reverse_name(p, f, base))
        return HELO_SAME_DOMAIN;
    if (names_find(&p->helo_except, name, f->effort, &unknown))
        return HELO_EXCEPTED;
    if (generic_spells(p->domains, name, &f->client) != GENERIC_SPELLS_NOTHING)
        return HELO_SPELLS;
    policy_judge_name(p, p->domains, name, &f->client, &generic);
    return generic.selected ? HELO_GENERIC : HELO_UNKNOWN;
}

enum policy_helo policy_judge_helo(const struct policy *p, const struct policy_facts *f)
{
    enum policy_helo is = f->client.family == IP_NONE || f->client_is_local ? HELO_NO_NAME : judge_name(p, f);
    return is == HELO_UNKNOWN ? (enum policy_helo)f->helo_proof : is;
}

enum policy_truth helo_judge_client(const struct policy *p, const struct policy_facts *f, struct policy_why *why,
                                    uint64_t *missing)
{
    if (f->stage < STAGE_MAIL) /* STARTTLS is followed by another one */
        return POLICY_LATER;
    enum policy_helo is = policy_judge_helo(p, f);
    why->helo = is;
    if (is == HELO_UNKNOWN)
        *missing |= POLICY_FACT_HELO;
    return is == HELO_UNKNOWN ? POLICY_LATER : is == HELO_PROVES ? POLICY_YES : POLICY_NO;
}

const char *policy_helo_text(enum policy_helo helo)
{
    static const char *const texts[HELO_MAX_] = {
        [HELO_UNKNOWN] = "DNS is to be asked",
        [HELO_PROVES] = "it leads to the client's address",
        [HELO_OTHER_ADDRESS] = "it leads to other addresses than the client's",
        [HELO_ABSENT] = "it has no address",
        [HELO_FAILED] = "DNS gave no answer",
        [HELO_SPENT] = "its domain has proved as many clients as one may",
        [HELO_NONE] = "there was none",
        [HELO_NO_NAME] = "it is no name with a domain",
        [HELO_LOCAL] = "it is a name of a local network",
        [HELO_OURS] = "it is this host's own name",
        [HELO_NO_SUFFIX] = "it ends in no known public suffix",
        [HELO_PRIVATE_SUFFIX] = "it lies under a domain that gives names to anybody",
        [HELO_SAME_DOMAIN] = "it is of the same domain as the reverse name",
        [HELO_EXCEPTED] = "it is of a domain of helo_confirmed except",
        [HELO_SPELLS] = "it spells the client's address",
        [HELO_GENERIC] = "it is itself a generic name",
    };
    return texts[helo];
}
