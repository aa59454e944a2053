/* parse_term.c - what stands behind the word of a test, in a racl line as in an expression. */
#include "base/mem.h"
#include "conf/parse.h"

#include <stdlib.h>
#include <string.h>

static const int64_t MSGSIZE_MAX_BYTES = (int64_t)1 << 40;

enum {
    TARPIT_MAX_SEC = 86400,
    RCPT_PATIENCE_SEC = 300, /* RFC 5321 4.5.3.2.3: a sender waits five minutes for the reply to RCPT */
};

/* ---- items ---- */

/* A list that could not be read, so that its use is no second error. */
static const struct conf_list *unread_list(struct parser *p)
{
    struct conf_list *list = arena_zalloc(&p->c->arena, sizeof(*list));
    list->name = "";
    list->kind = CONF_ITEM_RCPT;
    return list;
}

static bool parse_list_term(struct parser *p, struct conf_term *term)
{
    bool bad = false;
    term->list = parse_list_name(p, &bad);
    if (bad)
        term->list = unread_list(p);
    if (term->list)
        term->item_kind = term->list->kind;
    return term->list != NULL;
}

static bool parse_every(struct parser *p, struct conf_term *term)
{
    struct token t = parse_peek(p, 0), name;
    bool is_list = parse_take_word(p, "list");
    if (!is_list && !parse_take_word(p, "rcpt"))
        return parse_unexpected(p, &t, NULL, "`rcpt` or `list`: what every recipient is to be");
    (void)parse_take(p, ':');
    name = parse_peek(p, 0);
    if (is_list ? !parse_list_term(p, term) : !parse_item(p, CONF_ITEM_RCPT, &term->item))
        return false;
    if (is_list && term->list->kind != CONF_ITEM_RCPT)
        return parse_fail(p, name.where, "only a message's recipients are several",
                          "list \"%s\" is one of `%s`, not of `rcpt`", term->list->name, conf_kind_word(term->list->kind));
    return true;
}

/* ---- names that stand in quotes ---- */

/* The list of names is borrowed; near: what to say when none is. */
static bool fail_no_such(struct parser *p, const struct token *name, const char *what, const char **names, size_t n,
                         const char *far)
{
    const char *near = diag_suggest(name->text, names, n);
    free(names);
    return parse_fail(p, name->where, near ? parse_text(p, "did you mean \"%s\"?", near) : far,
                      "there is no %s \"%.*s\" above", what, SLICE_ARG(slice_upto(name->text, 60)));
}

static bool parse_dnsbl(struct parser *p, const struct token *word, struct conf_term *term)
{
    static const char how[] = "it is written: dnsrbl \"name\" zen.spamhaus.org 127.0.0.0/8";
    const struct conf_dnsbl *all = p->dnsbls.items;
    struct token t = parse_peek(p, 0);
    if (t.kind != TOKEN_STRING)
        return p->dnsbls.count > 0 || p->bad_names.count > 0 ||
               parse_fail(p, word->where, how, "there is no dnsrbl statement above");
    if (!parse_string(p, "the name of a dnsrbl in quotes", &t))
        return false;
    const char **names = mem_alloc((p->dnsbls.count + 1) * sizeof(*names));
    for (size_t i = 0; i < p->dnsbls.count; i++) {
        names[i] = all[i].name;
        if (slice_eq_cstr(t.text, all[i].name))
            term->name = all[i].name;
    }
    if (!term->name && parse_is_bad(p, "dnsrbl", t.text))
        term->name = "";
    if (!term->name)
        return fail_no_such(p, &t, "dnsrbl", names, p->dnsbls.count, how);
    free(names);
    return true;
}

static bool parse_filter_result(struct parser *p, struct conf_term *term)
{
    static const struct setting_word results[] = {
        {"accept", CONF_RESULT_ACCEPT},         {"continue", CONF_RESULT_CONTINUE},
        {"tempfail", CONF_RESULT_TEMPFAIL},     {"temporary-failure", CONF_RESULT_TEMPFAIL},
        {"reject", CONF_RESULT_REJECT},         {"discard", CONF_RESULT_DISCARD},
        {"quarantine", CONF_RESULT_QUARANTINE}, {"failed", CONF_RESULT_FAILED},
        {"asked", CONF_RESULT_ASKED},           {NULL, 0}};
    const struct conf_filter *all = p->filters.items;
    struct token t;
    if (!parse_string(p, "the name of a filter in quotes", &t))
        return false;
    const char **names = mem_alloc((p->filters.count + 1) * sizeof(*names));
    for (size_t i = 0; i < p->filters.count; i++) {
        names[i] = all[i].name;
        if (slice_eq_cstr(t.text, all[i].name)) {
            term->name = all[i].name;
            term->filter = (unsigned)i;
        }
    }
    if (!term->name)
        return fail_no_such(p, &t, "filter", names, p->filters.count, "only those before it in the file can be asked about");
    free(names);
    int64_t result = 0;
    if (!parse_choice(p, "what became of the filter", results, &result))
        return false;
    term->result = (enum conf_result)result;
    return true;
}

/* ---- the message, macros, sizes ---- */

static bool parse_regex_item(struct parser *p, struct conf_item *out)
{
    struct token t = parse_peek(p, LEX_REGEX);
    if (t.kind != TOKEN_REGEX)
        return parse_unexpected(p, &t, t.kind == TOKEN_STRING ? "write it between slashes" : NULL, "a /regular expression/");
    *out = (struct conf_item){.where = t.where, .is_regex = true, .regex = parse_regex(p, &t)};
    (void)parse_next(p, LEX_REGEX);
    return true;
}

static bool parse_header(struct parser *p, struct conf_term *term)
{
    struct token t;
    if (!parse_string(p, "a header's name in quotes", &t))
        return false;
    bool ok = true;
    for (size_t i = 0; i < t.text.len; i++) /* RFC 5322 2.2 */
        ok = ok && t.text.ptr[i] > ' ' && t.text.ptr[i] < 0x7f && t.text.ptr[i] != ':';
    if (!ok)
        return parse_fail(p, t.where, "it is written header \"Subject\" /regex/: the name alone in quotes, no colon",
                          "this is no header's name");
    term->name = arena_cstr(&p->c->arena, t.text);
    t = parse_peek(p, LEX_REGEX);
    bool more = t.kind == TOKEN_REGEX || t.kind == TOKEN_STRING || (t.kind == TOKEN_BAD && t.raw.ptr[0] == '/');
    return !more || parse_regex_item(p, &term->item);
}

/* A macro is known as "i" or as "{auth_type}": the braces make no difference to a reader. */
static bool parse_macro(struct parser *p, struct conf_term *term)
{
    struct token t;
    if (!parse_string(p, "a macro's name in quotes", &t))
        return false;
    struct slice name = t.text;
    if (name.len > 2 && name.ptr[0] == '{' && name.ptr[name.len - 1] == '}')
        name = slice_upto(slice_from(name, 1), name.len - 2);
    bool ok = true;
    for (size_t i = 0; i < name.len; i++)
        ok = ok && name.ptr[i] > ' ' && name.ptr[i] < 0x7f && !strchr("{}", name.ptr[i]);
    if (!ok)
        return parse_fail(p, t.where, "it is written macro \"{auth_type}\" or macro \"i\"", "this is no macro's name");
    term->name = name.len == 1 ? arena_cstr(&p->c->arena, name) : arena_printf(&p->c->arena, "{%.*s}", SLICE_ARG(name));
    t = parse_peek(p, LEX_REGEX);
    if (t.kind == TOKEN_REGEX || (t.kind == TOKEN_BAD && t.raw.ptr[0] == '/'))
        return parse_regex_item(p, &term->item);
    if (t.kind == TOKEN_STRING) {
        (void)parse_next(p, LEX_REGEX);
        term->item = (struct conf_item){.where = t.where, .text = arena_slice(&p->c->arena, t.text)};
    }
    return true;
}

static bool parse_msgsize(struct parser *p, struct conf_term *term)
{
    struct token t = parse_peek(p, 0);
    bool less = parse_take(p, '<');
    if (!less && !parse_take(p, '>'))
        return parse_unexpected(p, &t, "it is written msgsize > 10M", "`<`, `<=`, `>` or `>=`");
    bool or_equal = parse_take(p, '=');
    term->compare = less ? (or_equal ? CONF_LESS_OR_EQUAL : CONF_LESS) : (or_equal ? CONF_MORE_OR_EQUAL : CONF_MORE);
    return parse_number(p, "msgsize", NULL, 0, MSGSIZE_MAX_BYTES, &term->number);
}

static bool parse_stress(struct parser *p, struct conf_term *term)
{
    struct token t = parse_peek(p, 0);
    term->number = -1;
    if (t.kind != TOKEN_WORD || !(ascii_is_digit(t.text.ptr[0]) || t.text.ptr[0] == '-'))
        return true;
    return parse_number(p, "stress", NULL, 1, 10000000, &term->number);
}

static bool parse_time_of_day(struct parser *p, struct conf_term *term)
{
    struct token t;
    if (!parse_string(p, "a time in quotes, as crontab(5) has it", &t))
        return false;
    term->time_text = arena_cstr(&p->c->arena, t.text);
    return parse_crontab(p, &t, &term->time);
}

static bool parse_tarpit(struct parser *p, struct conf_term *term)
{
    struct token t = parse_peek(p, 0);
    if (!parse_time(p, "tarpit", NULL, 1, TARPIT_MAX_SEC, true, &term->number))
        return false;
    if (term->number > RCPT_PATIENCE_SEC)
        diags_add(p->diags, DIAG_WARNING, t.where, NULL,
                  "honest senders wait five minutes for a reply to RCPT (RFC 5321), not longer");
    return true;
}

/* ---- all of them ---- */

bool parse_term(struct parser *p, const struct token *w, const struct terms_row *row, struct conf_term *term)
{
    *term = (struct conf_term){.kind = row->kind, .word = row->word, .item_kind = row->items};
    (void)parse_take(p, ':');
    switch (row->operand) {
    case OPERAND_NONE:
        return true;
    case OPERAND_ITEM:
        return parse_item(p, row->items, &term->item);
    case OPERAND_LIST:
        return parse_list_term(p, term);
    case OPERAND_RECIPIENTS:
        return parse_every(p, term);
    case OPERAND_SESSIONS:
        return parse_stress(p, term);
    case OPERAND_DNSBL:
        return parse_dnsbl(p, w, term);
    case OPERAND_HEADER:
        return parse_header(p, term);
    case OPERAND_MACRO:
        return parse_macro(p, term);
    case OPERAND_REGEX:
        return parse_regex_item(p, &term->item);
    case OPERAND_SIZE:
        return parse_msgsize(p, term);
    case OPERAND_TIME:
        return parse_time_of_day(p, term);
    case OPERAND_FILTER:
        return parse_filter_result(p, term);
    case OPERAND_DURATION:
        return parse_tarpit(p, term);
    }
    PANIC("an operand of no kind");
}
