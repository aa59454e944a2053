/* lookup.c - three questions to DNS, and what their answers make of a client. */
#include "explain/lookup.h"

static bool may_be_asked_for(struct slice helo)
{
    struct ip ip;
    return slice_find(helo, '.') < helo.len && !slice_has_prefix(helo, "[") && ip_parse(helo, &ip) != ERR_NONE;
}

void lookup_begin(struct lookup *l, const struct ip *client, struct slice helo)
{
    if (helo.len > 0 && helo.ptr[helo.len - 1] == '.')
        helo.len--;
    *l = (struct lookup){.client = *client, .helo = helo, .resolve = RESOLVE_FAIL};
}

static struct slice asked_name(const struct lookup *l)
{
    return l->step == LOOKUP_HELO ? l->helo : buf_slice(&l->name);
}

static enum dns_type asked_type(const struct lookup *l)
{
    return l->step == LOOKUP_REVERSE ? DNS_PTR : l->client.family == IP_V6 ? DNS_AAAA : DNS_A;
}

bool lookup_question(const struct lookup *l, struct effect *question)
{
    if (l->step == LOOKUP_END)
        return false;
    *question = (struct effect){.kind = EFFECT_DNS, .request = 1};
    question->u.dns.type = asked_type(l);
    if (l->step == LOOKUP_REVERSE)
        question->u.dns.address = l->client;
    else
        question->u.dns.name = asked_name(l);
    return true;
}

static bool leads_to_client(const struct lookup *l, const struct event *answer)
{
    for (size_t i = 0; i < answer->u.dns.n_addresses; i++)
        if (ip_eq(&answer->u.dns.addresses[i], &l->client))
            return true;
    return false;
}

static void tell(struct lookup *l, const struct event *answer)
{
    static const char *const types[] = {[DNS_A] = "A", [DNS_AAAA] = "AAAA", [DNS_PTR] = "PTR"};
    enum { TOLD_MAX = 4 };
    char text[IP_TEXT_MAX];
    struct buf *out = &l->told;
    if (l->step == LOOKUP_REVERSE)
        buf_put_cstr(out, ip_format(&l->client, text));
    else
        buf_put_visible(out, asked_name(l));
    buf_printf(out, " %s: ", types[asked_type(l)]);
    if (answer->u.dns.status == DNS_ABSENT)
        buf_put_cstr(out, "no such name, or no such record");
    else if (answer->u.dns.status == DNS_FAILED)
        buf_put_cstr(out, "no answer in time, or the name server's error");
    else if (l->step == LOOKUP_REVERSE)
        buf_put_visible(out, answer->u.dns.name);
    size_t n = l->step == LOOKUP_REVERSE || answer->u.dns.status != DNS_FOUND ? 0 : answer->u.dns.n_addresses;
    for (size_t i = 0; i < n && i < TOLD_MAX; i++)
        buf_printf(out, "%s%s", i ? ", " : "", ip_format(&answer->u.dns.addresses[i], text));
    if (n > TOLD_MAX)
        buf_printf(out, " and %zu more", n - TOLD_MAX);
    if (n > 0)
        buf_put_cstr(out, leads_to_client(l, answer) ? " (the client's)" : " (not the client's)");
    buf_put_byte(out, '\n');
}

/* As Postfix: a name that does not lead back, elsewhere or to nothing, is forged. */
static enum policy_resolve verified(const struct lookup *l, const struct event *answer)
{
    if (answer->u.dns.status == DNS_FAILED)
        return RESOLVE_TEMP;
    return answer->u.dns.status == DNS_FOUND && leads_to_client(l, answer) ? RESOLVE_OK : RESOLVE_FORGED;
}

static enum explain_proof proof_of(const struct lookup *l, const struct event *answer)
{
    if (answer->u.dns.status == DNS_FAILED)
        return EXPLAIN_HELO_FAILED;
    if (answer->u.dns.status == DNS_ABSENT)
        return EXPLAIN_NO_PROOF;
    return leads_to_client(l, answer) ? EXPLAIN_HELO_LEADS : EXPLAIN_HELO_ELSEWHERE;
}

void lookup_answer(struct lookup *l, const struct event *answer)
{
    enum dns_status status = answer->u.dns.status;
    enum lookup_step behind_client = may_be_asked_for(l->helo) ? LOOKUP_HELO : LOOKUP_END;
    tell(l, answer);
    switch (l->step) {
    case LOOKUP_REVERSE:
        l->resolve = status == DNS_FAILED ? RESOLVE_TEMP : RESOLVE_FAIL;
        if (status == DNS_FOUND)
            buf_put_slice(&l->name, answer->u.dns.name);
        l->step = status == DNS_FOUND ? LOOKUP_FORWARD : behind_client;
        break;
    case LOOKUP_FORWARD:
        l->resolve = verified(l, answer);
        l->step = behind_client;
        break;
    case LOOKUP_HELO:
        l->proof = proof_of(l, answer);
        l->step = LOOKUP_END;
        break;
    case LOOKUP_END:
        break;
    }
}

void lookup_facts(const struct lookup *l, struct explain_facts *f)
{
    f->resolve = l->resolve;
    f->name = l->resolve == RESOLVE_OK ? buf_slice(&l->name) : SLICE_NONE;
    f->ptr = l->resolve == RESOLVE_OK || l->name.len == 0 ? SLICE_NONE : buf_slice(&l->name);
    f->proof = l->proof;
    f->looked_up = buf_slice(&l->told);
}

void lookup_fini(struct lookup *l)
{
    buf_fini(&l->name);
    buf_fini(&l->told);
}
