/*
 * dns.c - any bytes as the answer to one of three questions, and through the cache to who asked; or as a name to ask for. The
 * first byte chooses.
 */
#include "fetch/dns/answer.h"
#include "fetch/dns/cache.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* What is taken as a name comes back as it was, but for case and one dot. */
static void name_run(struct slice text)
{
    struct dns_key key;
    char again[DNS_TEXT_MAX];
    size_t len;
    if (dns_key_name(DNS_A, text, &key) != ERR_NONE)
        return;
    check(key.len >= 3 && key.wire[key.len - 1] == 0);
    check(dns_wire_text(key.wire, again, &len) == ERR_NONE);
    check(len == text.len || len + 1 == text.len);
    check(slice_eq_nocase(slice_of(again, len), slice_upto(text, len)));
    struct slice rest = slice_of(again, len);
    bool local = slice_has_suffix_nocase(rest, SLICE_LIT(".localhost")) || slice_eq_nocase(rest, SLICE_LIT("localhost"));
    check(dns_key_is_localhost(&key) == local);
}

static void answer_check(const struct dns_key *key, const struct dns_answer *a)
{
    check(a->n_addresses <= DNS_ADDRESSES_MAX && a->name_len < DNS_TEXT_MAX);
    check(a->ttl_sec <= INT32_MAX || !a->has_ttl);
    if (a->status == DNS_FOUND)
        check(a->has_ttl && (key->type == DNS_PTR ? a->name_len > 0 : a->n_addresses > 0));
    else
        check(a->n_addresses == 0 && a->name_len == 0);
    struct dns_key again;
    if (a->name_len > 0)
        check(dns_key_name(DNS_A, slice_of(a->name, a->name_len), &again) == ERR_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_PTR};
    static const struct siphash_key secret = {{0}};
    if (size == 0)
        return 0;
    if (data[0] % 4 == 3) {
        name_run(slice_of(data + 1, size - 1));
        return 0;
    }
    struct dns_key key;
    struct dns_answer a;
    struct ip client = {IP_V4, {192, 0, 2, 7}};
    enum dns_type type = types[data[0] % 4];
    check((type == DNS_PTR ? dns_key_reverse(&client, &key) : dns_key_name(type, SLICE_LIT("www.example"), &key)) ==
          ERR_NONE);
    dns_answer_read(&key, slice_of(data + 1, size - 1), &a);
    answer_check(&key, &a);

    struct dns_limits limits = {.deadline_ms = 8000, .in_flight_max = 1, .cache_max = 1, .ttl_max_sec = 3600};
    struct dns_cache *c = dns_cache_new(&limits, secret);
    struct dns_query *q;
    struct event e;
    check(dns_cache_ask(c, &key, 1, 1, (struct mono){0}, &q) == DNS_ASKED_SEND);
    dns_cache_answer(c, q, &a, (struct mono){0});
    check(dns_cache_take(c, &e) && e.u.dns.status == a.status && e.u.dns.n_addresses == a.n_addresses);
    check(a.n_addresses == 0 || memcmp(e.u.dns.addresses, a.addresses, a.n_addresses * sizeof(a.addresses[0])) == 0);
    check(slice_eq(e.u.dns.name, slice_of(a.name, a.name_len)));
    dns_cache_free(c);
    return 0;
}
