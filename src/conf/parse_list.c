/* parse_list.c - list, and s25r whitelist and blacklist; what other statements share of braces, items and names. */
#include "base/mem.h"
#include "conf/parse.h"

#include <stdlib.h>
#include <string.h>

bool parse_open_brace(struct parser *p)
{
    struct token t = parse_peek(p, 0);
    if (!parse_take(p, '{'))
        return parse_unexpected(p, &t, "the brace stands on the line of its statement", "`{`");
    p->in_braces = true;
    return true;
}

bool parse_close_statement(struct parser *p)
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

void parse_skip_item(struct parser *p, unsigned mode)
{
    struct token t = parse_peek(p, mode);
    struct slice chunk = lex_chunk(&p->lx, &t);
    p->lx.place = t.start;
    p->lx.place.at += chunk.len > t.raw.len ? chunk.len : t.raw.len;
    p->has_token = false;
}

/* ---- names ---- */

void parse_remember_bad(struct parser *p, const char *statement, struct slice name)
{
    *(struct parse_bad *)parse_push(&p->bad_names, sizeof(struct parse_bad)) =
        (struct parse_bad){statement, arena_slice(&p->c->arena, name)};
}

bool parse_is_bad(const struct parser *p, const char *statement, struct slice name)
{
    const struct parse_bad *bad = p->bad_names.items;
    for (size_t i = 0; i < p->bad_names.count; i++)
        if (strcmp(bad[i].statement, statement) == 0 && slice_eq(bad[i].name, name))
            return true;
    return false;
}

const struct conf_list *parse_list_name(struct parser *p, bool *bad)
{
    struct token name;
    *bad = false;
    if (!parse_string(p, "the list's name in quotes", &name))
        return NULL;
    struct conf_list *const *lists = p->lists.items;
    for (size_t i = 0; i < p->lists.count; i++)
        if (slice_eq_cstr(name.text, lists[i]->name))
            return lists[i];
    *bad = parse_is_bad(p, "list", name.text);
    if (*bad)
        return NULL;
    const char **names = mem_alloc((p->lists.count + 1) * sizeof(*names));
    for (size_t i = 0; i < p->lists.count; i++)
        names[i] = lists[i]->name;
    const char *near = diag_suggest(name.text, names, p->lists.count);
    free(names);
    (void)parse_fail(p, name.where,
                     near ? parse_text(p, "did you mean \"%s\"?", near) : "a list must stand before the lines that use it",
                     "there is no list \"%.*s\" above", SLICE_ARG(slice_upto(name.text, 60)));
    return NULL;
}

/* ---- list ---- */

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

bool parse_items(struct parser *p, const struct token *word, enum conf_item_kind kind, struct parse_vec *to, bool *all_good)
{
    unsigned mode = kind == CONF_ITEM_FROM || kind == CONF_ITEM_RCPT ? (unsigned)LEX_EMAIL : 0;
    *all_good = true;
    for (;;) {
        struct token t = parse_peek(p, mode);
        if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '}')
            break;
        if (parse_brace_is_missing(p, &t, word))
            return false;
        struct conf_item item;
        if (t.kind == TOKEN_PUNCT && t.raw.ptr[0] == ',') {
            *all_good = parse_fail(p, t.where, NULL, "items are parted by blanks, not by commas");
            (void)parse_next(p, mode);
        } else if (parse_item(p, kind, &item)) {
            *(struct conf_item *)parse_push(to, sizeof(item)) = item;
        } else {
            *all_good = false;
            parse_skip_item(p, kind == CONF_ITEM_ADDR ? 0 : mode | LEX_REGEX);
        }
    }
    (void)parse_next(p, mode);
    return true;
}

static bool list_items(struct parser *p, const struct token *word, enum conf_item_kind kind)
{
    bool all_good;
    if (!parse_items(p, word, kind, &p->items, &all_good))
        return false;
    if (all_good && p->items.count == 0)
        (void)parse_fail(p, word->where, NULL, "a list needs at least one item");
    return true;
}

static bool parse_list_body(struct parser *p, const struct token *word, const struct token *name)
{
    struct token type = parse_peek(p, 0);
    if (type.kind != TOKEN_WORD)
        return parse_unexpected(p, &type, NULL, "the list's type: addr, domain, from, rcpt or helo");
    enum conf_item_kind kind = parse_kind(type.text);
    if (kind == CONF_ITEM_MAX_)
        return parse_unknown(p, &type, NAMES_LIST, "type of list");
    (void)parse_next(p, 0);
    (void)parse_take(p, ':');
    if (!parse_open_brace(p) || !list_items(p, word, kind))
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
        return parse_close_statement(p);
    parse_remember_bad(p, "list", name.text);
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
    if (!parse_open_brace(p))
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
            parse_skip_item(p, LEX_REGEX);
    }
    (void)parse_next(p, LEX_REGEX);
    *(white ? &p->c->s25r_white_where : &p->c->s25r_black_where) = word->where;
    return parse_close_statement(p);
}
