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
 * 127.255.255.0/24 is where the large lists answer that they do not answer (asked through an open resolver, asked too often), for
 * every address there is: as an answer it counts only where the file names it, not as a part of 127.0.0.0/8.
 */
static bool is_expected(const struct ip *address, const struct ip *answer, unsigned bits)
{
    static const struct ip refused = {IP_V4, {127, 255, 255}};
    return ip_in(address, answer, bits) && (bits >= 24 || !ip_in(address, &refused, 24));
}

bool policy_dnsbl_matches(const struct policy *p, size_t list, const struct ip *addresses, size_t n)
{
    const struct conf_dnsbl *dnsbl = dnsbl_of(p, list);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < dnsbl->n_answers; k++)
            if (is_expected(&addresses[i], &dnsbl->answers[k], dnsbl->bits[k]))
                return true;
    return false;
}

void policy_dnsbl_name(const struct policy *p, size_t list, const struct ip *client, struct buf *out)
{
    format_put_reversed(client, out);
    buf_put_byte(out, '.');
    buf_put_cstr(out, dnsbl_of(p, list)->zone);
}
