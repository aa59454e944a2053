/* dnsbl.c - the lists of `dnsrbl`: the name to ask DNS about, and what an answer means. Asks nobody. */
#include "base/mem.h"
#include "policy/compiled.h"

static const struct conf_dnsbl *dnsbl_of(const struct policy *p, size_t list)
{
    if (list >= p->conf->n_dnsbls)
        PANIC("a list that the configuration does not hold");
    return &p->conf->dnsbls[list];
}

/*
 * Where the file expects no particular answer anything in 127.0.0.0/8 means listed, but 127.255.255.0/24: there the large lists
 * answer that they do not answer (asked through an open resolver, asked too often), for every address there is.
 */
static bool is_listed(const struct ip *address)
{
    static const struct ip loopback = {IP_V4, {127}}, refused = {IP_V4, {127, 255, 255}};
    return ip_in(address, &loopback, 8) && !ip_in(address, &refused, 24);
}

bool policy_dnsbl_matches(const struct policy *p, size_t list, const struct ip *addresses, size_t n)
{
    const struct conf_dnsbl *dnsbl = dnsbl_of(p, list);
    for (size_t i = 0; i < n; i++) {
        if (dnsbl->n_answers == 0 && is_listed(&addresses[i]))
            return true;
        for (size_t k = 0; k < dnsbl->n_answers; k++)
            if (ip_in(&addresses[i], &dnsbl->answers[k], dnsbl->bits[k]))
                return true;
    }
    return false;
}

void policy_dnsbl_name(const struct policy *p, size_t list, const struct ip *client, struct buf *out)
{
    format_put_reversed(client, out);
    buf_put_byte(out, '.');
    buf_put_cstr(out, dnsbl_of(p, list)->zone);
}
