/*
 * compile_condition.c - filters and their conditions compiled, and what they want of the MTA. Knows what each term is made of;
 * what it says is told in terms.c. An expression with all that it names is small (conf/parse.h): to recurse is safe.
 */
#include "base/mem.h"
#include "conf/terms.h"
#include "policy/compile.h"
#include "policy/terms.h"

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

/* It is about what is different for each recipient of a message. */
static bool is_per_recipient(const struct term *t)
{
    switch (t->kind) {
    case CONF_TERM_ITEMS:
        return t->items->kind == CONF_ITEM_RCPT || t->items->formats_name_rcpt;
    case CONF_TERM_MACRO:
        return slice_has_prefix(t->about, "{rcpt_");
    case CONF_TERM_CONDITION:
        return t->condition && t->condition->root->per_recipient;
    default:
        return false;
    }
}

void compile_term(struct compiler *c, const struct conf_term *from, struct term *t)
{
    *t = (struct term){.kind = from->kind,
                       .name = from->word,
                       .number = from->number,
                       .compare = from->compare,
                       .result = from->result,
                       .time = &from->time};
    switch (terms_operand(from->kind)) {
    case OPERAND_ITEM:
    case OPERAND_LIST:
    case OPERAND_RECIPIENTS:
        t->items = compile_items(c, from);
        break;
    case OPERAND_HEADER:
    case OPERAND_MACRO:
    case OPERAND_REGEX:
        t->about = slice_cstr(from->name);
        compile_item(c, &from->item, t);
        break;
    case OPERAND_DNSBL:
        t->number = find_dnsbl(c->p->conf, from->name);
        break;
    case OPERAND_FILTER:
        t->number = from->filter;
        break;
    default:
        break;
    }
    if (t->kind == CONF_TERM_CONDITION)
        t->condition = find_condition(c->p, from->condition);
    t->per_recipient = is_per_recipient(t);
}

/* Where its answer is remembered: with the message, or with the recipient that it speaks of. */
static void number_memo(struct policy *p, struct cond *cond)
{
    if (!term_kind(cond->term.kind)->is_dear)
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
        compile_term(c, &expr->term, &cond->term);
        cond->per_recipient = cond->term.per_recipient;
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

void compile_note_term(struct policy *p, const struct term *t)
{
    p->needs |= term_kind(t->kind)->needs;
    if (t->items)
        compile_note_items(p, t->items);
    if (t->kind == CONF_TERM_MACRO)
        compile_note_macro(p, t->about.ptr);
    note_condition(p, t->condition);
}

static void note_cond(struct policy *p, const struct cond *cond)
{
    if (cond->op == CONF_EXPR_TERM)
        compile_note_term(p, &cond->term);
    if (cond->left)
        note_cond(p, cond->left);
    if (cond->right)
        note_cond(p, cond->right);
}

static bool asks_others(const struct cond *cond)
{
    const struct term *t = &cond->term;
    if (cond->op == CONF_EXPR_TERM && t->kind == CONF_TERM_CONDITION)
        return t->condition && asks_others(t->condition->root);
    if (cond->op == CONF_EXPR_TERM)
        return term_kind(t->kind)->asks_others;
    return asks_others(cond->left) || (cond->right && asks_others(cond->right));
}

void compile_note_filters(struct policy *p)
{
    for (size_t i = 0; i < p->n_filters; i++) {
        if (!p->filters[i].enabled || !p->filters[i].when)
            continue;
        note_cond(p, p->filters[i].when);
        p->conditions_ask |= asks_others(p->filters[i].when);
    }
}
