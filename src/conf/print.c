/*
 * print.c - the configuration in canonical form. What is printed parses back to the same; where the language has a trap (a string
 * that ends in a backslash, a regex meant as basic or extended), this file steps round it.
 */
#include "conf/print.h"
#include "conf/parse.h"

#include <inttypes.h>
#include <string.h>

enum { ORIGIN_COLUMN = 40 };

struct printer {
    const struct conf *c;
    struct buf *out;
    bool extended; /* how the next regex would be read */
};

/* ---- small parts ---- */

static void put_origin(const struct conf_where *w, struct buf *out)
{
    if (!w->file) {
        buf_put_cstr(out, "# default\n");
        return;
    }
    buf_put_cstr(out, "# ");
    for (const char *s = w->file; *s; s++) /* a newline in the name would end the comment */
        buf_put_byte(out, (uint8_t)*s < 0x20 || *s == 0x7f ? '?' : *s);
    buf_printf(out, ":%u\n", w->line);
}

/*
 * A quote behind a backslash ends a string only when no other follows on the line: so what ends in a backslash must be the last
 * of its line. one_line: it is for a reader, not for the parser.
 */
static void end_backslash(struct buf *out, bool one_line)
{
    if (!one_line && out->len >= 2 && out->ptr[out->len - 2] == '\\')
        buf_put_cstr(out, " \\\n   ");
}

static void put_string(const char *text, struct buf *out, bool one_line)
{
    buf_printf(out, "\"%s\"", text);
    end_backslash(out, one_line);
}

static void put_regex(const struct conf_regex *re, struct buf *out, bool one_line)
{
    buf_put_byte(out, '/');
    for (size_t i = 0; i < re->source.len; i++) {
        if (re->source.ptr[i] == '/')
            buf_put_byte(out, '\\');
        buf_put_byte(out, re->source.ptr[i]);
    }
    buf_put_byte(out, '/');
    end_backslash(out, one_line);
}

static void put_item(enum conf_clause_kind kind, const struct conf_item *item, struct buf *out, bool one_line)
{
    char ip[IP_TEXT_MAX];
    if (item->is_regex)
        put_regex(&item->regex, out, one_line);
    else if (kind == CONF_CLAUSE_ADDR)
        buf_printf(out, "%s/%u", ip_format(&item->net, ip), item->bits);
    else if (kind == CONF_CLAUSE_HELO || (kind == CONF_CLAUSE_DOMAIN && names_is_statement(item->text)))
        put_string(item->text.ptr, out, one_line); /* a keyword at a line's start in braces reads as a missing brace */
    else
        buf_put_slice(out, item->text);
}

/* ---- ACL lines ---- */

static void put_clause(const struct conf_clause *clause, struct buf *out, bool one_line)
{
    buf_printf(out, "%s%s ", clause->negated ? " not " : " ", conf_kind_word(clause->kind));
    if (clause->kind == CONF_CLAUSE_LIST)
        put_string(clause->list->name, out, one_line);
    else if (clause->kind == CONF_CLAUSE_TARPIT)
        settings_put_time(clause->tarpit_sec, out);
    else
        put_item(clause->kind, &clause->item, out, one_line);
}

static void put_time_option(const char *word, int64_t sec, struct buf *out)
{
    if (sec < 0)
        return;
    buf_printf(out, " %s ", word);
    settings_put_time(sec, out);
}

static void put_string_option(const char *word, const char *text, struct buf *out, bool one_line)
{
    if (!text)
        return;
    buf_printf(out, " %s ", word);
    put_string(text, out, one_line);
}

static void put_acl(const struct conf_acl *acl, struct buf *out, bool one_line)
{
    static const char *const actions[] = {[CONF_GREYLIST] = "greylist",
                                          [CONF_WHITELIST] = "whitelist",
                                          [CONF_BLACKLIST] = "blacklist",
                                          [CONF_CONTINUE] = "continue"};
    buf_put_cstr(out, "racl");
    if (acl->id) {
        buf_put_byte(out, ' ');
        put_string(acl->id, out, one_line);
    }
    buf_printf(out, " %s", actions[acl->action]);
    for (size_t i = 0; i < acl->n_clauses; i++)
        put_clause(&acl->clauses[i], out, one_line);
    if (acl->n_clauses == 0)
        buf_put_cstr(out, acl->is_default ? " default" : " not");
    put_time_option("delay", acl->delay_sec, out);
    put_time_option("autowhite", acl->autowhite_sec, out);
    if (acl->tarpit_scope >= 0)
        buf_printf(out, " tarpit_scope %s", acl->tarpit_scope == CONF_SCOPE_SESSION ? "session" : "comand");
    put_string_option("code", acl->code, out, one_line);
    put_string_option("ecode", acl->ecode, out, one_line);
    put_string_option("msg", acl->msg, out, one_line);
    put_string_option("report", acl->report, out, one_line);
    if (acl->nolog)
        buf_put_cstr(out, " nolog");
    for (size_t i = 0; i < acl->n_headers; i++) {
        put_string_option("addheader", acl->headers[i].text, out, one_line);
        if (acl->headers[i].index >= 0)
            buf_printf(out, ", %" PRId64, acl->headers[i].index);
    }
}

void conf_print_acl(const struct conf_acl *acl, struct buf *out)
{
    put_acl(acl, out, true);
}

/* ---- expressions ---- */

static int binding(const struct conf_expr *e)
{
    return e->op == CONF_EXPR_OR ? 1 : e->op == CONF_EXPR_AND ? 2 : 3;
}

static void put_operand(const struct conf_expr *e, int at_least, struct buf *out)
{
    bool parens = binding(e) < at_least;
    if (parens)
        buf_put_byte(out, '(');
    conf_print_expr(e, out);
    if (parens)
        buf_put_byte(out, ')');
}

void conf_print_expr(const struct conf_expr *e, struct buf *out)
{
    switch (e->op) {
    case CONF_EXPR_TERM:
        buf_put_cstr(out, e->name);
        break;
    case CONF_EXPR_NOT:
        buf_put_cstr(out, "not ");
        put_operand(e->left, 3, out);
        break;
    case CONF_EXPR_AND:
    case CONF_EXPR_OR:
        put_operand(e->left, binding(e), out);
        buf_put_cstr(out, e->op == CONF_EXPR_AND ? " and " : " or ");
        put_operand(e->right, binding(e) + 1, out);
        break;
    }
}

/* ---- the whole ---- */

static void want_extended(struct printer *p, const struct conf_regex *re)
{
    if (re->extended == p->extended)
        return;
    p->extended = re->extended;
    buf_printf(p->out, "extendedregex %s\n", p->extended ? "yes" : "no");
}

static void put_settings(struct printer *p)
{
    for (size_t i = 0; i < settings_count(); i++) {
        const struct setting *row = settings_row(i);
        if (row->offset == offsetof(struct conf_settings, extendedregex))
            continue; /* stands where it is needed, and at the end */
        size_t from = p->out->len;
        settings_put(&p->c->set, row, p->out);
        end_backslash(p->out, false);
        do
            buf_put_byte(p->out, ' ');
        while (p->out->len < from + ORIGIN_COLUMN);
        put_origin(&p->c->origin[i], p->out);
    }
}

static void put_listens(struct printer *p)
{
    for (size_t i = 0; i < p->c->n_listens; i++) {
        const struct conf_listen *l = &p->c->listens[i];
        buf_put_byte(p->out, '\n');
        put_origin(&l->where, p->out);
        buf_put_cstr(p->out, "listen ");
        put_string(l->address, p->out, false);
        if (l->mode >= 0)
            buf_printf(p->out, " mode %03" PRIo64, (uint64_t)l->mode);
        if (l->group) {
            buf_put_cstr(p->out, " group ");
            put_string(l->group, p->out, false);
        }
        buf_put_byte(p->out, '\n');
    }
}

static void put_lists(struct printer *p)
{
    for (size_t i = 0; i < p->c->n_lists; i++) {
        const struct conf_list *l = p->c->lists[i];
        buf_put_byte(p->out, '\n');
        put_origin(&l->where, p->out);
        for (size_t k = 0; k < l->n_items; k++) /* one statement: all its regexes are of one sort */
            if (l->items[k].is_regex)
                want_extended(p, &l->items[k].regex);
        buf_put_cstr(p->out, "list ");
        put_string(l->name, p->out, false);
        buf_printf(p->out, " %s {\n", conf_kind_word(l->kind));
        for (size_t k = 0; k < l->n_items; k++) {
            buf_put_cstr(p->out, "    ");
            put_item(l->kind, &l->items[k], p->out, false);
            buf_put_byte(p->out, '\n');
        }
        buf_put_cstr(p->out, "}\n");
    }
}

static void put_s25r(struct printer *p, const char *which, const struct conf_s25r_entry *entries, size_t n,
                     const struct conf_where *where)
{
    buf_put_byte(p->out, '\n');
    put_origin(where, p->out);
    if (n && entries[0].is_regex)
        want_extended(p, &entries[0].regex);
    buf_printf(p->out, "s25r %s {\n", which);
    for (size_t i = 0; i < n; i++) {
        const struct conf_s25r_entry *e = &entries[i];
        if (e->is_regex && e->regex.extended != p->extended) {
            buf_put_cstr(p->out, "}\n");
            want_extended(p, &e->regex);
            buf_printf(p->out, "s25r %s add {\n", which);
        }
        size_t from = p->out->len;
        buf_put_cstr(p->out, "    ");
        if (e->is_regex)
            put_regex(&e->regex, p->out, false);
        else
            put_string(e->text.ptr, p->out, false);
        do
            buf_put_byte(p->out, ' ');
        while (p->out->len < from + ORIGIN_COLUMN);
        put_origin(&e->where, p->out);
    }
    buf_put_cstr(p->out, "}\n");
}

static void put_filters(struct printer *p)
{
    if (p->c->n_filters == 0)
        buf_put_cstr(p->out, "\n# no filter block: the greylist filter is asked about every session\n");
    for (size_t i = 0; i < p->c->n_filters; i++) {
        const struct conf_filter *f = &p->c->filters[i];
        buf_put_byte(p->out, '\n');
        put_origin(&f->where, p->out);
        buf_put_cstr(p->out, "filter ");
        put_string(f->name, p->out, false);
        buf_put_cstr(p->out, " {\n");
        if (f->builtin)
            buf_printf(p->out, "    builtin %s\n", f->builtin);
        if (f->when) {
            buf_put_cstr(p->out, "    when ");
            conf_print_expr(f->when, p->out);
            buf_put_byte(p->out, '\n');
        }
        buf_put_cstr(p->out, "}\n");
    }
}

static void put_acls(struct printer *p)
{
    for (size_t i = 0; i < p->c->n_acls; i++) {
        const struct conf_acl *acl = &p->c->acls[i];
        buf_put_byte(p->out, '\n');
        put_origin(&acl->where, p->out);
        for (size_t k = 0; k < acl->n_clauses; k++)
            if (acl->clauses[k].kind < CONF_CLAUSE_LIST && acl->clauses[k].item.is_regex)
                want_extended(p, &acl->clauses[k].item.regex);
        put_acl(acl, p->out, false);
        buf_put_byte(p->out, '\n');
    }
}

void conf_print(const struct conf *c, struct buf *out)
{
    struct printer p = {.c = c, .out = out};
    size_t row = settings_find(SLICE_LIT("extendedregex"), SLICE_NONE);
    put_settings(&p);
    put_listens(&p);
    put_lists(&p);
    put_s25r(&p, "whitelist", c->s25r_white, c->n_s25r_white, &c->s25r_white_where);
    put_s25r(&p, "blacklist", c->s25r_black, c->n_s25r_black, &c->s25r_black_where);
    put_filters(&p);
    put_acls(&p);
    buf_put_byte(out, '\n');
    put_origin(&c->origin[row], out);
    buf_printf(out, "extendedregex %s\n", c->set.extendedregex ? "yes" : "no");
}
