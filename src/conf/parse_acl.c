/* parse_acl.c - racl and acl lines, and the one-clause lines that greylist.conf had before it had lists of rules. */
#include "base/mem.h"
#include "conf/parse.h"

#include <string.h>

enum option {
    OPTION_DELAY,
    OPTION_AUTOWHITE,
    OPTION_TARPIT_SCOPE,
    OPTION_CODE,
    OPTION_ECODE,
    OPTION_MSG,
    OPTION_REPORT,
    OPTION_NOLOG,
    OPTION_ADDHEADER,
    OPTION_MAX_
};

static const char *const option_words[] = {"delay", "autowhite", "tarpit_scope", "code",     "ecode",
                                           "msg",   "report",    "nolog",        "addheader"};

/* A line while it is read. */
struct line {
    struct conf_acl acl;
    unsigned seen;   /* bit an option */
    bool has_option; /* clauses are over */
    bool has_clause;
    bool negated; /* a `not` waits for its clause */
    struct conf_where not_where;
};

static enum option find_option(struct slice word)
{
    unsigned i = 0;
    while (i < OPTION_MAX_ && !slice_eq_nocase(word, slice_cstr(option_words[i])))
        i++;
    return (enum option)i;
}

/* ---- clauses ---- */

/* The tests that may stand in a line once. A regex is another than a plain value; rcpt may come again. */
static bool is_unique(const struct conf_term *term)
{
    return term->kind == CONF_TERM_TARPIT || (term->kind == CONF_TERM_ITEMS && term->item_kind != CONF_ITEM_RCPT);
}

/*
 * As milter-greylist has it: a second plain clause of a kind is an error, and so is a list behind a plain clause of its kind;
 * a list before it is not.
 */
static bool check_unique(struct parser *p, const struct conf_term *term, const struct token *word)
{
    for (size_t i = 0; is_unique(term) && i < p->clauses.count; i++) {
        const struct conf_term *other = &((struct conf_clause *)p->clauses.items)[i].term;
        if (other->kind == term->kind && other->item_kind == term->item_kind && !other->list &&
            other->item.is_regex == term->item.is_regex)
            return parse_fail(p, word->where, "put both into a list, or write two lines",
                              term->list ? "this line has `%s` already: a list of that type cannot follow"
                                         : "this line has `%s` already",
                              other->word);
    }
    return true;
}

/* row NULL: the word is the name of a condition. */
static bool parse_clause(struct parser *p, const struct token *word, const struct terms_row *row,
                         const struct conf_condition *condition, struct line *line)
{
    struct conf_clause clause = {.where = word->where, .negated = line->negated};
    if (line->has_option)
        return parse_fail(p, word->where, "move it before the first option",
                          "`%.*s` is a clause: clauses stand before options", SLICE_ARG(word->text));
    if (line->acl.is_default)
        return parse_fail(p, word->where, NULL, "`default` stands alone: it matches everything");
    if (row && row->kind == CONF_TERM_TARPIT && line->acl.action == CONF_CONTINUE)
        return parse_fail(p, word->where,
                          "a `whitelist` line holds and then lets in, a `greylist` line holds and then greylists",
                          "a `continue` line cannot hold");
    clause.term = condition ? parse_term_of_condition(condition) : (struct conf_term){.kind = row->kind, .word = row->word};
    if (!parse_term_known_at_rcpt(p, &clause.term, word->where))
        return false;
    if ((row && !parse_term(p, word, row, &clause.term)) || !check_unique(p, &clause.term, word))
        return false;
    *(struct conf_clause *)parse_push(&p->clauses, sizeof(clause)) = clause;
    line->negated = false;
    line->has_clause = true;
    return true;
}

/* ---- options ---- */

/* "451" and "4.7.1": a text of another form would make the MTA answer something of its own. */
static bool parse_code(struct parser *p, bool enhanced, const char **out)
{
    struct token t;
    if (!parse_string(p, enhanced ? "an enhanced status code in quotes" : "a reply code in quotes", &t))
        return false;
    struct slice rest = t.text;
    bool ok = t.text.ptr[0] == '4' || t.text.ptr[0] == '5';
    if (enhanced) { /* RFC 3463: class "." subject "." detail, the last two of one to three digits */
        for (unsigned i = 0; i < 3; i++) {
            struct slice part = slice_cut(&rest, '.');
            uint64_t n;
            ok = ok && part.len >= 1 && part.len <= (i ? 3 : 1) && slice_to_u64(part, &n) == ERR_NONE;
        }
        ok = ok && !rest.ptr;
    } else {
        uint64_t n;
        ok = ok && t.text.len == 3 && slice_to_u64(t.text, &n) == ERR_NONE;
    }
    if (!ok)
        return parse_fail(p, t.where, enhanced ? "it is written like \"4.7.1\"" : "it is written like \"451\"",
                          enhanced ? "this is no enhanced status code of class 4 or 5"
                                   : "this is no reply code of class 4 or 5");
    *out = arena_cstr(&p->c->arena, t.text);
    return true;
}

static bool parse_format(struct parser *p, const char **out, struct conf_where *where)
{
    struct token t = parse_peek(p, 0);
    if (t.kind != TOKEN_STRING)
        return parse_unexpected(p, &t, NULL, "a text in quotes");
    (void)parse_next(p, 0);
    *out = arena_cstr(&p->c->arena, t.text);
    *where = t.where;
    where->column++;
    where->width = t.text.len ? (uint32_t)t.text.len : 1;
    return true;
}

static bool parse_addheader(struct parser *p)
{
    struct conf_header h = {.index = -1};
    if (!parse_format(p, &h.text, &h.where))
        return false;
    struct slice value = slice_cstr(h.text), name = slice_cut(&value, ':');
    bool ok = value.ptr && name.len;
    for (size_t i = 0; i < name.len; i++) /* RFC 5322 2.2 */
        ok = ok && name.ptr[i] > ' ' && name.ptr[i] < 0x7f;
    if (!ok)
        return parse_fail(p, h.where, "it is written \"Name: value\"", "this is no header");
    if (parse_take(p, ',') && !parse_number(p, "the index of addheader", NULL, 0, INT32_MAX, &h.index))
        return false;
    *(struct conf_header *)parse_push(&p->headers, sizeof(h)) = h;
    return true;
}

static bool parse_option(struct parser *p, const struct token *word, enum option option, struct line *line)
{
    struct conf_acl *acl = &line->acl;
    line->has_option = true;
    if (option != OPTION_ADDHEADER && (line->seen & 1u << option))
        return parse_fail(p, word->where, NULL, "`%s` stands in this line twice", option_words[option]);
    line->seen |= 1u << option;
    (void)parse_take(p, ':');
    switch (option) {
    case OPTION_DELAY:
        return parse_time(p, "delay", NULL, 0, INT32_MAX, true, &acl->delay_sec);
    case OPTION_AUTOWHITE:
        return parse_time(p, "autowhite", NULL, 0, INT32_MAX, true, &acl->autowhite_sec);
    case OPTION_TARPIT_SCOPE:
        return parse_choice(p, "tarpit_scope",
                            settings_row(settings_find(settings_global(), SLICE_LIT("tarpit_scope"), SLICE_NONE))->words,
                            &acl->tarpit_scope);
    case OPTION_CODE:
        return parse_code(p, false, &acl->code);
    case OPTION_ECODE:
        return parse_code(p, true, &acl->ecode);
    case OPTION_MSG:
        return parse_format(p, &acl->msg, &acl->msg_where);
    case OPTION_REPORT:
        return parse_format(p, &acl->report, &acl->report_where);
    case OPTION_ADDHEADER:
        return parse_addheader(p);
    case OPTION_NOLOG:
        acl->nolog = true;
        return true;
    case OPTION_MAX_:
        break;
    }
    return false;
}

/* ---- lines ---- */

static bool parse_default(struct parser *p, const struct token *word, struct line *line)
{
    if (line->has_clause || line->acl.is_default || line->negated || line->has_option)
        return parse_fail(p, word->where, NULL, "`default` stands alone, before the options: it matches everything");
    line->acl.is_default = true;
    return true;
}

/* One word of the line and what belongs to it. */
static bool parse_part(struct parser *p, struct line *line)
{
    struct token t = parse_peek(p, 0);
    bool bang = t.kind == TOKEN_PUNCT && t.raw.ptr[0] == '!';
    if (t.kind == TOKEN_PUNCT && (t.raw.ptr[0] == '$' || t.raw.ptr[0] == '*'))
        return parse_fail(p, t.where, "take the line out if you can do without it",
                          "properties (`$name`) are known but not supported by this version: the rule would "
                          "not be in force");
    const struct conf_condition *condition = parse_find_condition(p, &t);
    if (t.kind != TOKEN_WORD && !bang && !condition)
        return parse_unexpected(p, &t, NULL, "a clause or an option");
    (void)parse_next(p, 0);
    if (bang || slice_eq_nocase(t.text, SLICE_LIT("not")) || slice_eq_nocase(t.text, SLICE_LIT("no"))) {
        if (line->has_option || line->acl.is_default)
            return parse_fail(p, t.where, NULL, "`not` stands before a clause");
        line->negated = true; /* twice is still negated */
        line->not_where = t.where;
        return true;
    }
    if (t.kind == TOKEN_STRING)
        return parse_clause(p, &t, NULL, condition, line);
    if (slice_eq_nocase(t.text, SLICE_LIT("default")))
        return parse_default(p, &t, line);
    const struct terms_row *row = terms_find(t.text, TERMS_RACL);
    if (row)
        return parse_clause(p, &t, row, NULL, line);
    enum option option = find_option(t.text);
    if (option != OPTION_MAX_)
        return parse_option(p, &t, option, line);
    if (condition)
        return parse_clause(p, &t, NULL, condition, line);
    return parse_unknown(p, &t, NAMES_CLAUSE | NAMES_OPTION, "clause or option");
}

static void finish_line(struct parser *p, const struct token *word, struct line *line, struct parse_vec *acls)
{
    struct conf_acl *acl = &line->acl;
    if (line->negated)
        diags_add(p->diags, DIAG_WARNING, line->not_where, NULL,
                  line->has_clause ? "this `not` has no clause behind it and means nothing"
                                   : "this `not` has no clause behind it: the line matches everything");
    if (acl->code && acl->ecode && acl->code[0] != acl->ecode[0])
        diags_add(p->diags, DIAG_WARNING, word->where, NULL,
                  "code \"%s\" and ecode \"%s\" are of different classes: ecode will be left out", acl->code, acl->ecode);
    if (acl->code && acl->code[0] == '5' && acl->action == CONF_GREYLIST)
        diags_add(p->diags, DIAG_WARNING, word->where, NULL,
                  "greylisting never answers \"%s\": only codes of class 4 are used for it", acl->code);
    acl->clauses = parse_keep(p, &p->clauses, sizeof(*acl->clauses));
    acl->n_clauses = p->clauses.count;
    acl->headers = parse_keep(p, &p->headers, sizeof(*acl->headers));
    acl->n_headers = p->headers.count;
    *(struct conf_acl *)parse_push(acls, sizeof(*acl)) = *acl;
}

static struct line new_line(struct parser *p, const struct token *word)
{
    p->clauses.count = p->headers.count = 0;
    return (struct line){
        .acl = {.where = word->where, .action = CONF_WHITELIST, .delay_sec = -1, .autowhite_sec = -1, .tarpit_scope = -1}};
}

static bool parse_action(struct parser *p, const struct token *word, struct line *line)
{
    static const char *const actions[] = {[CONF_GREYLIST] = "greylist",
                                          [CONF_WHITELIST] = "whitelist",
                                          [CONF_BLACKLIST] = "blacklist",
                                          [CONF_CONTINUE] = "continue"};
    bool is_old = slice_eq_nocase(word->text, SLICE_LIT("acl"));
    struct token t = parse_peek(p, 0);
    if (t.kind == TOKEN_STRING) {
        if (is_old)
            return parse_fail(p, t.where, "write `racl`", "an `acl` line has no id");
        line->acl.id = arena_cstr(&p->c->arena, t.text);
        (void)parse_next(p, 0);
        t = parse_peek(p, 0);
    }
    for (unsigned i = 0; i < COUNT_OF(actions); i++)
        if (parse_take_word(p, actions[i])) {
            line->acl.action = (enum conf_action)i;
            (void)parse_take(p, ':');
            if (is_old && i == CONF_CONTINUE)
                return parse_fail(p, t.where, "write `racl`", "an `acl` line cannot continue");
            return true;
        }
    const char *near = t.kind == TOKEN_WORD ? diag_suggest(t.text, actions, COUNT_OF(actions)) : NULL;
    return parse_unexpected(p, &t, near ? parse_text(p, "did you mean \"%s\"?", near) : NULL,
                            "greylist, whitelist, blacklist or continue");
}

bool parse_acl(struct parser *p, const struct token *word)
{
    struct line line = new_line(p, word);
    if (!parse_action(p, word, &line))
        return false;
    for (;;) {
        struct token t = parse_peek(p, 0);
        if (t.kind == TOKEN_NEWLINE || t.kind == TOKEN_END) {
            bool empty = !line.has_clause && !line.acl.is_default && !line.negated;
            if (empty)
                return parse_unexpected(p, &t, "for everybody write `default`", "a clause or `default`");
            break;
        }
        if (!parse_part(p, &line))
            return false;
    }
    if (!parse_end(p, &line.acl.line))
        return false;
    finish_line(p, word, &line, &p->acls);
    return true;
}

bool parse_legacy(struct parser *p, const struct token *word)
{
    struct line line = new_line(p, word);
    if (!parse_clause(p, word, terms_find(word->text, TERMS_RACL), NULL, &line) || !parse_end(p, &line.acl.line))
        return false;
    finish_line(p, word, &line, &p->legacy);
    return true;
}
