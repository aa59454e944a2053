/*
 * ipset.c - a set of networks. Knows addresses and masks, not what they stand for.
 *
 * The networks are sorted by family, prefix length and address, so that each length is one run. A question costs a binary
 * search for each length that occurs: at most 33 (129) of them, whatever the number of networks.
 */
#include "policy/ipset.h"

#include "base/mem.h"

#include <stdlib.h>

struct ipset_group {
    uint8_t family, bits;
    size_t from, to; /* into nets */
};

void ipset_add(struct ipset *s, const struct ip *net, unsigned bits)
{
    unsigned width = ip_width_bits(net);
    if (bits > width)
        bits = width;
    s->nets = mem_grow(s->nets, &s->cap, s->count + 1, sizeof(*s->nets));
    s->nets[s->count++] = (struct ipset_net){ip_mask(net, bits), (uint8_t)bits};
}

static int cmp_net(const void *a, const void *b)
{
    const struct ipset_net *x = a, *y = b;
    if (x->net.family != y->net.family)
        return x->net.family < y->net.family ? -1 : 1;
    if (x->bits != y->bits)
        return x->bits < y->bits ? -1 : 1;
    return ip_cmp(&x->net, &y->net);
}

void ipset_seal(struct ipset *s)
{
    if (s->count == 0)
        return;
    qsort(s->nets, s->count, sizeof(*s->nets), cmp_net);
    size_t kept = 1;
    for (size_t i = 1; i < s->count; i++)
        if (cmp_net(&s->nets[i], &s->nets[kept - 1]) != 0)
            s->nets[kept++] = s->nets[i];
    s->count = kept;

    size_t cap = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct ipset_net *n = &s->nets[i];
        struct ipset_group *g = s->n_groups ? &s->groups[s->n_groups - 1] : NULL;
        if (!g || g->family != n->net.family || g->bits != n->bits) {
            s->groups = mem_grow(s->groups, &cap, s->n_groups + 1, sizeof(*s->groups));
            g = &s->groups[s->n_groups++];
            *g = (struct ipset_group){n->net.family, n->bits, i, i};
        }
        g->to = i + 1;
    }
}

bool ipset_has(const struct ipset *s, const struct ip *ip)
{
    for (size_t g = 0; g < s->n_groups; g++) {
        const struct ipset_group *group = &s->groups[g];
        if (group->family != ip->family || ip->family == IP_NONE)
            continue;
        struct ip masked = ip_mask(ip, group->bits);
        size_t low = group->from, high = group->to;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            int c = ip_cmp(&s->nets[middle].net, &masked);
            if (c == 0)
                return true;
            if (c < 0)
                low = middle + 1;
            else
                high = middle;
        }
    }
    return false;
}

void ipset_fini(struct ipset *s)
{
    free(s->nets);
    free(s->groups);
    *s = (struct ipset){0};
}
