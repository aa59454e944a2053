/* parse_filter.c - filter blocks. */
#include "base/mem.h"
#include "conf/parse.h"

#include <string.h>

static struct conf_filter *filter_at(const struct parser *p, size_t i)
{
    return &((struct conf_filter *)p->filters.items)[i];
}

/* ---- the words of a block that are no settings ---- */

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

static bool parse_connect(struct parser *p, const struct token *word, struct conf_filter *f)
{
    struct token t;
    if (f->connect)
        return parse_fail(p, word->where, NULL, "a filter has one `connect`");
    if (!parse_string(p, "a milter's address in quotes", &t) || !parse_address(p, &t, PARSE_CONNECT, &f->connect))
        return false;
    f->connect_where = word->where;
    return true;
}

static bool parse_when(struct parser *p, const struct token *word, struct conf_filter *f)
{
    if (f->when)
        return parse_fail(p, word->where, "join both with `and`", "a filter has one `when`");
    f->when = parse_expr(p);
    f->when_where = word->where;
    struct token t = parse_peek(p, 0);
    bool more = (t.kind == TOKEN_PUNCT && t.raw.ptr[0] != '}') || (parse_is_term(p, &t) && !names_is_filter_word(t.text));
    if (f->when && more)
        return parse_unexpected(p, &t, "conditions are joined with `and` or `or`", "`and`, `or` or the end of the filter");
    return f->when != NULL;
}

static bool parse_sees(struct parser *p, const struct token *word, struct conf_filter *f)
{
    struct token t = parse_peek(p, 0);
    if (!parse_take_word(p, "original"))
        return parse_unexpected(p, &t, "a filter sees what the ones before it made of the message, or `sees original`",
                                "original");
    f->sees_original = true;
    f->sees_where = word->where;
    return true;
}

static bool parse_provide(struct parser *p, const struct token *word, struct conf_filter *f)
{
    static const char *const words[] = {"sendmail-macros", "stress", "trusted"};
    static const unsigned bits[] = {CONF_PROVIDE_SENDMAIL_MACROS, CONF_PROVIDE_STRESS, CONF_PROVIDE_TRUSTED};
    for (bool first = true;; first = false) {
        size_t i = 0;
        while (i < COUNT_OF(words) && !parse_take_word(p, words[i]))
            i++;
        if (i < COUNT_OF(words)) {
            f->provide |= bits[i];
            continue;
        }
        struct token t = parse_peek(p, 0);
        if (!first && !(t.kind == TOKEN_PUNCT && t.raw.ptr[0] == ','))
            break;
        const char *near = t.kind == TOKEN_WORD ? diag_suggest(t.text, words, COUNT_OF(words)) : NULL;
        return parse_unexpected(p, &t,
                                near     ? parse_text(p, "did you mean \"%s\"?", near)
                                : !first ? "they are parted by blanks"
                                         : NULL,
                                "sendmail-macros, stress or trusted");
    }
    f->provide_where = word->where;
    return true;
}

static bool parse_filter_setting(struct parser *p, const struct token *word, struct conf_filter *f)
{
    const struct settings_table *table = settings_filter();
    const struct setting *row = parse_row(p, table, &f->set, word);
    if (!row)
        return false;
    struct conf_where *origin = &f->origin[row - table->rows];
    if (origin->file)
        return parse_fail(p, word->where, NULL, "`%s` stands in this filter twice", row->name);
    *origin = word->where;
    return true;
}

/* ---- the block ---- */

static const struct {
    const char *word;
    bool (*parse)(struct parser *p, const struct token *word, struct conf_filter *f);
} words[] = {{"builtin", parse_builtin},
             {"connect", parse_connect},
             {"when", parse_when},
             {"sees", parse_sees},
             {"provide", parse_provide}};

static bool parse_part(struct parser *p, const struct token *t, struct conf_filter *f)
{
    const struct settings_table *table = settings_filter();
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq_nocase(t->text, slice_cstr(words[i].word))) {
            (void)parse_take(p, ':');
            return words[i].parse(p, t, f);
        }
    if (settings_find(table, t->text, SLICE_NONE) < table->count || settings_has_second(table, t->text))
        return parse_filter_setting(p, t, f);
    return parse_unknown(p, t, NAMES_FILTER, "word in a filter");
}

static bool parse_filter_body(struct parser *p, const struct token *word, struct conf_filter *f)
{
    for (;;) {
        struct token t = parse_peek(p, 0);
        if (parse_take(p, '}'))
            return true;
        if (!names_is_filter_word(t.text) && parse_brace_is_missing(p, &t, word))
            return false;
        if (t.kind != TOKEN_WORD)
            return parse_unexpected(p, &t, NULL, "`builtin`, `connect`, `when`, another word of a filter or `}`");
        (void)parse_next(p, 0);
        if (!parse_part(p, &t, f))
            return false;
    }
}

/* What runs in this process has no socket, no time-outs and needs no macros. */
static void check_builtin(struct parser *p, const struct conf_filter *f)
{
    static const char hint[] = "it is for filters that `connect` to another milter";
    const struct settings_table *table = settings_filter();
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].child_only && f->origin[i].file)
            (void)parse_fail(p, f->origin[i], hint, "`%s` means nothing in a builtin filter", table->rows[i].name);
    if (f->sees_original)
        (void)parse_fail(p, f->sees_where, hint, "`sees original` means nothing in a builtin filter");
    if (f->provide)
        (void)parse_fail(p, f->provide_where, hint, "`provide` means nothing in a builtin filter");
    if (f->when)
        (void)parse_known_at_rcpt(p, f->when);
    for (size_t i = 0; i < p->filters.count; i++) {
        if (!filter_at(p, i)->builtin)
            continue;
        (void)parse_fail(p, f->builtin_where, "one filter runs it; join the conditions with `or`",
                         "`builtin greylist` runs in filter \"%s\" already", filter_at(p, i)->name);
        break;
    }
}

/* ok: the block was read to its end. */
static void check_filter(struct parser *p, const struct token *word, const struct conf_filter *f, bool ok)
{
    if (ok && !f->builtin && !f->connect)
        (void)parse_fail(p, word->where, "write `connect \"unix:/path\"` or `builtin greylist` into it",
                         "filter \"%s\" has nothing to run", f->name);
    if (f->builtin && f->connect)
        (void)parse_fail(p, f->connect_where, "write two filters",
                         "filter \"%s\" runs `builtin greylist`: it cannot `connect` too", f->name);
    else if (f->builtin)
        check_builtin(p, f);
}

bool parse_filter(struct parser *p, const struct token *word)
{
    struct token name, t;
    struct conf_filter f = {.where = word->where};
    settings_defaults(settings_filter(), &f.set);
    if (!parse_string(p, "the filter's name in quotes", &name))
        return false;
    f.name = arena_cstr(&p->c->arena, name.text);
    for (size_t i = 0; i < p->filters.count; i++)
        if (strcmp(filter_at(p, i)->name, f.name) == 0)
            return parse_fail(p, name.where, NULL, "there is a filter \"%s\" already, in %s:%u", f.name,
                              filter_at(p, i)->where.file, filter_at(p, i)->where.line);
    if (p->filters.count >= CONF_FILTERS_MAX)
        return parse_fail(p, word->where, NULL, "more than %d filters", CONF_FILTERS_MAX);
    t = parse_peek(p, 0);
    if (!parse_take(p, '{'))
        return parse_unexpected(p, &t, NULL, "`{`");
    p->in_braces = true;
    /* kept even when it is broken: its name is taken, and the file is not one without filters */
    bool ok = parse_filter_body(p, word, &f);
    check_filter(p, word, &f, ok);
    *(struct conf_filter *)parse_push(&p->filters, sizeof(f)) = f;
    return ok && parse_close_statement(p);
}
