/* take.c - a record that comes from elsewhere beside what is known here. */
#include "grey/take.h"

#include <string.h>

static void own_key(const struct ip *addr, enum grey_own which, struct grey_key *out)
{
    struct ip client = ip_client(addr);
    grey_client_address(&client, 128, out->client);
    grey_tail_own(which, out->tail);
}

void grey_record_client_key(const struct grey_record *r, struct grey_key *out)
{
    own_key(&r->addr, GREY_OWN_CLIENT, out);
}

void grey_record_key(const struct grey_secret *secret, const struct grey_record *r, unsigned addr_bits, struct grey_key *out)
{
    if (r->domain.ptr)
        grey_client_domain(secret, r->domain, out->client);
    else
        grey_client_address(&r->addr, addr_bits, out->client);
    switch (r->type) {
    case GREY_RECORD_TUPLE:
        grey_tail_tuple(secret, r->sender, r->recipient, out->tail);
        break;
    case GREY_RECORD_PAIR:
        grey_tail_pair(secret, r->sender, out->tail);
        break;
    case GREY_RECORD_NETWORK:
        grey_client_network(&r->addr, out->client);
        grey_tail_network(secret, r->sender, out->tail);
        break;
    case GREY_RECORD_LAZY:
        grey_tail_own(GREY_OWN_LAZY, out->tail);
        break;
    case GREY_RECORD_CLIENT:
        own_key(&r->addr, GREY_OWN_CLIENT, out);
        break;
    case GREY_RECORD_SHARED:
        own_key(&r->addr, GREY_OWN_SHARED, out);
        break;
    case GREY_RECORD_PROOF:
        grey_tail_own(GREY_OWN_PROOF, out->tail);
        break;
    }
}

bool grey_record_is_same(const struct grey_record *a, const struct grey_record *b)
{
    return a->type == b->type && slice_eq(a->domain, b->domain) && slice_eq(a->sender, b->sender) &&
           (a->type == GREY_RECORD_PROOF ||
            slice_eq(a->recipient, b->recipient)); /* a proof's is no key: the newer one counts */
}

enum grey_taken grey_take_in(struct grey_record *record, const struct grey_record *there, const struct grey_record *client)
{
    if (!there || !grey_record_is_same(there, record))
        return GREY_TAKEN_ADDED;
    struct grey_record merged = *there;
    if (client) /* alone it is no news: it is written with the next use */
        (void)grey_record_settle(&merged, client->auto_since);
    bool changed = grey_record_merge(&merged, record);
    merged.domain = record->domain;
    merged.sender = record->sender;
    changed |= !slice_eq(merged.recipient, record->recipient);
    merged.recipient = record->recipient;
    *record = merged;
    return changed ? GREY_TAKEN_CHANGED : GREY_TAKEN_KNOWN;
}

bool grey_record_lazy(const struct grey_record *r, struct grey_record *out)
{
    if (r->type != GREY_RECORD_TUPLE || !r->is_auto)
        return false;
    *out = *r;
    out->type = GREY_RECORD_LAZY;
    out->domain = out->sender = out->recipient = SLICE_NONE;
    return true;
}
