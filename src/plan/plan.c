/*
 * plan.c - one generation of the configuration: load, compile, count. Knows which settings make a tuple; opens nothing itself.
 */
#include "plan/plan.h"

#include "base/mem.h"
#include "grey/clean.h"

#include <stdlib.h>

static void plan_free(struct plan *p)
{
    policy_free(p->policy); /* looks into conf */
    conf_free(p->conf);
    domain_list_free(p->own_domains);
    free(p->hostname);
    for (int i = 0; i < PLAN_MTA_STAGES; i++)
        free(p->mta_macros[i]);
    free(p);
}

/* The policy's, where it has one: one list is enough. */
static struct domain_list *open_domains(const struct plan *p, struct diags *diags)
{
    if (p->conf->set.hostkey != CONF_HOSTKEY_DOMAIN || policy_domains(p->policy))
        return NULL;
    struct domain_list *domains = domain_list_open();
    if (!domains)
        diags_add(diags, DIAG_WARNING, (struct conf_where){0}, "install the package publicsuffix",
                  "no Public Suffix List: `hostkey domain` works as `hostkey address`");
    return domains;
}

struct plan *plan_build(const struct conf_source *source, const char *path, const char *hostname, struct diags *diags)
{
    size_t errors_before = diags->errors;
    struct plan *p = mem_zalloc(sizeof(*p));
    p->references = 1;
    p->hostname = mem_strdup(hostname);
    p->conf = conf_load(source, path, diags);
    p->set = &p->conf->set;
    /* Compiled also when the file has errors: so that all of them are told at once. */
    p->policy = policy_compile(p->conf, diags);
    p->own_domains = open_domains(p, diags);
    p->domains = p->own_domains ? p->own_domains : policy_domains(p->policy);
    if (diags->errors > errors_before) {
        plan_free(p);
        return NULL;
    }
    return p;
}

struct plan *plan_ref(struct plan *p)
{
    p->references++;
    return p;
}

void plan_unref(struct plan *p)
{
    if (!p)
        return;
    if (p->references == 0)
        PANIC("plan given back more often than taken");
    if (--p->references == 0)
        plan_free(p);
}

static struct slice fold(struct arena *arena, struct slice text)
{
    char *folded = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        folded[i] = ascii_lower(text.ptr[i]);
    folded[text.len] = '\0';
    return slice_of(folded, text.len);
}

/* The name says "line", by the weights of generic_rdns, whether a condition asks for that or not. */
static bool is_generic(const struct plan *p, struct slice name, const struct ip *ip)
{
    struct generic_verdict verdict;
    policy_judge_name(p->policy, p->domains, name, ip, &verdict);
    return verdict.selected;
}

/* A pool of servers shares its base domain. NONE for a line, whose neighbours are strangers, and where nothing is proven. */
static struct slice client_domain(const struct plan *p, const struct policy_facts *f, struct arena *arena)
{
    if (p->set->hostkey != CONF_HOSTKEY_DOMAIN || !p->domains)
        return SLICE_NONE;
    struct slice name = policy_client_name(f);
    if (!name.ptr || is_generic(p, name, &f->client))
        return SLICE_NONE;
    struct slice base = domain_base(p->domains, name);
    return base.ptr ? fold(arena, base) : SLICE_NONE;
}

struct grey_tuple plan_tuple(const struct plan *p, const struct policy_facts *f, struct arena *arena)
{
    int64_t bits = f->client.family == IP_V6 ? p->set->subnetmatch6 : p->set->subnetmatch;
    return (struct grey_tuple){
        .addr = f->client,
        .addr_bits = (unsigned)bits,
        .client_domain = client_domain(p, f, arena),
        .sender = grey_clean_sender(arena, f->sender),
        .recipient = grey_clean_recipient(arena, f->recipient),
    };
}

struct grey_request plan_request(const struct plan *p, enum grey_request_kind kind, const struct grey_tuple *tuple,
                                 struct wall now)
{
    const struct conf_settings *set = p->set;
    /* 0 stands for "as autowhite" in the request, below 0 for no memory at all; in the settings it is the other way round */
    int64_t patience_sec = set->tarpit_memory_sec < 0 ? 0 : set->tarpit_memory_sec == 0 ? -1 : set->tarpit_memory_sec;
    return (struct grey_request){
        .kind = kind,
        .tuple = *tuple,
        .now = now,
        .first_seen = now,
        .delay_sec = set->greylist_sec,
        .timeout_sec = set->timeout_sec,
        .autowhite_sec = set->autowhite_sec,
        .patience_sec = patience_sec,
        .pairs = set->hostkey == CONF_HOSTKEY_DOMAIN,
        .lazy = set->lazyaw,
    };
}
