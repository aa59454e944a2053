/*
 * condition.c - conditions: yes, no, "a later stage tells", and "unknown". Knows how terms are joined and which filter
 * they stand for; what a single term asks of the facts is in terms.c.
 *
 * What a stage has settled no later one changes, as long as the facts that it knew stay: each term keeps to that, and `and`,
 * `or` and `not` preserve it.
 */
#include "base/mem.h"
#include "policy/terms.h"

/* ---- expressions ---- */

struct judging {
    const struct policy *p;
    const struct policy_facts *f;
    struct policy_why *why;
    enum stage last; /* when the filter is asked at the latest */
};

/* *lists: those that DNS must be asked about before this can be settled; 0 unless the answer is LATER. */
static enum policy_truth judge(const struct judging *j, const struct cond *cond, uint32_t *lists);

static enum policy_truth judge_one(const struct judging *j, const struct cond *cond, uint32_t *lists)
{
    const struct term *t = &cond->term;
    enum policy_truth truth = POLICY_NO;
    *lists = 0;
    if (t->kind != CONF_TERM_CONDITION)
        truth = term_judge(j->p, t, j->f, j->why, lists);
    else if (t->condition)
        truth = judge(j, t->condition->root, lists);
    j->why->condition = cond->name;
    /* Nothing more will be known in time; what DNS says may still be, but at the very end. */
    if (truth == POLICY_LATER && j->f->stage >= (*lists ? STAGE_EOM : j->last))
        truth = POLICY_NO;
    if (truth != POLICY_LATER)
        *lists = 0;
    j->why->holds = truth == POLICY_YES;
    return truth;
}

/*
 * `and`, `or`: one side may settle it alone (no, yes), whatever the other will be. Where none does, LATER: and UNKNOWN if nothing is late.
 * So both sides are asked even if the left one says LATER.
 */
static enum policy_truth judge_pair(const struct judging *j, const struct cond *cond, uint32_t *lists)
{
    enum policy_truth settles = cond->op == CONF_EXPR_AND ? POLICY_NO : POLICY_YES;
    enum policy_truth left = judge(j, cond->left, lists);
    if (left == settles)
        return left;
    const char *of_left = j->why->condition;
    bool left_holds = j->why->holds;
    uint32_t of_right;
    enum policy_truth right = judge(j, cond->right, &of_right);
    bool left_is_open = left == POLICY_LATER || (left == POLICY_UNKNOWN && right != POLICY_LATER);
    if (right == settles || !left_is_open) {
        *lists = of_right;
        return right;
    }
    j->why->condition = of_left;
    j->why->holds = left_holds;
    *lists |= of_right;
    return left;
}

static enum policy_truth judge(const struct judging *j, const struct cond *cond, uint32_t *lists)
{
    switch (cond->op) {
    case CONF_EXPR_TERM:
        return judge_one(j, cond, lists);
    case CONF_EXPR_AND:
    case CONF_EXPR_OR:
        return judge_pair(j, cond, lists);
    case CONF_EXPR_NOT:
        switch (judge(j, cond->left, lists)) {
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
                                     uint32_t *lists)
{
    *why = (struct policy_why){.s25r_rule = -1};
    *lists = 0;
    if (p->n_filters == 0)
        return POLICY_YES;
    if (n >= p->n_filters || !p->filters[n].enabled)
        return POLICY_NO;
    struct judging j = {p, f, why, n == p->greylist ? STAGE_RCPT : STAGE_EOM};
    enum policy_truth truth = p->filters[n].when ? judge(&j, p->filters[n].when, lists) : POLICY_YES;
    why->unknown = truth == POLICY_UNKNOWN;
    return why->unknown ? POLICY_YES : truth; /* whoever may be meant is asked: no sender can keep a filter from his mail */
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
    uint32_t lists;
    return policy_filter_when(p, p->greylist, f, why, &lists);
}

/* ---- by name ---- */

/* Those that stand without an argument. */
static const struct cond plain_terms[] = {
    {.name = "s25r", .term = {.kind = CONF_TERM_S25R}},
    {.name = "generic_rdns", .term = {.kind = CONF_TERM_GENERIC_RDNS}},
    {.name = "unknown_client", .term = {.kind = CONF_TERM_UNKNOWN_CLIENT}},
    {.name = "remote", .term = {.kind = CONF_TERM_REMOTE}},
    {.name = "authenticated", .term = {.kind = CONF_TERM_AUTHENTICATED}},
    {.name = "unauthenticated", .term = {.kind = CONF_TERM_UNAUTHENTICATED}},
    {.name = "stress", .term = {.kind = CONF_TERM_STRESS, .number = -1}},
    {.name = "trusted", .term = {.kind = CONF_TERM_TRUSTED}},
    {.name = "dnsbl", .term = {.kind = CONF_TERM_DNSBL, .number = -1}},
};

enum err policy_condition(const struct policy *p, const char *name, const struct policy_facts *f, enum policy_truth *truth,
                          struct policy_why *why)
{
    struct judging j = {p, f, why, STAGE_EOM};
    uint32_t lists;
    *why = (struct policy_why){.s25r_rule = -1};
    *truth = POLICY_NO;
    for (size_t i = 0; i < COUNT_OF(plain_terms); i++) {
        if (!slice_eq_nocase(slice_cstr(name), slice_cstr(plain_terms[i].name)))
            continue;
        *truth = judge(&j, &plain_terms[i], &lists);
        return ERR_NONE;
    }
    for (size_t i = 0; i < p->n_conditions; i++) {
        if (!slice_eq_nocase(slice_cstr(name), slice_cstr(p->conditions[i].name)))
            continue;
        *truth = judge(&j, p->conditions[i].root, &lists);
        why->condition = p->conditions[i].name;
        return ERR_NONE;
    }
    return ERR_NOT_FOUND;
}
