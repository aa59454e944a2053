/* parse_network.c - what conditions know of the world: DNS lists, which networks are ours, whose senders are trusted. */
#include "base/mem.h"
#include "conf/parse.h"

#include <string.h>

/* ---- dnsrbl "name" zone answer[/bits] … ---- */

/* RFC 1035 2.3.4, less the 64 bytes that a reversed IPv6 address takes in front of the zone. */
enum { ZONE_MAX_BYTES = 253 - 64, LABEL_MAX_BYTES = 63 };

static bool parse_zone(struct parser *p, const char **out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    struct token t = parse_peek(p, 0);
    struct ip ip;
    if ((t.kind != TOKEN_WORD && t.kind != TOKEN_STRING) || ip_parse(t.text, &ip) == ERR_NONE)
        return parse_unexpected(p, &t, "it is written: dnsrbl \"name\" zen.spamhaus.org 127.0.0.0/8",
                                "the zone of a DNS list");
    struct slice zone = t.text, rest;
    if (zone.len && zone.ptr[zone.len - 1] == '.')
        zone.len--;
    bool ok = zone.len > 0 && zone.len <= ZONE_MAX_BYTES && slice_trim(zone, letters).len == 0;
    for (rest = zone; ok && rest.ptr;) {
        struct slice label = slice_cut(&rest, '.');
        ok = label.len > 0 && label.len <= LABEL_MAX_BYTES;
    }
    if (!ok)
        return parse_fail(p, t.where, NULL, "this is no zone of a DNS list");
    (void)parse_next(p, 0);
    *out = arena_cstr(&p->c->arena, zone);
    return true;
}

static bool parse_answers(struct parser *p, struct conf_dnsbl *d)
{
    p->items.count = 0;
    for (;;) {
        struct token t = parse_peek(p, 0);
        struct conf_item item;
        if (t.kind == TOKEN_NEWLINE || t.kind == TOKEN_END)
            break;
        if (!parse_item(p, CONF_ITEM_ADDR, &item))
            return false;
        if (item.net.family != IP_V4)
            return parse_fail(p, t.where, "it is one of 127.0.0.0/8", "a DNS list answers with IPv4 addresses");
        *(struct conf_item *)parse_push(&p->items, sizeof(item)) = item;
    }
    if (p->items.count == 0) { /* RFC 5782 2.1: all that a list may answer */
        struct conf_item *all = parse_push(&p->items, sizeof(*all));
        all->net = (struct ip){.family = IP_V4, .bytes = {127}};
        all->bits = 8;
    }
    d->n_answers = p->items.count;
    d->answers = arena_alloc(&p->c->arena, d->n_answers * sizeof(*d->answers));
    d->bits = arena_alloc(&p->c->arena, d->n_answers * sizeof(*d->bits));
    for (size_t i = 0; i < d->n_answers; i++) {
        const struct conf_item *item = &((struct conf_item *)p->items.items)[i];
        d->answers[i] = item->net;
        d->bits[i] = item->bits;
    }
    return true;
}

bool parse_dnsrbl(struct parser *p, const struct token *word)
{
    struct token name;
    struct conf_dnsbl d = {.where = word->where};
    if (!parse_string(p, "the name of a DNS list in quotes", &name))
        return false;
    for (size_t i = 0; i < p->dnsbls.count; i++) {
        const struct conf_dnsbl *other = &((struct conf_dnsbl *)p->dnsbls.items)[i];
        if (slice_eq_cstr(name.text, other->name))
            return parse_fail(p, name.where, NULL, "there is a dnsrbl \"%s\" already, in %s:%u", other->name,
                              other->where.file, other->where.line);
    }
    if (p->dnsbls.count >= CONF_DNSBLS_MAX)
        return parse_fail(p, word->where, NULL, "more than %d DNS lists", CONF_DNSBLS_MAX);
    d.name = arena_cstr(&p->c->arena, name.text);
    if (!parse_zone(p, &d.zone) || !parse_answers(p, &d) || !parse_end(p, NULL)) {
        parse_remember_bad(p, "dnsrbl", name.text);
        return false;
    }
    *(struct conf_dnsbl *)parse_push(&p->dnsbls, sizeof(d)) = d;
    return true;
}

/* ---- network local { … }, network remote { … } ---- */

bool parse_network(struct parser *p, const struct token *word)
{
    static const char *const which[] = {"local", "remote"};
    struct token t = parse_peek(p, 0);
    bool good, local = parse_take_word(p, "local");
    if (!local && !parse_take_word(p, "remote")) {
        const char *near = t.kind == TOKEN_WORD ? diag_suggest(t.text, which, COUNT_OF(which)) : NULL;
        return parse_unexpected(p, &t, near ? parse_text(p, "did you mean \"%s\"?", near) : NULL, "local or remote");
    }
    if (!parse_open_brace(p) || !parse_items(p, word, CONF_ITEM_ADDR, local ? &p->local : &p->remote, &good))
        return false;
    *(local ? &p->c->net_local_where : &p->c->net_remote_where) = word->where;
    return parse_close_statement(p);
}

/* ---- trust { domain /regex/ … }, trust file "path" ---- */

/* The first statement replaces what is built in, the others add to it. */
static void begin_trust(struct parser *p, const struct token *word)
{
    if (!p->c->trust_where.file)
        p->trust.count = 0;
    p->c->trust_where = word->where;
}

/* One domain or regex a line. */
static void trust_lines(struct parser *p)
{
    for (;;) {
        struct token t = parse_peek(p, LEX_REGEX);
        struct conf_item item;
        if (t.kind == TOKEN_END)
            return;
        if (t.kind == TOKEN_NEWLINE) {
            (void)parse_next(p, LEX_REGEX);
            continue;
        }
        bool ok = parse_item(p, CONF_ITEM_DOMAIN, &item);
        t = parse_peek(p, LEX_REGEX);
        if (ok && t.kind != TOKEN_NEWLINE && t.kind != TOKEN_END)
            ok = parse_unexpected(p, &t, "one domain a line", "the end of the line");
        if (ok)
            *(struct conf_item *)parse_push(&p->trust, sizeof(item)) = item;
        while (!ok && t.kind != TOKEN_NEWLINE && t.kind != TOKEN_END) {
            (void)parse_next(p, LEX_REGEX);
            t = parse_peek(p, LEX_REGEX);
        }
    }
}

static bool parse_trust_file(struct parser *p, const struct token *word)
{
    struct token t;
    struct slice text;
    if (!parse_string(p, "a file's name in quotes", &t) || !parse_end(p, NULL))
        return false;
    const char *path = parse_path(p, t.text);
    begin_trust(p, word);
    if (!parse_open(p, path, t.where, &text))
        return true; /* said; the statement itself is read to its end */
    struct lexer outer = p->lx;
    lex_init(&p->lx, path, text);
    p->has_token = false;
    trust_lines(p);
    parse_close(p);
    p->lx = outer;
    p->has_token = false;
    return true;
}

static bool trust_statement(struct parser *p, const struct token *word)
{
    bool good;
    if (parse_take_word(p, "file"))
        return parse_trust_file(p, word);
    struct token t = parse_peek(p, 0);
    if (t.kind != TOKEN_PUNCT || t.raw.ptr[0] != '{')
        return parse_unexpected(p, &t, "it is written trust { example.org /regex/ } or trust file \"path\"", "`{` or file");
    begin_trust(p, word);
    return parse_open_brace(p) && parse_items(p, word, CONF_ITEM_DOMAIN, &p->trust, &good) && parse_close_statement(p);
}

/* ---- helo_confirmed except { domain /regex/ … } ---- */

bool parse_helo_confirmed(struct parser *p, const struct token *word)
{
    struct conf_file *file = p->file;
    struct token t = parse_peek(p, 0);
    bool good;
    if (!parse_take_word(p, "except"))
        return parse_unexpected(p, &t, "it is written helo_confirmed except { nip.io ... }", "except");
    if (!p->c->helo_except_where.file) /* the first statement replaces what is built in, the others add to it */
        p->helo_except.count = 0;
    p->c->helo_except_where = word->where;
    p->file = NULL; /* an entry is a domain and what lies below it, whatever domainexact says */
    bool ok =
        parse_open_brace(p) && parse_items(p, word, CONF_ITEM_DOMAIN, &p->helo_except, &good) && parse_close_statement(p);
    p->file = file;
    return ok;
}

bool parse_trust(struct parser *p, const struct token *word)
{
    struct conf_file *file = p->file;
    p->file = NULL; /* an entry is a whole domain, whatever domainexact says */
    bool ok = trust_statement(p, word);
    p->file = file;
    return ok;
}
