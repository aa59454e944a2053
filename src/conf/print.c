/*
 * print.c - the configuration in canonical form. What is printed parses back to the same: where a regex is meant as a basic or
 * an extended one, extendedregex is printed before it.
 */
#include "conf/print.h"
#include "conf/parse.h"
#include "conf/print_parts.h"

#include <inttypes.h>
#include <string.h>

enum { ORIGIN_COLUMN = 40 };

struct printer {
    const struct conf *c;
    struct buf *out;
    bool extended; /* how the next regex would be read */
};

/* ---- small parts ---- */

void print_origin(struct buf *out, const struct conf_where *w)
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

void print_padded_origin(struct buf *out, size_t from, const struct conf_where *where)
{
    do
        buf_put_byte(out, ' ');
    while (out->len < from + ORIGIN_COLUMN);
    print_origin(out, where);
}

/* ---- ACL lines ---- */

static void put_clause(const struct conf_clause *clause, struct buf *out, bool one_line)
{
    buf_put_cstr(out, clause->negated ? " not " : " ");
    print_term(&clause->term, out, one_line);
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
    print_string(text, out, one_line);
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
        print_string(acl->id, out, one_line);
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

/* ---- the whole ---- */

static void want_extended(struct printer *p, const struct conf_regex *re)
{
    if (re->extended == p->extended)
        return;
    p->extended = re->extended;
    buf_printf(p->out, "extendedregex %s\n", p->extended ? "yes" : "no");
}

static void pad_origin(struct printer *p, size_t from, const struct conf_where *where)
{
    print_end_backslash(p->out, false);
    print_padded_origin(p->out, from, where);
}

static void put_settings(struct printer *p)
{
    for (size_t i = 0; i < settings_count(); i++) {
        const struct setting *row = settings_row(i);
        if (row->offset == offsetof(struct conf_settings, extendedregex))
            continue; /* stands where it is needed, and at the end */
        size_t from = p->out->len;
        settings_put(&p->c->set, row, p->out);
        pad_origin(p, from, &p->c->origin[i]);
    }
}

static void put_listens(struct printer *p)
{
    for (size_t i = 0; i < p->c->n_listens; i++) {
        const struct conf_listen *l = &p->c->listens[i];
        buf_put_byte(p->out, '\n');
        print_origin(p->out, &l->where);
        buf_put_cstr(p->out, "listen ");
        print_string(l->address, p->out, false);
        if (l->mode >= 0)
            buf_printf(p->out, " mode %03" PRIo64, (uint64_t)l->mode);
        if (l->group) {
            buf_put_cstr(p->out, " group ");
            print_string(l->group, p->out, false);
        }
        buf_put_byte(p->out, '\n');
    }
}

static void put_lists(struct printer *p)
{
    for (size_t i = 0; i < p->c->n_lists; i++) {
        const struct conf_list *l = p->c->lists[i];
        buf_put_byte(p->out, '\n');
        print_origin(p->out, &l->where);
        for (size_t k = 0; k < l->n_items; k++) /* one statement: all its regexes are of one sort */
            if (l->items[k].is_regex)
                want_extended(p, &l->items[k].regex);
        buf_put_cstr(p->out, "list ");
        print_string(l->name, p->out, false);
        buf_printf(p->out, " %s {\n", conf_kind_word(l->kind));
        for (size_t k = 0; k < l->n_items; k++) {
            buf_put_cstr(p->out, "    ");
            print_item(l->kind, &l->items[k], p->out, false);
            buf_put_byte(p->out, '\n');
        }
        buf_put_cstr(p->out, "}\n");
    }
}

static void put_s25r(struct printer *p, const char *which, const struct conf_s25r_entry *entries, size_t n,
                     const struct conf_where *where)
{
    buf_put_byte(p->out, '\n');
    print_origin(p->out, where);
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
            print_regex(&e->regex, p->out, true);
        else
            print_string(e->text.ptr, p->out, true);
        pad_origin(p, from, &e->where);
    }
    buf_put_cstr(p->out, "}\n");
}

static void put_dnsbls(struct printer *p)
{
    char ip[IP_TEXT_MAX];
    for (size_t i = 0; i < p->c->n_dnsbls; i++) {
        const struct conf_dnsbl *d = &p->c->dnsbls[i];
        buf_put_byte(p->out, '\n');
        print_origin(p->out, &d->where);
        buf_put_cstr(p->out, "dnsrbl ");
        print_string(d->name, p->out, false);
        buf_printf(p->out, " \"%s\"", d->zone);
        for (size_t k = 0; k < d->n_answers; k++)
            buf_printf(p->out, " %s/%u", ip_format(&d->answers[k], ip), d->bits[k]);
        buf_put_byte(p->out, '\n');
    }
}

/* Statements that add up: where the sort of the regexes changes, one ends and the next begins. */
static void put_items(struct printer *p, const char *head, enum conf_item_kind kind, const struct conf_item *items, size_t n,
                      const struct conf_where *where)
{
    buf_put_byte(p->out, '\n');
    print_origin(p->out, where);
    if (n && items[0].is_regex)
        want_extended(p, &items[0].regex);
    buf_printf(p->out, "%s {\n", head);
    for (size_t i = 0; i < n; i++) {
        if (items[i].is_regex && items[i].regex.extended != p->extended) {
            buf_put_cstr(p->out, "}\n");
            want_extended(p, &items[i].regex);
            buf_printf(p->out, "%s {\n", head);
        }
        size_t from = p->out->len;
        buf_put_cstr(p->out, "    ");
        print_item(kind, &items[i], p->out, true);
        pad_origin(p, from, &items[i].where);
    }
    buf_put_cstr(p->out, "}\n");
}

/* What stands before the filters that come now, and in the file stood before them. */
static void put_conditions(struct printer *p, size_t *done, size_t n_filters)
{
    for (; *done < p->c->n_conditions && p->c->conditions[*done]->filters_above <= n_filters; ++*done) {
        const struct conf_condition *condition = p->c->conditions[*done];
        const struct conf_regex *re = print_expr_regex(condition->expr);
        buf_put_byte(p->out, '\n');
        print_origin(p->out, &condition->where);
        if (re)
            want_extended(p, re);
        buf_put_cstr(p->out, "condition ");
        print_string(condition->name, p->out, false);
        buf_put_cstr(p->out, " {\n    ");
        print_expr(condition->expr, p->out, false);
        buf_put_cstr(p->out, "\n}\n");
    }
}

static void put_provide(struct printer *p, const struct conf_filter *f)
{
    size_t from = p->out->len;
    buf_put_cstr(p->out, "    provide");
    if (f->provide & CONF_PROVIDE_SENDMAIL_MACROS)
        buf_put_cstr(p->out, " sendmail-macros");
    if (f->provide & CONF_PROVIDE_STRESS)
        buf_put_cstr(p->out, " stress");
    if (f->provide & CONF_PROVIDE_TRUSTED)
        buf_put_cstr(p->out, " trusted");
    pad_origin(p, from, &f->provide_where);
}

static void put_filter(struct printer *p, const struct conf_filter *f)
{
    const struct settings_table *table = settings_filter();
    const struct conf_regex *re = f->when ? print_expr_regex(f->when) : NULL;
    buf_put_byte(p->out, '\n');
    print_origin(p->out, &f->where);
    if (re)
        want_extended(p, re);
    buf_put_cstr(p->out, "filter ");
    print_string(f->name, p->out, false);
    buf_put_cstr(p->out, " {\n");
    size_t from = p->out->len;
    if (f->builtin) {
        buf_printf(p->out, "    builtin %s", f->builtin);
        pad_origin(p, from, &f->builtin_where);
    }
    if (f->connect) {
        from = p->out->len;
        buf_put_cstr(p->out, "    connect ");
        print_string(f->connect, p->out, true);
        pad_origin(p, from, &f->connect_where);
    }
    if (f->when) {
        from = p->out->len;
        buf_put_cstr(p->out, "    when ");
        print_expr(f->when, p->out, false);
        pad_origin(p, from, &f->when_where);
    }
    if (f->provide)
        put_provide(p, f);
    if (f->sees_original) {
        from = p->out->len;
        buf_put_cstr(p->out, "    sees original");
        pad_origin(p, from, &f->sees_where);
    }
    for (size_t i = 0; i < table->count; i++) {
        if (f->builtin && table->rows[i].child_only)
            continue;
        from = p->out->len;
        buf_put_cstr(p->out, "    ");
        settings_put(&f->set, &table->rows[i], p->out);
        pad_origin(p, from, &f->origin[i]);
    }
    buf_put_cstr(p->out, "}\n");
}

static void put_filters(struct printer *p)
{
    size_t conditions = 0;
    for (size_t i = 0; i < p->c->n_filters; i++) {
        put_conditions(p, &conditions, i);
        put_filter(p, &p->c->filters[i]);
    }
    put_conditions(p, &conditions, p->c->n_filters);
    if (p->c->n_filters == 0)
        buf_put_cstr(p->out, "\n# no filter block: the greylist filter is asked about every session\n");
}

static void put_acls(struct printer *p)
{
    for (size_t i = 0; i < p->c->n_acls; i++) {
        const struct conf_acl *acl = &p->c->acls[i];
        buf_put_byte(p->out, '\n');
        print_origin(p->out, &acl->where);
        for (size_t k = 0; k < acl->n_clauses; k++) {
            const struct conf_regex *re = print_term_regex(&acl->clauses[k].term);
            if (re)
                want_extended(p, re);
        }
        put_acl(acl, p->out, false);
        buf_put_byte(p->out, '\n');
    }
}

void conf_print(const struct conf *c, struct buf *out)
{
    struct printer p = {.c = c, .out = out};
    size_t row = settings_find(settings_global(), SLICE_LIT("extendedregex"), SLICE_NONE);
    put_settings(&p);
    put_listens(&p);
    put_lists(&p);
    put_s25r(&p, "whitelist", c->s25r_white, c->n_s25r_white, &c->s25r_white_where);
    put_s25r(&p, "blacklist", c->s25r_black, c->n_s25r_black, &c->s25r_black_where);
    print_generic(&c->generic, out);
    put_dnsbls(&p);
    put_items(&p, "network local", CONF_ITEM_ADDR, c->net_local, c->n_net_local, &c->net_local_where);
    put_items(&p, "network remote", CONF_ITEM_ADDR, c->net_remote, c->n_net_remote, &c->net_remote_where);
    put_items(&p, "trust", CONF_ITEM_DOMAIN, c->trust, c->n_trust, &c->trust_where);
    put_items(&p, "helo_confirmed except", CONF_ITEM_DOMAIN, c->helo_except, c->n_helo_except, &c->helo_except_where);
    put_filters(&p);
    put_acls(&p);
    buf_put_byte(out, '\n');
    print_origin(out, &c->origin[row]);
    buf_printf(out, "extendedregex %s\n", c->set.extendedregex ? "yes" : "no");
}
