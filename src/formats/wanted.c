/* wanted.c - which records count for a mail, as words. */
#include "formats/wanted.h"

static struct slice word(struct arena *arena, const char *name, struct slice value)
{
    return slice_cstr(arena_printf(arena, "%s=%.*s", name, SLICE_ARG(value)));
}

size_t wanted_put(const struct wanted *w, struct arena *arena, struct slice words[WANTED_WORDS_MAX])
{
    char address[IP_TEXT_MAX];
    size_t n = 0;
    words[n++] = slice_cstr(arena_printf(arena, "client=%s/%u", ip_format(&w->tuple.addr, address), w->tuple.addr_bits));
    words[n++] = word(arena, "sender", w->tuple.sender);
    words[n++] = word(arena, "recipient", w->tuple.recipient);
    if (w->tuple.client_domain.ptr)
        words[n++] = word(arena, "domain", w->tuple.client_domain);
    if (w->pairs)
        words[n++] = SLICE_LIT("pairs");
    if (w->lazy)
        words[n++] = SLICE_LIT("lazy");
    if (w->helo_domain.ptr)
        words[n++] = word(arena, "helo", w->helo_domain);
    return n;
}

static bool take_client(struct slice value, struct grey_tuple *t)
{
    struct slice bits = value, address = slice_cut(&bits, '/');
    uint64_t n;
    if (ip_parse(address, &t->addr) != ERR_NONE || !bits.ptr || slice_to_u64(bits, &n) != ERR_NONE ||
        n > ip_width_bits(&t->addr))
        return false;
    t->addr_bits = (unsigned)n;
    return true;
}

enum err wanted_take(const struct slice *words, size_t n, struct wanted *out, const char **why)
{
    *out = (struct wanted){.helo_domain = SLICE_NONE};
    for (size_t i = 0; i < n; i++) {
        struct slice value = words[i], name = slice_cut(&value, '=');
        bool ok = true;
        if (slice_eq_cstr(name, "client"))
            ok = take_client(value, &out->tuple);
        else if (slice_eq_cstr(name, "sender"))
            out->tuple.sender = value;
        else if (slice_eq_cstr(name, "recipient"))
            out->tuple.recipient = value;
        else if (slice_eq_cstr(name, "domain"))
            out->tuple.client_domain = value;
        else if (slice_eq_cstr(name, "helo"))
            out->helo_domain = value;
        else if (slice_eq_cstr(words[i], "pairs"))
            out->pairs = true;
        else if (slice_eq_cstr(words[i], "lazy"))
            out->lazy = true;
        else
            ok = false;
        *why = "a word is none of client=ADDRESS/BITS, sender=, recipient=, domain=, helo=, pairs and lazy";
        if (!ok)
            return ERR_SYNTAX;
    }
    *why = "client=, sender= and recipient= must be there";
    return out->tuple.addr.family != IP_NONE && out->tuple.sender.ptr && out->tuple.recipient.ptr ? ERR_NONE : ERR_SYNTAX;
}

size_t wanted_requests(const struct wanted *w, struct wall now, struct grey_request out[WANTED_REQUESTS_MAX])
{
    out[0] = (struct grey_request){.kind = GREY_LOOK, .tuple = w->tuple, .now = now, .pairs = w->pairs, .lazy = w->lazy};
    if (!w->helo_domain.ptr)
        return 1;
    out[1] = (struct grey_request){.kind = GREY_PROVE, .now = now};
    out[1].tuple = (struct grey_tuple){
        .addr = w->tuple.addr, .client_domain = w->helo_domain, .sender = SLICE_LIT(""), .recipient = SLICE_LIT("")};
    return 2;
}
