/* parse_filter.c - filter blocks and the expressions of `when`. */
#include "base/mem.h"
#include "conf/parse.h"

#include <string.h>

/* ---- expressions: or, and, not, parentheses, names; `not` binds closest ---- */

static const struct conf_expr *parse_or(struct parser *p, unsigned depth);

static bool is_condition(struct slice word)
{
    static const char *const conditions[] = {"s25r", "remote", "authenticated", "unauthenticated"};
    for (size_t i = 0; i < COUNT_OF(conditions); i++)
        if (slice_eq_nocase(word, slice_cstr(conditions[i])))
            return true;
    return false;
}

static struct conf_expr *new_expr(struct parser *p, enum conf_expr_op op, struct conf_where where)
{
    struct conf_expr *e = arena_zalloc(&p->c->arena, sizeof(*e));
    e->op = op;
    e->where = where;
    return e;
}

static const struct conf_expr *parse_name(struct parser *p, const struct token *t)
{
    if (t->kind != TOKEN_WORD) {
        bool c_like = t->kind == TOKEN_PUNCT && strchr("&|!", t->raw.ptr[0]);
        (void)parse_unexpected(p, t, c_like ? "the words are `and`, `or` and `not`" : NULL, "a condition");
        return NULL;
    }
    if (!is_condition(t->text)) {
        (void)parse_unknown(p, t, NAMES_CONDITION, "condition");
        return NULL;
    }
    if (p->expr_names++ >= PARSE_EXPR_NAMES_MAX) {
        (void)parse_fail(p, t->where, NULL, "more than %d conditions in one expression", PARSE_EXPR_NAMES_MAX);
        return NULL;
    }
    (void)parse_next(p, 0);
    struct conf_expr *e = new_expr(p, CONF_EXPR_TERM, t->where);
    char *name = arena_cstr(&p->c->arena, t->text);
    for (char *s = name; *s; s++)
        *s = ascii_lower(*s);
    e->name = name;
    return e;
}

static const struct conf_expr *parse_primary(struct parser *p, unsigned depth)
{
    struct token t = parse_peek(p, 0);
    if (depth > PARSE_EXPR_DEPTH_MAX) {
        (void)parse_fail(p, t.where, NULL, "more than %d levels of parentheses and `not`", PARSE_EXPR_DEPTH_MAX);
        return NULL;
    }
    if (parse_take_word(p, "not")) {
        struct conf_expr *e = new_expr(p, CONF_EXPR_NOT, t.where);
        e->left = parse_primary(p, depth + 1);
        return e->left ? e : NULL;
    }
    if (!parse_take(p, '('))
        return parse_name(p, &t);
    const struct conf_expr *e = parse_or(p, depth + 1);
    struct token close = parse_peek(p, 0);
    if (e && !parse_take(p, ')')) {
        (void)parse_unexpected(p, &close, NULL, "`and`, `or` or `)`");
        return NULL;
    }
    return e;
}

static const struct conf_expr *parse_and(struct parser *p, unsigned depth)
{
    const struct conf_expr *left = parse_primary(p, depth);
    for (;;) {
        struct token t = parse_peek(p, 0);
        if (!left || !parse_take_word(p, "and"))
            return left;
        struct conf_expr *e = new_expr(p, CONF_EXPR_AND, t.where);
        e->left = left;
        e->right = parse_primary(p, depth);
        left = e->right ? e : NULL;
    }
}

static const struct conf_expr *parse_or(struct parser *p, unsigned depth)
{
    const struct conf_expr *left = parse_and(p, depth);
    for (;;) {
        struct token t = parse_peek(p, 0);
        if (!left || !parse_take_word(p, "or"))
            return left;
        struct conf_expr *e = new_expr(p, CONF_EXPR_OR, t.where);
        e->left = left;
        e->right = parse_and(p, depth);
        left = e->right ? e : NULL;
    }
}

/* ---- the block ---- */

static bool parse_builtin(struct parser *p, const struct token *word, struct conf_filter *f)
{
    struct token t = parse_peek(p, 0);
    static const char *const builtins[] = {"greylist"};
    if (f->builtin)
        return parse_fail(p, word->where, NULL, "a filter has one `builtin`");
    if (t.kind != TOKEN_WORD)
        return parse_unexpected(p, &t, NULL, "the name of a builtin filter: greylist");
    if (!slice_eq_nocase(t.text, SLICE_LIT("greylist"))) {
        const char *near = diag_suggest(t.text, builtins, COUNT_OF(builtins));
        return parse_fail(p, t.where, near ? parse_text(p, "did you mean \"%s\"?", near) : "there is one: greylist",
                          "unknown builtin filter \"%.*s\"", SLICE_ARG(slice_upto(t.text, 60)));
    }
    (void)parse_next(p, 0);
    f->builtin = "greylist";
    f->builtin_where = word->where;
    return true;
}

static bool parse_when(struct parser *p, const struct token *word, struct conf_filter *f)
{
    if (f->when)
        return parse_fail(p, word->where, "join both with `and`", "a filter has one `when`");
    p->expr_names = 0;
    f->when = parse_or(p, 0);
    f->when_where = word->where;
    struct token t = parse_peek(p, 0);
    if (f->when && (t.kind == TOKEN_PUNCT || (t.kind == TOKEN_WORD && is_condition(t.text))) && t.raw.ptr[0] != '}')
        return parse_unexpected(p, &t, "conditions are joined with `and` or `or`", "`and`, `or` or the end of the filter");
    return f->when != NULL;
}

static bool parse_filter_body(struct parser *p, const struct token *word, struct conf_filter *f)
{
    for (;;) {
        struct token t = parse_peek(p, 0);
        if (parse_take(p, '}'))
            return true;
        if (!names_unsupported(t.text, NAMES_FILTER) && parse_brace_is_missing(p, &t, word))
            return false;
        if (t.kind != TOKEN_WORD)
            return parse_unexpected(p, &t, NULL, "`builtin`, `when` or `}`");
        (void)parse_next(p, 0);
        bool ok;
        if (slice_eq_nocase(t.text, SLICE_LIT("builtin")))
            ok = parse_builtin(p, &t, f);
        else if (slice_eq_nocase(t.text, SLICE_LIT("when")))
            ok = parse_when(p, &t, f);
        else
            ok = parse_unknown(p, &t, NAMES_FILTER, "word in a filter");
        if (!ok)
            return false;
    }
}

bool parse_filter(struct parser *p, const struct token *word)
{
    struct token name, t;
    struct conf_filter f = {.where = word->where};
    if (!parse_string(p, "the filter's name in quotes", &name))
        return false;
    f.name = arena_cstr(&p->c->arena, name.text);
    for (size_t i = 0; i < p->filters.count; i++) {
        const struct conf_filter *other = &((struct conf_filter *)p->filters.items)[i];
        if (strcmp(other->name, f.name) == 0)
            return parse_fail(p, name.where, NULL, "there is a filter \"%s\" already, in %s:%u", f.name, other->where.file,
                              other->where.line);
    }
    t = parse_peek(p, 0);
    if (!parse_take(p, '{'))
        return parse_unexpected(p, &t, NULL, "`{`");
    p->in_braces = true;
    /* kept even when it is broken: its name is taken, and the file is not one without filters */
    bool ok = parse_filter_body(p, word, &f);
    if (ok && !f.builtin)
        (void)parse_fail(p, word->where, "write `builtin greylist` into it", "filter \"%s\" has nothing to run", f.name);
    for (size_t i = 0; i < p->filters.count && f.builtin; i++) {
        const struct conf_filter *other = &((struct conf_filter *)p->filters.items)[i];
        if (!other->builtin)
            continue;
        (void)parse_fail(p, f.builtin_where, "one filter runs it; join the conditions with `or`",
                         "`builtin greylist` runs in filter \"%s\" already", other->name);
        break;
    }
    *(struct conf_filter *)parse_push(&p->filters, sizeof(f)) = f;
    if (!ok)
        return false;
    p->in_braces = false;
    p->has_token = false;
    return parse_end(p, NULL);
}
