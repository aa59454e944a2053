/* print_expr.c - strings, regexes, items and expressions in canonical form. */
#include "conf/parse.h"
#include "conf/print.h"
#include "conf/print_parts.h"

#include <inttypes.h>
#include <string.h>

void print_end_backslash(struct buf *out, bool one_line)
{
    if (!one_line && out->len >= 2 && out->ptr[out->len - 2] == '\\')
        buf_put_cstr(out, " \\\n   ");
}

void print_string(const char *text, struct buf *out, bool one_line)
{
    buf_printf(out, "\"%s\"", text);
    print_end_backslash(out, one_line);
}

void print_regex(const struct conf_regex *re, struct buf *out, bool one_line)
{
    buf_put_byte(out, '/');
    for (size_t i = 0; i < re->source.len; i++) {
        if (re->source.ptr[i] == '/')
            buf_put_byte(out, '\\');
        buf_put_byte(out, re->source.ptr[i]);
    }
    buf_put_byte(out, '/');
    print_end_backslash(out, one_line);
}

/* An end of a name that would else be read back as whole labels. A dot at its beginning makes it both. */
static bool needs_star(const struct conf_item *item)
{
    return item->file && item->file->differs && !slice_has_prefix(item->text, ".");
}

void print_item(enum conf_item_kind kind, const struct conf_item *item, struct buf *out, bool one_line)
{
    char ip[IP_TEXT_MAX];
    if (!item->is_regex && (item->is_end || needs_star(item)))
        buf_put_byte(out, '*');
    if (item->is_regex)
        print_regex(&item->regex, out, one_line);
    else if (kind == CONF_ITEM_ADDR)
        buf_printf(out, "%s/%u", ip_format(&item->net, ip), item->bits);
    else if (kind == CONF_ITEM_HELO || (kind == CONF_ITEM_DOMAIN && names_is_statement(item->text)))
        print_string(item->text.ptr, out, one_line); /* a keyword at a line's start in braces reads as a missing brace */
    else
        buf_put_slice(out, item->text);
}

/* ---- terms ---- */

/* Bare where the lexer sees one word in it, and where no other word of the place can be meant. */
static void print_condition_name(const char *name, struct buf *out, bool one_line)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (slice_trim(slice_cstr(name), letters).len == 0 && !names_is_word(slice_cstr(name), NAMES_OPTION | NAMES_CLAUSE))
        buf_put_cstr(out, name);
    else
        print_string(name, out, one_line);
}

static void print_items(const struct conf_term *term, struct buf *out, bool one_line)
{
    if (term->list)
        print_string(term->list->name, out, one_line);
    else
        print_item(term->item_kind, &term->item, out, one_line);
}

static const char *result_word(enum conf_result result)
{
    static const char *const words[] = {
        [CONF_RESULT_ACCEPT] = "accept", [CONF_RESULT_CONTINUE] = "continue", [CONF_RESULT_TEMPFAIL] = "tempfail",
        [CONF_RESULT_REJECT] = "reject", [CONF_RESULT_DISCARD] = "discard",   [CONF_RESULT_QUARANTINE] = "quarantine",
        [CONF_RESULT_FAILED] = "failed", [CONF_RESULT_ASKED] = "asked"};
    return words[result];
}

/* The text or regex behind a name, where there is one. */
static void print_value(const struct conf_item *item, struct buf *out, bool one_line)
{
    if (!item->where.file)
        return;
    buf_put_byte(out, ' ');
    if (item->is_regex)
        print_regex(&item->regex, out, one_line);
    else
        print_string(item->text.ptr, out, one_line);
}

/* `name`, in quotes, and what may stand behind it. */
static void print_named(const struct conf_term *term, struct buf *out, bool one_line)
{
    if (!term->name)
        return;
    buf_put_byte(out, ' ');
    print_string(term->name, out, one_line);
}

static void print_operand(const struct conf_term *term, struct buf *out, bool one_line)
{
    static const char *const compares[] = {
        [CONF_LESS] = "<", [CONF_LESS_OR_EQUAL] = "<=", [CONF_MORE] = ">", [CONF_MORE_OR_EQUAL] = ">="};
    switch (terms_operand(term->kind)) {
    case OPERAND_NONE:
        return;
    case OPERAND_ITEM:
    case OPERAND_LIST:
        buf_put_byte(out, ' ');
        print_items(term, out, one_line);
        return;
    case OPERAND_RECIPIENTS:
        buf_printf(out, " %s ", term->list ? "list" : conf_kind_word(term->item_kind));
        print_items(term, out, one_line);
        return;
    case OPERAND_SESSIONS:
        if (term->number >= 0)
            buf_printf(out, " %" PRId64, term->number);
        return;
    case OPERAND_SIZE:
        buf_printf(out, " %s %" PRId64, compares[term->compare], term->number);
        return;
    case OPERAND_TIME:
        buf_printf(out, " \"%s\"", term->time_text);
        return;
    case OPERAND_DURATION:
        buf_put_byte(out, ' ');
        settings_put_time(term->number, out);
        return;
    case OPERAND_DNSBL:
    case OPERAND_HEADER:
    case OPERAND_MACRO:
    case OPERAND_REGEX:
        print_named(term, out, one_line);
        print_value(&term->item, out, one_line);
        return;
    case OPERAND_FILTER:
        print_named(term, out, one_line);
        buf_printf(out, " %s", result_word(term->result));
        return;
    }
}

void print_term(const struct conf_term *term, struct buf *out, bool one_line)
{
    if (term->kind == CONF_TERM_CONDITION) {
        print_condition_name(term->name, out, one_line);
        return;
    }
    buf_put_cstr(out, term->word);
    print_operand(term, out, one_line);
}

const struct conf_regex *print_term_regex(const struct conf_term *term)
{
    return term->item.is_regex ? &term->item.regex : NULL;
}

/* ---- expressions ---- */

static int binding(const struct conf_expr *e)
{
    return e->op == CONF_EXPR_OR ? 1 : e->op == CONF_EXPR_AND ? 2 : 3;
}

static void print_side(const struct conf_expr *e, int at_least, struct buf *out, bool one_line)
{
    bool parens = binding(e) < at_least;
    if (parens)
        buf_put_byte(out, '(');
    print_expr(e, out, one_line);
    if (parens)
        buf_put_byte(out, ')');
}

void print_expr(const struct conf_expr *e, struct buf *out, bool one_line)
{
    switch (e->op) {
    case CONF_EXPR_TERM:
        print_term(&e->term, out, one_line);
        break;
    case CONF_EXPR_NOT:
        buf_put_cstr(out, "not ");
        print_side(e->left, 3, out, one_line);
        break;
    case CONF_EXPR_AND:
    case CONF_EXPR_OR:
        print_side(e->left, binding(e), out, one_line);
        buf_put_cstr(out, e->op == CONF_EXPR_AND ? " and " : " or ");
        print_side(e->right, binding(e) + 1, out, one_line);
        break;
    }
}

void conf_print_expr(const struct conf_expr *e, struct buf *out)
{
    print_expr(e, out, true);
}

const struct conf_regex *print_expr_regex(const struct conf_expr *e)
{
    if (e->op != CONF_EXPR_TERM) {
        const struct conf_regex *re = print_expr_regex(e->left);
        return re || e->op == CONF_EXPR_NOT ? re : print_expr_regex(e->right);
    }
    return print_term_regex(&e->term);
}
