/* check.c - what can be said only when all files are read. Knows how statements bear on each other, not what they do. */
#include "conf/parse.h"

#include <string.h>

static const char filter_block[] = "to treat only those whose name looks like an end user's line, add:\n"
                                   "  filter \"greylist\" {\n"
                                   "      builtin greylist\n"
                                   "      when remote and unauthenticated and s25r\n"
                                   "  }";

/* The first line that holds; NULL: none. */
static const struct conf_clause *find_tarpit(const struct conf *c)
{
    for (size_t i = 0; i < c->n_acls; i++)
        for (size_t k = 0; k < c->acls[i].n_clauses; k++)
            if (c->acls[i].clauses[k].term.kind == CONF_TERM_TARPIT && !c->acls[i].clauses[k].negated)
                return &c->acls[i].clauses[k];
    return NULL;
}

/* In milter-greylist's set-ups another program picks who is asked about at all. */
static void check_filters(const struct conf *c, struct diags *diags)
{
    const struct conf_clause *tarpit = find_tarpit(c);
    if (c->n_filters == 0 && tarpit)
        diags_add(diags, DIAG_WARNING, tarpit->where, filter_block,
                  "without a filter block ordinary mail servers are held here too");
}

/* Is the expression true of clients alone whose name looks like an end user's line? Bounded, as the expression is when it is read. */
static bool is_for_suspects(const struct conf_expr *e)
{
    switch (e->op) {
    case CONF_EXPR_TERM:
        return e->term.kind == CONF_TERM_S25R ||
               (e->term.kind == CONF_TERM_CONDITION && is_for_suspects(e->term.condition->expr));
    case CONF_EXPR_AND:
        return is_for_suspects(e->left) || is_for_suspects(e->right);
    case CONF_EXPR_OR:
        return is_for_suspects(e->left) && is_for_suspects(e->right);
    case CONF_EXPR_NOT:
        break;
    }
    return false;
}

/* Who writes down a spammer wants it refused whatever its name looks like. Said once, at the first such line. */
static void check_blacklist(const struct conf *c, struct diags *diags)
{
    const struct conf_filter *f = NULL;
    for (size_t i = 0; i < c->n_filters && !f; i++)
        if (c->filters[i].builtin && c->filters[i].set.enabled)
            f = &c->filters[i];
    if (!f || !f->when || !is_for_suspects(f->when))
        return;
    for (size_t i = 0; i < c->n_acls; i++)
        if (c->acls[i].action == CONF_BLACKLIST) {
            diags_add(diags, DIAG_WARNING, c->acls[i].where,
                      "for others too, name them in the condition: when ... and (s25r or list \"...\")",
                      "only suspects reach this line: the condition in %s:%u takes s25r, all other clients pass before it",
                      f->when_where.file, f->when_where.line);
            return;
        }
}

static void check_unreachable(const struct conf *c, struct diags *diags)
{
    size_t i = 0;
    while (i < c->n_acls && !(c->acls[i].is_default && c->acls[i].action != CONF_CONTINUE))
        i++;
    if (i + 1 >= c->n_acls)
        return;
    const struct conf_acl *first = &c->acls[i + 1], *all = &c->acls[i];
    size_t more = c->n_acls - i - 2;
    if (more == 0)
        diags_add(diags, DIAG_WARNING, first->where, NULL,
                  "this line can never match: the `default` in %s:%u matches everything before it", all->where.file,
                  all->where.line);
    else
        diags_add(diags, DIAG_WARNING, first->where, NULL,
                  "this line and %zu more can never match: the `default` in %s:%u matches everything before them", more,
                  all->where.file, all->where.line);
}

static void check_listens(struct conf *c, struct diags *diags)
{
    static const struct conf_listen fallback = {
        .address = "unix:/var/spool/postfix/tarsier/tarsier.sock", .mode = 0660, .group = "postfix"};
    if (c->n_listens == 0) {
        c->listens = arena_alloc(&c->arena, sizeof(fallback));
        c->listens[0] = fallback;
        c->n_listens = 1;
    }
    for (size_t i = 0; i < c->n_listens; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->listens[i].address, c->listens[k].address) == 0) {
                diags_add(diags, DIAG_ERROR, c->listens[i].where, NULL, "%s:%u listens on \"%s\" already",
                          c->listens[k].where.file, c->listens[k].where.line, c->listens[k].address);
                break;
            }
}

static void check_progress(const struct conf *c, struct diags *diags)
{
    size_t row = settings_find(settings_global(), SLICE_LIT("progress"), SLICE_LIT("every"));
    if (c->set.progress_sec >= 30)
        diags_add(diags, DIAG_WARNING, c->origin[row], NULL,
                  "Postfix waits 30 s for a milter (milter_command_timeout), then it gives up the hold");
}

/* A filter that names no fallback has the global one, and owes it to the line that set that. */
static void inherit_fallback(struct conf *c)
{
    size_t global = settings_find(settings_global(), SLICE_LIT("fallback"), SLICE_NONE);
    size_t own = settings_find(settings_filter(), SLICE_LIT("fallback"), SLICE_NONE);
    for (size_t i = 0; i < c->n_filters; i++) {
        struct conf_filter *f = &c->filters[i];
        if (f->set.fallback != SETTING_FALLBACK_GLOBAL)
            continue;
        f->set.fallback = c->set.fallback;
        f->origin[own] = c->origin[global];
    }
}

/* The setting of the whole says what any file says: a domain that is printed without `*` is compared so. */
static void join_domainexact(struct conf *c)
{
    struct conf_where *origin = &c->origin[settings_find(settings_global(), SLICE_LIT("domainexact"), SLICE_NONE)];
    c->set.domainexact = false;
    for (const struct conf_file *f = c->statement_files; f; f = f->next) {
        if (f->domainexact_where.file && (!origin->file || (f->domainexact && !c->set.domainexact)))
            *origin = f->domainexact_where;
        c->set.domainexact |= f->domainexact;
    }
    for (struct conf_file *f = c->statement_files; f; f = f->next)
        f->differs = c->set.domainexact && !f->domainexact;
}

/* Who writes `domainexact no` has said that it is meant. */
static void check_domains(const struct conf *c, struct diags *diags)
{
    for (const struct conf_file *f = c->statement_files; f; f = f->next) {
        if (!f->end.ptr || f->domainexact_where.file)
            continue;
        struct slice shown = slice_upto(f->end, 60);
        struct buf hint = {0};
        buf_printf(&hint,
                   "write `domainexact` into this file: then it matches %.*s and the names below it\n"
                   "or `.%.*s` for the names below it alone, or `domainexact no` if all names that end so are meant",
                   SLICE_ARG(shown), SLICE_ARG(shown));
        diags_add(diags, DIAG_WARNING, f->end_where, buf_cstr(&hint),
                  "a domain is the end of a name here: %.*s matches not-%.*s too", SLICE_ARG(shown), SLICE_ARG(shown));
        buf_fini(&hint);
    }
}

void conf_check(struct conf *c, struct diags *diags)
{
    inherit_fallback(c);
    join_domainexact(c);
    check_domains(c, diags);
    check_listens(c, diags);
    check_filters(c, diags);
    check_unreachable(c, diags);
    check_blacklist(c, diags);
    check_progress(c, diags);
}
