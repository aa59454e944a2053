/* proof.c - the clients that a domain has proved, as a text. */
#include "grey/proof.h"

#include <inttypes.h>
#include <stdio.h>

struct known {
    struct ip client;
    int64_t used_sec;
};

/* "192.0.2.7@1795485418" */
static bool read_one(struct slice word, struct known *out)
{
    struct slice at = slice_cut(&word, '@');
    uint64_t sec;
    if (ip_parse(at, &out->client) != ERR_NONE || !word.ptr || slice_to_u64(word, &sec) != ERR_NONE || sec > INT64_MAX)
        return false;
    out->used_sec = (int64_t)sec;
    return true;
}

static size_t put_all(const struct known *known, unsigned n, char *out)
{
    size_t len = 0;
    for (unsigned i = 0; i < n; i++) {
        char ip[IP_TEXT_MAX];
        len += (size_t)snprintf(out + len, GREY_PROOF_TEXT_MAX - len, "%s%s@%" PRId64, i > 0 ? " " : "",
                                ip_format(&known[i].client, ip), known[i].used_sec);
    }
    return len;
}

enum grey_proof grey_proof_note(struct slice text, const struct ip *addr, struct wall now, bool keep, char *out, size_t *len)
{
    struct known known[GREY_PROOF_CLIENTS], one;
    struct ip client = ip_client(addr);
    unsigned n = 0, mine = GREY_PROOF_CLIENTS;
    while (text.len > 0 && n < GREY_PROOF_CLIENTS) {
        if (!read_one(slice_cut(&text, ' '), &one) || (!keep && now.sec - one.used_sec > GREY_PROOF_LIFE_SEC))
            continue;
        if (ip_eq(&one.client, &client))
            mine = n;
        known[n++] = one;
    }
    bool added = mine == GREY_PROOF_CLIENTS;
    if (added && n == GREY_PROOF_CLIENTS)
        return GREY_PROOF_SPENT;
    if (!added && now.sec - known[mine].used_sec <= GREY_PROOF_LIFE_SEC / 10)
        return GREY_PROOF_KNOWN;
    if (added)
        mine = n++;
    known[mine] = (struct known){client, now.sec > 0 ? now.sec : 0};
    *len = put_all(known, n, out);
    return added ? GREY_PROOF_ADDED : GREY_PROOF_USED;
}
