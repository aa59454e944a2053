/*
 * parse_expr.c - expressions of `when` and of named conditions, and the condition statement. Knows how terms are joined and
 * which other conditions they name; a term's own words are read in parse_term.c.
 */
#include "base/mem.h"
#include "conf/parse.h"

#include <stdlib.h>
#include <string.h>

/* ---- or, and, not, parentheses, terms; `not` binds closest ---- */

static const struct conf_expr *parse_or(struct parser *p, unsigned depth);

static struct conf_expr *new_expr(struct parser *p, enum conf_expr_op op, struct conf_where where)
{
    struct conf_expr *e = arena_zalloc(&p->c->arena, sizeof(*e));
    e->op = op;
    e->where = where;
    return e;
}

/* How much of PARSE_EXPR_TERMS_MAX it takes. */
static unsigned weight(const struct conf_expr *e)
{
    if (e->op == CONF_EXPR_TERM)
        return e->term.kind == CONF_TERM_CONDITION ? 1 + weight(e->term.condition->expr) : 1;
    return (e->op == CONF_EXPR_NOT ? 1 : weight(e->right)) + weight(e->left);
}

static bool count_terms(struct parser *p, struct conf_where where, unsigned more)
{
    p->expr_terms += more;
    return p->expr_terms <= PARSE_EXPR_TERMS_MAX ||
           parse_fail(p, where, NULL, "more than %d conditions in one expression, those of the conditions it names counted",
                      PARSE_EXPR_TERMS_MAX);
}

static const struct conf_condition *find_condition(const struct parser *p, struct slice name)
{
    struct conf_condition *const *all = p->conditions.items;
    for (size_t i = 0; i < p->conditions.count; i++)
        if (slice_eq_cstr(name, all[i]->name))
            return all[i];
    return NULL;
}

const struct conf_condition *parse_find_condition(const struct parser *p, const struct token *t)
{
    return t->kind == TOKEN_WORD || t->kind == TOKEN_STRING ? find_condition(p, t->text) : NULL;
}

struct conf_term parse_term_of_condition(const struct conf_condition *condition)
{
    return (struct conf_term){
        .kind = CONF_TERM_CONDITION, .word = condition->name, .name = condition->name, .condition = condition};
}

/* What the word may have been meant as: one of the language, or a condition of the file. */
static bool fail_unknown(struct parser *p, const struct token *t)
{
    const char *meant = names_meant(t->text), *near = NULL;
    struct conf_condition *const *all = p->conditions.items;
    const char **names = mem_alloc((p->conditions.count + 1) * sizeof(*names));
    size_t n = 0;
    if (t->kind == TOKEN_WORD && (near = names_suggest(t->text, NAMES_CONDITION)) != NULL)
        names[n++] = near;
    for (size_t i = 0; i < p->conditions.count; i++)
        names[n++] = all[i]->name;
    near = diag_suggest(t->text, names, n);
    free(names);
    if (t->kind == TOKEN_WORD && names_unsupported(t->text, NAMES_CONDITION))
        return parse_unknown(p, t, NAMES_CONDITION, "condition");
    struct slice found = t->kind == TOKEN_WORD ? lex_chunk(&p->lx, t) : t->text;
    struct conf_where where = t->where;
    if (t->kind == TOKEN_WORD)
        where.width = (uint32_t)found.len;
    bool joins =
        t->kind == TOKEN_WORD && (slice_eq_nocase(t->text, slice_cstr("and")) || slice_eq_nocase(t->text, slice_cstr("or")));
    const char *hint = joins ? NULL : "a condition must stand before those that use it";
    if (meant)
        hint = parse_text(p, "did you mean `%s`?", meant);
    else if (near)
        hint = parse_text(p, "did you mean \"%s\"?", near);
    else if (t->kind == TOKEN_STRING && names_is_word(t->text, NAMES_CONDITION))
        hint = parse_text(p, "what is built in has no quotes: %.*s", SLICE_ARG(t->text));
    return parse_fail(p, where, hint, "unknown condition \"%.*s\"", SLICE_ARG(slice_upto(found, 60)));
}

/* The name of a condition, bare or in quotes. */
static bool parse_named(struct parser *p, const struct token *t, struct conf_expr *e)
{
    const struct conf_condition *named = find_condition(p, t->text);
    if (named && !count_terms(p, t->where, weight(named->expr)))
        return false;
    if (!named) {
        if (!parse_is_bad(p, "condition", t->text))
            return fail_unknown(p, t);
        /* its own error was told: stand in for it, so that the rest of this one is still looked at */
        struct conf_expr *any = new_expr(p, CONF_EXPR_TERM, t->where);
        any->term = (struct conf_term){.kind = CONF_TERM_REMOTE, .word = "remote"};
        struct conf_condition *unread = arena_zalloc(&p->c->arena, sizeof(*unread));
        *unread = (struct conf_condition){.name = arena_cstr(&p->c->arena, t->text), .where = t->where, .expr = any};
        named = unread;
    }
    (void)parse_next(p, 0);
    e->term = parse_term_of_condition(named);
    return true;
}

bool parse_is_term(const struct parser *p, const struct token *t)
{
    return t->kind == TOKEN_WORD && (names_is_word(t->text, NAMES_CONDITION) || find_condition(p, t->text));
}

static const struct conf_expr *parse_name(struct parser *p, const struct token *t)
{
    bool c_like = t->kind == TOKEN_PUNCT && strchr("&|!", t->raw.ptr[0]);
    if ((t->kind != TOKEN_WORD && t->kind != TOKEN_STRING) || t->text.len == 0) {
        (void)parse_unexpected(p, t, c_like ? "the words are `and`, `or` and `not`" : NULL, "a condition");
        return NULL;
    }
    struct conf_expr *e = new_expr(p, CONF_EXPR_TERM, t->where);
    if (!count_terms(p, t->where, 1))
        return NULL;
    const struct terms_row *row = t->kind == TOKEN_WORD ? terms_find(t->text, TERMS_WHEN) : NULL;
    if (!row)
        return parse_named(p, t, e) ? e : NULL;
    (void)parse_next(p, 0);
    return parse_term(p, t, row, &e->term) ? e : NULL;
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
        if (!count_terms(p, t.where, 1))
            return NULL;
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

const struct conf_expr *parse_expr(struct parser *p)
{
    p->expr_terms = 0;
    return parse_or(p, 0);
}

/* ---- what is known when ---- */

static const struct conf_expr *find_late(const struct conf_expr *e, const struct conf_expr **through);

/* What a term asks for of the message or of another filter; NULL: nothing. e: it stands by itself, or in the condition it names. */
static const struct conf_expr *late_part(const struct conf_term *term, const struct conf_expr *e)
{
    const struct conf_expr *inner;
    if (term->kind == CONF_TERM_CONDITION)
        return find_late(term->condition->expr, &inner);
    return terms_is_late(term->kind) ? e : NULL;
}

/* The first term that is late; NULL: none. *through: the term of e it is in. */
static const struct conf_expr *find_late(const struct conf_expr *e, const struct conf_expr **through)
{
    if (e->op != CONF_EXPR_TERM) {
        const struct conf_expr *late = find_late(e->left, through);
        return late || e->op == CONF_EXPR_NOT ? late : find_late(e->right, through);
    }
    *through = e;
    return late_part(&e->term, e);
}

static bool fail_late(struct parser *p, const struct conf_expr *through, const struct conf_expr *late, const char *when,
                      const char *hint)
{
    if (late == through)
        return parse_fail(p, late->where, hint, "`%s` is not known yet when %s", late->term.word, when);
    return parse_fail(p, through->where, hint, "condition \"%s\" asks for `%s` (%s:%u), which is not known yet when %s",
                      through->term.name, late->term.word, late->where.file, late->where.line, when);
}

bool parse_known_at_rcpt(struct parser *p, const struct conf_expr *e)
{
    const struct conf_expr *through = NULL, *late = find_late(e, &through);
    return !late || fail_late(p, through, late, "the greylist filter is asked",
                              "it decides for each recipient; another filter's `when` may wait for the message");
}

bool parse_term_known_at_rcpt(struct parser *p, const struct conf_term *term, struct conf_where where)
{
    const struct conf_expr e = {.op = CONF_EXPR_TERM, .where = where, .term = *term};
    const struct conf_expr *late = late_part(term, &e);
    return !late || fail_late(p, &e, late, "racl lines are judged, at RCPT",
                              "a racl line decides for each recipient; a filter's `when` may wait for the message");
}

/* ---- condition "name" { expression } ---- */

static bool condition_name(struct parser *p, struct token *name)
{
    if (!parse_string(p, "the condition's name in quotes", name))
        return false;
    const struct conf_condition *other = find_condition(p, name->text);
    if (other)
        return parse_fail(p, name->where, NULL, "there is a condition \"%s\" already, in %s:%u", other->name,
                          other->where.file, other->where.line);
    static const char *const joining[] = {"and", "or", "not"};
    bool taken = names_is_word(name->text, NAMES_CONDITION);
    for (size_t i = 0; i < COUNT_OF(joining); i++)
        taken |= slice_eq_nocase(name->text, slice_cstr(joining[i]));
    return !taken || parse_fail(p, name->where, "give it another name", "\"%.*s\" is a word of the language already",
                                SLICE_ARG(name->text));
}

static const struct conf_expr *condition_body(struct parser *p, const struct token *word)
{
    if (!parse_open_brace(p))
        return NULL;
    const struct conf_expr *e = parse_expr(p);
    struct token t = parse_peek(p, 0);
    if (!e || parse_take(p, '}'))
        return e;
    if (!parse_is_term(p, &t) && parse_brace_is_missing(p, &t, word))
        return NULL;
    (void)parse_unexpected(p, &t, "conditions are joined with `and` or `or`", "`and`, `or` or `}`");
    return NULL;
}

bool parse_condition(struct parser *p, const struct token *word)
{
    struct token name;
    if (!condition_name(p, &name))
        return false;
    const struct conf_expr *e = condition_body(p, word);
    if (!e) {
        parse_remember_bad(p, "condition", name.text);
        return false;
    }
    struct conf_condition *condition = arena_zalloc(&p->c->arena, sizeof(*condition));
    *condition = (struct conf_condition){.name = arena_cstr(&p->c->arena, name.text),
                                         .where = word->where,
                                         .expr = e,
                                         .filters_above = (unsigned)p->filters.count};
    *(struct conf_condition **)parse_push(&p->conditions, sizeof(condition)) = condition;
    return parse_close_statement(p);
}
