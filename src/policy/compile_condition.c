/*
 * compile_condition.c - filters and their conditions compiled, and what they want of the MTA. Knows what each term is made of;
 * what it says is told in terms.c. An expression with all that it names is small (conf/parse.h): to recurse is safe.
 */
#include "base/mem.h"
#include "policy/compile.h"

#include <string.h>

/* ---- terms ---- */

/* NULL: one that could not be read. Its error is told; the rest is compiled for the errors that may be there. */
static const struct policy_condition *find_condition(const struct policy *p, const struct conf_condition *condition)
{
    for (size_t i = 0; i < p->n_conditions; i++) /* those before it: none can name itself */
        if (p->conf->conditions[i] == condition)
            return &p->conditions[i];
    return NULL;
}

/* -1: any; CONF_DNSBLS_MAX: one that could not be read. */
static int64_t find_dnsbl(const struct conf *conf, const char *name)
{
    if (!name)
        return -1;
    for (size_t i = 0; i < conf->n_dnsbls; i++)
        if (strcmp(conf->dnsbls[i].name, name) == 0)
            return (int64_t)i;
    return CONF_DNSBLS_MAX;
}

static void compile_item(struct compiler *c, const struct conf_item *item, struct term *t)
{
    struct policy *p = c->p;
    if (!item->where.file)
        return;
    if (!item->is_regex) {
        t->text = item->text;
        return;
    }
    size_t before = p->n_regexes;
    compile_regex(c, &item->regex, &p->regexes, &p->n_regexes, &p->regexes_cap);
    if (p->n_regexes > before)
        t->re = p->regexes[before].re;
}

static void compile_term(struct compiler *c, const struct conf_expr *expr, struct cond *cond)
{
    const struct conf_term *from = &expr->term;
    struct term *t = &cond->term;
    t->kind = from->kind;
    t->number = from->number;
    t->compare = from->compare;
    t->result = from->result;
    t->time = &from->time;
    switch (t->kind) {
    case CONF_TERM_CLAUSE:
    case CONF_TERM_EVERY:
        t->items = compile_items(c, &from->clause);
        cond->per_recipient =
            t->kind == CONF_TERM_CLAUSE && (t->items->kind == CONF_CLAUSE_RCPT || t->items->formats_name_rcpt);
        return;
    case CONF_TERM_HEADER:
        t->name = slice_cstr(from->name);
        compile_item(c, &from->item, t);
        return;
    case CONF_TERM_BODY:
        compile_item(c, &from->item, t);
        return;
    case CONF_TERM_MACRO:
        t->name = slice_cstr(from->name);
        cond->per_recipient = slice_has_prefix(t->name, "{rcpt_");
        compile_item(c, &from->item, t);
        return;
    case CONF_TERM_DNSBL:
        t->number = find_dnsbl(c->p->conf, from->name);
        return;
    case CONF_TERM_FILTER:
        t->number = from->filter;
        return;
    case CONF_TERM_CONDITION:
        t->condition = find_condition(c->p, from->condition);
        cond->per_recipient = t->condition && t->condition->root->per_recipient;
        return;
    case CONF_TERM_S25R:
    case CONF_TERM_GENERIC_RDNS:
    case CONF_TERM_UNKNOWN_CLIENT:
    case CONF_TERM_REMOTE:
    case CONF_TERM_AUTHENTICATED:
    case CONF_TERM_UNAUTHENTICATED:
    case CONF_TERM_STRESS:
    case CONF_TERM_TRUSTED:
    case CONF_TERM_MSGSIZE:
    case CONF_TERM_TIME:
    case CONF_TERM_MAX_:
        return;
    }
    PANIC("a term of no kind");
}

static bool can_be_dear(enum conf_term_kind kind)
{
    return kind == CONF_TERM_S25R || kind == CONF_TERM_TRUSTED || kind == CONF_TERM_CLAUSE || kind == CONF_TERM_EVERY ||
           kind == CONF_TERM_HEADER || kind == CONF_TERM_BODY || kind == CONF_TERM_MACRO;
}

/* Where its answer is remembered: with the message, or with the recipient that it speaks of. */
static void number_memo(struct policy *p, struct cond *cond)
{
    if (!can_be_dear(cond->term.kind))
        return;
    if (!cond->per_recipient)
        cond->term.memo = ++p->n_memos;
    else if (p->n_recipient_memos < RECIPIENT_MEMOS_MAX)
        cond->term.recipient_memo = (uint8_t)++p->n_recipient_memos;
}

/* ---- expressions ---- */

static const struct cond *compile_expr(struct compiler *c, const struct conf_expr *expr)
{
    struct cond *cond = arena_zalloc(&c->p->arena, sizeof(*cond));
    cond->op = expr->op;
    if (expr->op == CONF_EXPR_TERM) {
        cond->name = expr->name;
        compile_term(c, expr, cond);
        number_memo(c->p, cond);
        return cond;
    }
    cond->left = compile_expr(c, expr->left);
    cond->per_recipient = cond->left->per_recipient;
    if (expr->op != CONF_EXPR_NOT) {
        cond->right = compile_expr(c, expr->right);
        cond->per_recipient |= cond->right->per_recipient;
    }
    return cond;
}

void compile_conditions(struct compiler *c)
{
    struct policy *p = c->p;
    const struct conf *conf = p->conf;
    p->conditions = arena_zalloc(&p->arena, (conf->n_conditions + 1) * sizeof(*p->conditions));
    for (size_t i = 0; i < conf->n_conditions; i++) {
        const struct conf_condition *from = conf->conditions[i];
        p->conditions[i] = (struct policy_condition){.name = from->name, .root = compile_expr(c, from->expr)};
        p->n_conditions = i + 1;
    }
}

void compile_filters(struct compiler *c)
{
    struct policy *p = c->p;
    const struct conf *conf = p->conf;
    p->n_filters = p->greylist = conf->n_filters;
    p->filters = arena_zalloc(&p->arena, (conf->n_filters + 1) * sizeof(*p->filters));
    for (size_t i = 0; i < conf->n_filters; i++) {
        const struct conf_filter *from = &conf->filters[i];
        p->filters[i].enabled = from->set.enabled;
        if (from->when)
            p->filters[i].when = compile_expr(c, from->when);
        if (from->builtin && strcmp(from->builtin, "greylist") == 0 && p->greylist == conf->n_filters)
            p->greylist = i;
    }
}

/* ---- what must be asked of the MTA ---- */

static void note_cond(struct policy *p, const struct cond *cond);

static void note_condition(struct policy *p, const struct policy_condition *condition)
{
    if (!condition || condition->noted)
        return;
    p->conditions[condition - p->conditions].noted = true;
    note_cond(p, condition->root);
}

static void note_term(struct policy *p, const struct term *t)
{
    switch (t->kind) {
    case CONF_TERM_GENERIC_RDNS:
        p->needs |= POLICY_NEEDS_NAME | POLICY_NEEDS_DOMAINS;
        return;
    case CONF_TERM_S25R:
    case CONF_TERM_UNKNOWN_CLIENT:
        p->needs |= POLICY_NEEDS_NAME;
        return;
    case CONF_TERM_AUTHENTICATED:
    case CONF_TERM_UNAUTHENTICATED:
        p->needs |= POLICY_NEEDS_AUTH;
        return;
    case CONF_TERM_CLAUSE:
    case CONF_TERM_EVERY:
        compile_note_items(p, t->items);
        return;
    case CONF_TERM_HEADER:
        p->needs |= POLICY_NEEDS_HEADERS;
        return;
    case CONF_TERM_BODY:
        p->needs |= POLICY_NEEDS_BODY;
        return;
    case CONF_TERM_MSGSIZE:
        p->needs |= POLICY_NEEDS_HEADERS | POLICY_NEEDS_BODY;
        return;
    case CONF_TERM_MACRO:
        compile_note_macro(p, t->name.ptr);
        return;
    case CONF_TERM_CONDITION:
        note_condition(p, t->condition);
        return;
    case CONF_TERM_REMOTE:
    case CONF_TERM_STRESS:
    case CONF_TERM_TRUSTED:
    case CONF_TERM_DNSBL:
    case CONF_TERM_TIME:
    case CONF_TERM_FILTER:
    case CONF_TERM_MAX_:
        return;
    }
}

static void note_cond(struct policy *p, const struct cond *cond)
{
    if (cond->op == CONF_EXPR_TERM)
        note_term(p, &cond->term);
    if (cond->left)
        note_cond(p, cond->left);
    if (cond->right)
        note_cond(p, cond->right);
}

void compile_note_filters(struct policy *p)
{
    for (size_t i = 0; i < p->n_filters; i++)
        if (p->filters[i].enabled && p->filters[i].when)
            note_cond(p, p->filters[i].when);
}
