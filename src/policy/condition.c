/*
 * condition.c - conditions: yes, no, "a later stage tells", and "unknown". Knows how terms are joined and which filter
 * they stand for; what a single term asks of the facts is in terms.c.
 *
 * What a stage has settled no later one changes, as long as the facts that it knew stay: each term keeps to that, and `and`,
 * `or` and `not` preserve it.
 */
#include "base/mem.h"
#include "conf/terms.h"
#include "policy/terms.h"

/* ---- expressions ---- */

struct judging {
    const struct policy *p;
    const struct policy_facts *f;
    struct policy_why *why;
    enum stage last; /* when the filter is asked at the latest */
};

/* *missing: facts that must be asked for before this can be settled; none unless the answer is LATER. */
static enum policy_truth judge(const struct judging *j, const struct cond *cond, uint64_t *missing);

static enum policy_truth judge_one(const struct judging *j, const struct term *t, uint64_t *missing)
{
    enum policy_truth truth = POLICY_NO;
    *missing = 0;
    if (t->kind != CONF_TERM_CONDITION)
        truth = term_judge(j->p, t, j->f, j->why, missing, NULL);
    else if (t->condition)
        truth = judge(j, t->condition->root, missing);
    j->why->condition = t->name;
    /* Nothing more will be known in time; what others are asked for may still be, but at the very end. */
    if (truth == POLICY_LATER && j->f->stage >= (*missing ? STAGE_EOM : j->last))
        truth = POLICY_NO;
    if (truth != POLICY_LATER)
        *missing = 0;
    j->why->holds = truth == POLICY_YES;
    return truth;
}

/*
 * `and`, `or`: one side may settle it alone (no, yes), whatever the other will be. Where none does, LATER: and UNKNOWN if nothing is late.
 * So both sides are asked even if the left one says LATER.
 */
static enum policy_truth judge_pair(const struct judging *j, const struct cond *cond, uint64_t *missing)
{
    enum policy_truth settles = cond->op == CONF_EXPR_AND ? POLICY_NO : POLICY_YES;
    enum policy_truth left = judge(j, cond->left, missing);
    if (left == settles)
        return left;
    const char *of_left = j->why->condition;
    bool left_holds = j->why->holds;
    uint64_t of_right;
    enum policy_truth right = judge(j, cond->right, &of_right);
    bool left_is_open = left == POLICY_LATER || (left == POLICY_UNKNOWN && right != POLICY_LATER);
    if (right == settles || !left_is_open) {
        *missing = of_right;
        return right;
    }
    j->why->condition = of_left;
    j->why->holds = left_holds;
    *missing |= of_right;
    return left;
}

static enum policy_truth judge(const struct judging *j, const struct cond *cond, uint64_t *missing)
{
    switch (cond->op) {
    case CONF_EXPR_TERM:
        return judge_one(j, &cond->term, missing);
    case CONF_EXPR_AND:
    case CONF_EXPR_OR:
        return judge_pair(j, cond, missing);
    case CONF_EXPR_NOT:
        switch (judge(j, cond->left, missing)) {
        case POLICY_NO:
            return POLICY_YES;
        case POLICY_YES:
            return POLICY_NO;
        case POLICY_LATER:
            return POLICY_LATER;
        case POLICY_UNKNOWN:
            return POLICY_UNKNOWN;
        }
    }
    PANIC("an expression of no kind");
}

enum policy_truth condition_judge_term(const struct policy *p, const struct term *t, const struct policy_facts *f,
                                       enum stage last, struct policy_why *why, uint64_t *missing)
{
    const struct judging j = {p, f, why, last};
    return judge_one(&j, t, missing);
}

/* ---- filters ---- */

size_t policy_filter_count(const struct policy *p)
{
    return p->n_filters;
}

size_t policy_greylist_number(const struct policy *p)
{
    return p->greylist;
}

enum policy_truth policy_filter_when(const struct policy *p, size_t n, const struct policy_facts *f, struct policy_why *why,
                                     uint64_t *missing)
{
    *why = (struct policy_why){.s25r_rule = -1};
    *missing = 0;
    if (p->n_filters == 0)
        return POLICY_YES;
    if (n >= p->n_filters || !p->filters[n].enabled)
        return POLICY_NO;
    struct judging j = {p, f, why, n == p->greylist ? STAGE_RCPT : STAGE_EOM};
    enum policy_truth truth = p->filters[n].when ? judge(&j, p->filters[n].when, missing) : POLICY_YES;
    why->unknown = truth == POLICY_UNKNOWN;
    return why->unknown ? POLICY_YES : truth; /* whoever may be meant is asked: no sender can keep a filter from his mail */
}

struct looking {
    struct judging judging;
    policy_seen *seen;
    void *ctx;
};

/* Conditions name only those before them, so depth has an end. */
static void look(const struct looking *l, const struct cond *cond, const struct conf_expr *expr, unsigned depth)
{
    if (cond->op != CONF_EXPR_TERM) {
        look(l, cond->left, expr->left, depth);
        if (cond->right)
            look(l, cond->right, expr->right, depth);
        return;
    }
    uint64_t missing;
    *l->judging.why = (struct policy_why){.s25r_rule = -1};
    enum policy_truth truth = judge_one(&l->judging, &cond->term, &missing);
    l->seen(l->ctx, &expr->term, depth, truth, l->judging.why);
    if (cond->term.condition)
        look(l, cond->term.condition->root, expr->term.condition->expr, depth + 1);
}

void policy_filter_look(const struct policy *p, size_t n, const struct policy_facts *f, policy_seen *seen, void *ctx)
{
    struct policy_why why;
    if (n >= p->n_filters || !p->filters[n].when)
        return;
    const struct looking l = {{p, f, &why, n == p->greylist ? STAGE_RCPT : STAGE_EOM}, seen, ctx};
    look(&l, p->filters[n].when, p->conf->filters[n].when, 0);
}

bool policy_conditions_ask(const struct policy *p)
{
    return p->conditions_ask;
}

size_t policy_memos(const struct policy *p)
{
    return p->n_memos;
}

bool policy_filter_is_per_recipient(const struct policy *p, size_t n)
{
    return n < p->n_filters && p->filters[n].when && p->filters[n].when->per_recipient;
}

enum policy_truth policy_when(const struct policy *p, const struct policy_facts *f, struct policy_why *why)
{
    uint64_t missing;
    return policy_filter_when(p, p->greylist, f, why, &missing);
}

/* ---- by name ---- */

enum err policy_condition(const struct policy *p, const char *name, const struct policy_facts *f, enum policy_truth *truth,
                          struct policy_why *why, uint64_t *missing)
{
    struct judging j = {p, f, why, STAGE_EOM};
    const struct terms_row *row = terms_find(slice_cstr(name), TERMS_WHEN);
    *why = (struct policy_why){.s25r_rule = -1};
    *truth = POLICY_NO;
    *missing = 0;
    if (row && (row->operand == OPERAND_NONE || row->operand == OPERAND_SESSIONS || row->operand == OPERAND_DNSBL)) {
        const struct term plain = {.kind = row->kind, .name = row->word, .number = -1};
        *truth = judge_one(&j, &plain, missing);
        return ERR_NONE;
    }
    for (size_t i = 0; i < p->n_conditions; i++) {
        if (!slice_eq_nocase(slice_cstr(name), slice_cstr(p->conditions[i].name)))
            continue;
        *truth = judge(&j, p->conditions[i].root, missing);
        why->condition = p->conditions[i].name;
        return ERR_NONE;
    }
    return ERR_NOT_FOUND;
}
