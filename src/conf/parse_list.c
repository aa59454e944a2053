/* parse_list.c - list, and s25r whitelist and blacklist: what stands in braces, item after item. */
#include "base/mem.h"
#include "conf/parse.h"

#include <string.h>

static bool open_brace(struct parser *p)
{
    struct token t = parse_peek(p, 0);
    if (!parse_take(p, '{'))
        return parse_unexpected(p, &t, "the brace stands on the line of its statement", "`{`");
    p->in_braces = true;
    return true;
}

/* After the closing brace. */
static bool close_statement(struct parser *p)
{
    p->in_braces = false;
    p->has_token = false;
    return parse_end(p, NULL);
}

bool parse_brace_is_missing(struct parser *p, const struct token *t, const struct token *word)
{
    if (t->kind != TOKEN_END && !(t->kind == TOKEN_WORD && t->is_first && names_is_statement(t->text)))
        return false;
    (void)parse_fail(p, word->where,
                     t->kind == TOKEN_END ? "its closing brace is missing"
                                          : parse_text(p, "the brace should have been closed before line %u, \"%.*s\"",
                                                       t->where.line, SLICE_ARG(slice_upto(t->text, 60))),
                     "the braces of this statement are not closed");
    p->has_resume = true;
    p->resume = t->start;
    return true;
}

/* Go behind an item that could not be read, so that the others still are. */
static void skip_item(struct parser *p, unsigned mode)
{
    struct token t = parse_peek(p, mode);
    struct slice chunk = lex_chunk(&p->lx, &t);
    p->lx.place = t.start;
    p->lx.place.at += chunk.len > t.raw.len ? chunk.len : t.raw.len;
    p->has_token = false;
}

static bool list_name(struct parser *p, struct token *name)
{
    if (!parse_string(p, "the list's name in quotes", name))
        return false;
    for (size_t i = 0; i < p->lists.count; i++) {
        const struct conf_list *l = ((struct conf_list **)p->lists.items)[i];
        if (slice_eq_cstr(name->text, l->name))
            return parse_fail(p, name->where, NULL, "there is a list \"%s\" already, in %s:%u", l->name, l->where.file,
                              l->where.line);
    }
    return true;
}

static bool list_items(struct parser *p, const struct token *word, enum conf_clause_kind kind)
{
    bool all_good = true;
    unsigned mode = kind == CONF_CLAUSE_FROM || kind == CONF_CLAUSE_RCPT ? (unsigned)LEX_EMAIL : 0;
    for (;;) {
        struct token t = parse_peek(p, mode);
        if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '}')
            break;
        if (parse_brace_is_missing(p, &t, word))
            return false;
        struct conf_item item;
        if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == ',') {
            all_good = parse_fail(p, t.where, NULL, "items are parted by blanks, not by commas");
            (void)parse_next(p, mode);
        } else if (parse_item(p, kind, &item)) {
            *(struct conf_item *)parse_push(&p->items, sizeof(item)) = item;
        } else {
            all_good = false;
            skip_item(p, kind == CONF_CLAUSE_ADDR ? 0 : mode | LEX_REGEX);
        }
    }
    (void)parse_next(p, mode);
    if (all_good && p->items.count == 0)
        (void)parse_fail(p, word->where, NULL, "a list needs at least one item");
    return true;
}

static bool parse_list_body(struct parser *p, const struct token *word, const struct token *name)
{
    struct token type = parse_peek(p, 0);
    if (type.kind != TOKEN_WORD)
        return parse_unexpected(p, &type, NULL, "the list's type: addr, domain, from, rcpt or helo");
    enum conf_clause_kind kind = parse_kind(type.text);
    if (kind == CONF_CLAUSE_MAX_)
        return parse_unknown(p, &type, NAMES_LIST, "type of list");
    (void)parse_next(p, 0);
    (void)parse_take(p, ':');
    if (!open_brace(p) || !list_items(p, word, kind))
        return false;
    struct conf_list *list = arena_zalloc(&p->c->arena, sizeof(*list));
    *list = (struct conf_list){.name = arena_cstr(&p->c->arena, name->text), .kind = kind, .where = word->where};
    list->items = parse_keep(p, &p->items, sizeof(*list->items));
    list->n_items = p->items.count;
    *(struct conf_list **)parse_push(&p->lists, sizeof(list)) = list;
    return true;
}

bool parse_list(struct parser *p, const struct token *word)
{
    struct token name;
    p->items.count = 0;
    if (!list_name(p, &name))
        return false;
    if (parse_list_body(p, word, &name))
        return close_statement(p);
    *(struct slice *)parse_push(&p->bad_lists, sizeof(struct slice)) = arena_slice(&p->c->arena, name.text);
    return false;
}

/* ---- s25r ---- */

static bool s25r_entry(struct parser *p, struct conf_s25r_entry *out)
{
    struct token t = parse_peek(p, LEX_REGEX);
    *out = (struct conf_s25r_entry){.where = t.where};
    if (t.kind == TOKEN_REGEX) {
        out->is_regex = true;
        out->regex = parse_regex(p, &t);
    } else if (t.kind == TOKEN_STRING && t.text.len) {
        out->text = arena_slice(&p->c->arena, t.text);
    } else {
        return parse_unexpected(p, &t, "a suffix is written \".example.org\", a whole name \"mail.example.org\"",
                                "a name in quotes or a /regular expression/");
    }
    (void)parse_next(p, LEX_REGEX);
    return true;
}

bool parse_s25r(struct parser *p, const struct token *word)
{
    static const char *const which[] = {"whitelist", "blacklist"};
    struct token t = parse_peek(p, 0);
    bool white = parse_take_word(p, "whitelist");
    if (!white && !parse_take_word(p, "blacklist")) {
        const char *near = t.kind == TOKEN_WORD ? diag_suggest(t.text, which, COUNT_OF(which)) : NULL;
        return parse_unexpected(p, &t, near ? parse_text(p, "did you mean \"%s\"?", near) : NULL, "whitelist or blacklist");
    }
    struct parse_vec *entries = white ? &p->white : &p->black;
    bool add = parse_take_word(p, "add");
    if (!open_brace(p))
        return false;
    if (!add)
        entries->count = 0;
    for (;;) {
        t = parse_peek(p, LEX_REGEX);
        if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '}')
            break;
        if (parse_brace_is_missing(p, &t, word))
            return false;
        struct conf_s25r_entry entry;
        if (s25r_entry(p, &entry))
            *(struct conf_s25r_entry *)parse_push(entries, sizeof(entry)) = entry;
        else
            skip_item(p, LEX_REGEX);
    }
    (void)parse_next(p, LEX_REGEX);
    *(white ? &p->c->s25r_white_where : &p->c->s25r_black_where) = word->where;
    return close_statement(p);
}
