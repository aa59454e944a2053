/* parse_value.c - numbers, times, words, and what clauses and lists are made of. */
#include "base/mem.h"
#include "conf/parse.h"

#include <string.h>

/* ---- numbers ---- */

static struct token value_token(struct parser *p)
{
    (void)parse_take(p, ':');
    return parse_peek(p, 0);
}

static bool take_word(struct parser *p, const struct token *t, const struct setting_word *words, int64_t *out)
{
    for (; words && words->word; words++)
        if (t->kind == TOKEN_WORD && slice_eq_nocase(t->text, slice_cstr(words->word))) {
            (void)parse_next(p, 0);
            *out = words->value;
            return true;
        }
    return false;
}

/* "-12ab" as -12 and "ab"; a number that does not fit comes out as the largest. */
static bool split_number(struct slice text, int64_t *n, struct slice *unit)
{
    size_t i = slice_has_prefix(text, "-"), first = i;
    uint64_t value = 0;
    while (i < text.len && ascii_is_digit(text.ptr[i]))
        i++;
    if (i == first)
        return false;
    if (slice_to_u64(slice_from(slice_upto(text, i), first), &value) || value > INT64_MAX)
        value = INT64_MAX;
    *n = first ? -(int64_t)value : (int64_t)value;
    *unit = slice_from(text, i);
    return true;
}

static int64_t scale(int64_t n, int64_t by)
{
    if (n > INT64_MAX / by)
        return INT64_MAX;
    return n < INT64_MIN / by ? INT64_MIN : n * by;
}

static void put_bound(enum setting_type type, int64_t value, struct buf *out)
{
    const struct setting row = {.type = type};
    settings_put_value(&row, value, out);
}

static bool in_bounds(struct parser *p, const struct token *t, const char *name, enum setting_type type, int64_t value,
                      int64_t min, int64_t max)
{
    if (value >= min && value <= max)
        return true;
    struct buf bounds = {0};
    put_bound(type, min, &bounds);
    buf_put_cstr(&bounds, " to ");
    put_bound(type, max, &bounds);
    (void)parse_fail(p, t->where, NULL, "%.*s is out of bounds: %s takes %s", SLICE_ARG(slice_upto(t->raw, 60)), name,
                     buf_cstr(&bounds));
    buf_fini(&bounds);
    return false;
}

/* The end of every number: within its bounds, and the token behind us. */
static bool take_number(struct parser *p, const struct token *t, const char *name, enum setting_type type, int64_t n,
                        int64_t min, int64_t max, int64_t *out)
{
    if (!in_bounds(p, t, name, type, n, min, max))
        return false;
    (void)parse_next(p, 0);
    *out = n;
    return true;
}

static const char *words_text(struct parser *p, const char *first, const struct setting_word *words)
{
    struct buf text = {0};
    buf_put_cstr(&text, first);
    for (; words && words->word; words++)
        buf_printf(&text, "%s%s", text.len == 0 ? "" : words[1].word ? ", " : " or ", words->word);
    const char *kept = arena_cstr(&p->diags->arena, buf_slice(&text));
    buf_fini(&text);
    return kept;
}

/* Seconds in a unit of greylist.conf; its numbers without unit know k and M too. 0: no such unit. */
static int64_t unit_sec(struct slice unit, bool needs_unit)
{
    static const struct {
        const char *unit;
        int64_t sec;
        bool is_time;
    } units[] = {{"s", 1, true},      {"m", 60, true}, {"h", 3600, true},  {"d", 86400, true},
                 {"w", 604800, true}, {"", 1, false},  {"k", 1024, false}, {"M", 1048576, false}};
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (slice_eq_cstr(unit, units[i].unit) && (units[i].is_time || !needs_unit))
            return units[i].sec;
    return 0;
}

bool parse_time(struct parser *p, const char *name, const struct setting_word *words, int64_t min, int64_t max,
                bool needs_unit, int64_t *out)
{
    struct token t = value_token(p);
    struct slice unit;
    int64_t n = 0;
    if (take_word(p, &t, words, out))
        return true;
    if (t.kind != TOKEN_WORD || !split_number(t.text, &n, &unit))
        return parse_unexpected(p, &t, "times are written 125s, 30m, 12h, 5d or 1w", words_text(p, "a time", words));
    int64_t sec = unit_sec(unit, needs_unit && n != -1);
    if (sec == 0 && unit.len == 0)
        return parse_fail(p, t.where, parse_text(p, "write `%s %.*ss` for seconds", name, SLICE_ARG(slice_upto(t.text, 20))),
                          "a time without a unit");
    if (sec == 0)
        return parse_fail(p, t.where, "the units are s, m, h, d and w, and one time has one of them",
                          "\"%.*s\" is no unit of time", SLICE_ARG(slice_upto(unit, 60)));
    n = scale(n, sec);
    return take_number(p, &t, name, SETTING_TIME, n, min, max, out);
}

bool parse_ms(struct parser *p, const char *name, int64_t min, int64_t max, int64_t *out)
{
    struct token t = value_token(p);
    struct slice unit;
    int64_t n = 0;
    if (t.kind != TOKEN_WORD || !split_number(t.text, &n, &unit))
        return parse_unexpected(p, &t, "it is written like 5ms", "a time in milliseconds");
    if (!slice_eq_cstr(unit, "ms") && (n != 0 || unit.len))
        return parse_fail(p, t.where, "it is written like 5ms", "%s is a time in milliseconds", name);
    return take_number(p, &t, name, SETTING_MS, n, min, max, out);
}

bool parse_number(struct parser *p, const char *name, const struct setting_word *words, int64_t min, int64_t max,
                  int64_t *out)
{
    struct token t = value_token(p);
    struct slice unit;
    int64_t n = 0;
    if (take_word(p, &t, words, out))
        return true;
    if (t.kind != TOKEN_WORD || !split_number(t.text, &n, &unit))
        return parse_unexpected(p, &t, NULL, words_text(p, "a number", words));
    if (slice_eq_cstr(unit, "k"))
        n = scale(n, 1024);
    else if (slice_eq_cstr(unit, "M"))
        n = scale(n, 1048576);
    else if (unit.len)
        return parse_fail(p, t.where, "numbers are written 1000, 4k (4096) or 1M (1048576)", "\"%.*s\" is no number",
                          SLICE_ARG(slice_upto(t.text, 60)));
    return take_number(p, &t, name, SETTING_NUMBER, n, min, max, out);
}

static bool cidr_value(struct parser *p, const struct token *t, const char *name, int64_t min, int64_t max, int64_t *out)
{
    struct slice unit;
    int64_t n = INT64_MAX;
    (void)split_number(t->text, &n, &unit);
    if (!in_bounds(p, t, name, SETTING_BITS, n, min, max))
        return false;
    *out = n;
    return true;
}

bool parse_bits(struct parser *p, const char *name, int64_t max, int64_t *out)
{
    struct token t = value_token(p);
    if (t.kind != TOKEN_CIDR)
        return parse_unexpected(p, &t, parse_text(p, "it is written like `%s /%d`", name, max == 32 ? 24 : 64),
                                "a number of bits");
    if (!cidr_value(p, &t, name, 0, max, out))
        return false;
    (void)parse_next(p, 0);
    return true;
}

bool parse_choice(struct parser *p, const char *name, const struct setting_word *words, int64_t *out)
{
    struct token t = value_token(p);
    if (take_word(p, &t, words, out))
        return true;
    const char *choices[16];
    size_t n = 0;
    for (; words[n].word && n < COUNT_OF(choices); n++)
        choices[n] = words[n].word;
    const char *near = t.kind == TOKEN_WORD ? diag_suggest(t.text, choices, n) : NULL;
    return parse_unexpected(p, &t, near ? parse_text(p, "did you mean \"%s\"?", near) : NULL,
                            parse_text(p, "%s for %s", words_text(p, "", words), name));
}

bool parse_octal(struct parser *p, const char *name, int64_t *out)
{
    struct token t = parse_peek(p, 0);
    int64_t mode = 0;
    bool ok = t.kind == TOKEN_WORD && t.text.len >= 3 && t.text.len <= 4;
    for (size_t i = 0; ok && i < t.text.len; i++) {
        ok = t.text.ptr[i] >= '0' && t.text.ptr[i] <= '7';
        mode = mode * 8 + (t.text.ptr[i] - '0');
    }
    if (!ok || mode > 0777)
        return parse_unexpected(p, &t, parse_text(p, "%s is written like 660", name), "permissions in octal");
    (void)parse_next(p, 0);
    *out = mode;
    return true;
}

/* ---- what clauses and lists hold ---- */

static const struct {
    const char *word;
    enum conf_item_kind kind;
} kinds[] = {
    {"addr", CONF_ITEM_ADDR}, {"domain", CONF_ITEM_DOMAIN}, {"from", CONF_ITEM_FROM},
    {"rcpt", CONF_ITEM_RCPT}, {"helo", CONF_ITEM_HELO},
};

enum conf_item_kind parse_kind(struct slice word)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (slice_eq_nocase(word, slice_cstr(kinds[i].word)))
            return kinds[i].kind;
    return CONF_ITEM_MAX_;
}

const char *conf_kind_word(enum conf_item_kind kind)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (kinds[i].kind == kind)
            return kinds[i].word;
    return "?";
}

/*
 * Whether there is a `|` outside of brackets and without a backslash: in a basic regex that is a plain character, which hardly
 * anybody means.
 */
static bool has_plain_bar(struct slice re)
{
    bool in_brackets = false;
    for (size_t i = 0; i < re.len; i++) {
        if (in_brackets)
            in_brackets = re.ptr[i] != ']';
        else if (re.ptr[i] == '[')
            in_brackets = true;
        else if (re.ptr[i] == '\\')
            i++;
        else if (re.ptr[i] == '|')
            return true;
    }
    return false;
}

struct conf_regex parse_regex(struct parser *p, const struct token *t)
{
    if (!p->c->set.extendedregex && has_plain_bar(t->text))
        diags_add(p->diags, DIAG_WARNING, t->where, "write `\\(a\\|b\\)`, or `extendedregex` on a line before this one",
                  "in a basic regular expression `|`, `(` and `)` are plain characters");
    char *source = arena_cstr(&p->c->arena, t->text);
    size_t len = 0;
    for (size_t i = 0; i < t->text.len; i++) {
        if (t->text.ptr[i] == '\\' && i + 1 < t->text.len && t->text.ptr[i + 1] == '/')
            i++;
        source[len++] = t->text.ptr[i];
    }
    source[len] = '\0';
    struct conf_where where = t->where;
    where.column++;
    where.width -= 2;
    return (struct conf_regex){.source = {source, len}, .extended = p->c->set.extendedregex, .where = where};
}

static bool parse_addr(struct parser *p, struct conf_item *out)
{
    struct token t = parse_peek(p, 0);
    if (t.kind != TOKEN_WORD || ip_parse(t.text, &out->net))
        return parse_unexpected(p, &t, "addresses are written 192.0.2.0/24 or 2001:db8::/32", "an IP address");
    (void)parse_next(p, 0);
    bool mapped = out->net.family == IP_V4 && slice_find(t.text, ':') < t.text.len;
    int64_t width = mapped ? 128 : ip_width_bits(&out->net), bits = width;
    struct token cidr = parse_peek(p, 0);
    if (cidr.kind == TOKEN_CIDR) {
        /* a v4-mapped network narrower than the mapping prefix would hold IPv6 and IPv4 addresses */
        if (!cidr_value(p, &cidr, mapped ? "a v4-mapped address" : "addr", mapped ? 96 : 0, width, &bits))
            return false;
        (void)parse_next(p, 0);
    }
    out->bits = (unsigned)(mapped ? bits - 96 : bits);
    out->net = ip_mask(&out->net, out->bits);
    return true;
}

/* What stands behind a `*` without a blank. */
static bool domain_behind_star(struct parser *p, struct token *star, struct token *name)
{
    struct lexer ahead = p->lx;
    ahead.place = star->end;
    *name = lex_next(&ahead, LEX_REGEX);
    if (!p->file)
        return parse_unexpected(p, star, "write .example.org for the names below example.org", "a domain");
    if (name->start.at != star->end.at || (name->kind != TOKEN_WORD && name->kind != TOKEN_STRING))
        return parse_unexpected(p, star, "it is written *example.org, without a blank, for all names that end so",
                                "a domain");
    return true;
}

static bool parse_domain(struct parser *p, const struct token *t, struct conf_item *out)
{
    struct ip ip;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (t->kind != TOKEN_WORD && t->kind != TOKEN_STRING)
        return parse_unexpected(p, t, NULL, "a domain or a /regular expression/");
    if (ip_parse(t->text, &ip) == ERR_NONE)
        return parse_fail(p, t->where, parse_text(p, "did you mean `addr %.*s`?", SLICE_ARG(t->text)),
                          "an address is no domain");
    if (t->text.len == 0 || slice_trim(t->text, letters).len != 0)
        return parse_fail(p, t->where, "letters, digits, dots, hyphens and underscores", "this is no domain name");
    out->text = arena_slice(&p->c->arena, t->text);
    return true;
}

/* example.org or *example.org. Nothing is taken; out->is_end: two tokens are to be. */
static bool parse_domain_item(struct parser *p, struct token *t, struct conf_item *out)
{
    struct token name = *t;
    bool star = t->kind == TOKEN_PUNCT && t->raw.ptr[0] == '*';
    if ((star && !domain_behind_star(p, t, &name)) || !parse_domain(p, &name, out))
        return false;
    out->is_end = star;
    out->where.width += star ? name.where.width : 0;
    out->file = p->file;
    if (p->file)
        parse_note_domain(p, out);
    return true;
}

static bool parse_mail_address(struct parser *p, const struct token *t, struct conf_item *out)
{
    if (t->kind == TOKEN_EMAIL) {
        out->text = arena_slice(&p->c->arena, t->text);
        return true;
    }
    const char *hint = NULL;
    struct slice found = lex_chunk(&p->lx, t);
    if (t->kind == TOKEN_STRING)
        hint = "a mail address stands without quotes";
    else if (t->kind == TOKEN_PUNCT && t->raw.ptr[0] == '<')
        hint = slice_eq_cstr(found, "<>") ? "for the empty sender write /^<>$/"
                                          : "a mail address stands without angle brackets";
    else if (t->kind == TOKEN_WORD)
        hint = parse_text(p, "for all addresses of a domain write a regular expression: /@%.*s>$/", SLICE_ARG(found));
    return parse_unexpected(p, t, hint, "a mail address or a /regular expression/");
}

bool parse_item(struct parser *p, enum conf_item_kind kind, struct conf_item *out)
{
    bool is_address = kind == CONF_ITEM_FROM || kind == CONF_ITEM_RCPT;
    unsigned mode = kind == CONF_ITEM_ADDR ? 0 : is_address ? LEX_REGEX | LEX_EMAIL : LEX_REGEX;
    struct token t = parse_peek(p, mode);
    *out = (struct conf_item){.where = t.where};
    if (kind == CONF_ITEM_ADDR)
        return parse_addr(p, out);
    bool ok = true;
    if (t.kind == TOKEN_REGEX) {
        out->is_regex = true;
        out->regex = parse_regex(p, &t);
    } else if (kind == CONF_ITEM_DOMAIN) {
        ok = parse_domain_item(p, &t, out);
    } else if (is_address) {
        ok = parse_mail_address(p, &t, out);
    } else if (t.kind == TOKEN_STRING) {
        out->text = arena_slice(&p->c->arena, t.text);
    } else {
        struct slice found = lex_chunk(&p->lx, &t);
        ok = parse_unexpected(p, &t,
                              t.kind == TOKEN_WORD ? parse_text(p, "quotes are needed: \"%.*s\"", SLICE_ARG(found)) : NULL,
                              "a string or a /regular expression/");
    }
    if (ok && out->is_end)
        (void)parse_next(p, mode); /* the `*` */
    if (ok)
        (void)parse_next(p, mode);
    return ok;
}
