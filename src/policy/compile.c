/*
 * compile.c - from the configuration as written to what the cursor and the conditions run on. Knows the language's tree and
 * what each part is compared with; evaluates nothing.
 */
#include "base/mem.h"
#include "policy/compile.h"
#include "policy/terms.h"

#include <stdlib.h>
#include <string.h>

/* ---- regexes and formats ---- */

/* "/…/" with the slashes inside escaped again. */
static const char *regex_as_written(struct arena *arena, struct slice source)
{
    struct buf b = {0};
    buf_put_byte(&b, '/');
    for (size_t i = 0; i < source.len; i++) {
        if (source.ptr[i] == '/')
            buf_put_byte(&b, '\\');
        buf_put_byte(&b, source.ptr[i]);
    }
    buf_put_byte(&b, '/');
    const char *text = arena_cstr(arena, buf_slice(&b));
    buf_fini(&b);
    return text;
}

static void regex_diag(struct compiler *c, enum diag_level level, const struct conf_regex *regex,
                       const struct regex_error *error)
{
    struct conf_where where = regex->where;
    size_t offset = error->offset < regex->source.len ? error->offset : regex->source.len;
    if (where.column > 0) {
        where.column += (uint32_t)offset;
        for (size_t i = 0; i < offset; i++) /* each slash in the source was written with a backslash */
            where.column += regex->source.ptr[i] == '/';
    }
    where.width = 1;
    diags_add(c->diags, level, where, NULL, "regular expression: %s", error->message);
}

void compile_regex(struct compiler *c, const struct conf_regex *regex, struct policy_regex **regexes, size_t *n, size_t *cap)
{
    struct regex_error error = {0};
    struct regex *re;
    if (regex_compile(regex->source, regex->extended, &re, &error) != ERR_NONE) {
        regex_diag(c, DIAG_ERROR, regex, &error);
        return;
    }
    if (error.message)
        regex_diag(c, DIAG_WARNING, regex, &error);
    *regexes = mem_grow(*regexes, cap, *n + 1, sizeof(**regexes));
    (*regexes)[(*n)++] = (struct policy_regex){re, regex_as_written(&c->p->arena, regex->source)};
}

static void free_regexes(struct policy_regex *regexes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        regex_free(regexes[i].re);
    free(regexes);
}

void compile_note_macro(struct policy *p, const char *name)
{
    for (size_t i = 0; i < p->n_macros; i++)
        if (strcmp(p->macros[i], name) == 0)
            return;
    p->macros = mem_grow(p->macros, &p->macros_cap, p->n_macros + 2, sizeof(*p->macros));
    p->macros[p->n_macros++] = name;
    p->macros[p->n_macros] = NULL;
}

/* NULL for no text, and after an error. */
static const struct format *compile_format(struct compiler *c, const char *text, struct conf_where where)
{
    struct format_error error = {0};
    struct format *format;
    if (!text)
        return NULL;
    if (format_compile(slice_cstr(text), &c->p->arena, &format, &error) != ERR_NONE) {
        if (where.column > 0)
            where.column += (uint32_t)error.offset;
        where.width = 1;
        diags_add(c->diags, DIAG_ERROR, where, NULL, "format string: %s", error.message);
        return NULL;
    }
    return format;
}

/* What the MTA must be asked for so that the format can be filled in. */
static void note_format(struct policy *p, const struct format *format)
{
    if (!format)
        return;
    if (format_names_helo(format))
        p->needs |= POLICY_NEEDS_HELO;
    for (const char *const *m = format_macros(format); *m; m++)
        compile_note_macro(p, *m);
}

/* ---- lists and clauses ---- */

static struct slice trim_address(struct slice text)
{
    return slice_trim(text, "<> \t");
}

static void add_item(struct compiler *c, struct policy_items *items, const struct conf_item *item)
{
    if (item->is_regex) {
        compile_regex(c, &item->regex, &items->regexes, &items->n_regexes, &items->regexes_cap);
        return;
    }
    switch (items->kind) {
    case CONF_ITEM_ADDR:
        ipset_add(&items->nets, &item->net, item->bits);
        return;
    case CONF_ITEM_FROM:
    case CONF_ITEM_RCPT:
        textset_add(&items->texts, trim_address(item->text));
        return;
    case CONF_ITEM_HELO:
        if (slice_find(item->text, '%') < item->text.len) {
            struct conf_where where = item->where;
            where.column += where.column > 0; /* behind the quote */
            const struct format *format = compile_format(c, arena_cstr(&c->p->arena, item->text), where);
            if (!format)
                return;
            items->formats = mem_grow(items->formats, &items->formats_cap, items->n_formats + 1, sizeof(*items->formats));
            items->formats[items->n_formats++] = format;
            items->formats_name_rcpt |= format_names_rcpt(format);
            return;
        }
        textset_add(&items->texts, item->text);
        return;
    case CONF_ITEM_DOMAIN:
        textset_add(conf_item_is_exact(item) ? &items->labels : &items->texts, item->text);
        return;
    case CONF_ITEM_MAX_:
        break;
    }
    PANIC("an item of a kind that has no items");
}

static void free_items(struct policy_items *items)
{
    ipset_fini(&items->nets);
    textset_fini(&items->texts);
    textset_fini(&items->labels);
    free_regexes(items->regexes, items->n_regexes);
    free(items->formats);
}

static void compile_lists(struct compiler *c)
{
    const struct conf *conf = c->p->conf;
    c->p->n_lists = conf->n_lists;
    c->p->lists = arena_zalloc(&c->p->arena, (conf->n_lists + 1) * sizeof(*c->p->lists));
    for (size_t i = 0; i < conf->n_lists; i++) {
        struct policy_items *items = &c->p->lists[i];
        items->kind = conf->lists[i]->kind;
        for (size_t j = 0; j < conf->lists[i]->n_items; j++)
            add_item(c, items, &conf->lists[i]->items[j]);
        ipset_seal(&items->nets);
    }
}

/* A condition may name a list that could not be read, which is no list of the configuration's: it holds nothing. */
static const struct policy_items *find_list(struct policy *p, const struct conf_list *list)
{
    for (size_t i = 0; i < p->n_lists; i++)
        if (p->conf->lists[i] == list)
            return &p->lists[i];
    struct policy_items *empty = arena_zalloc(&p->arena, sizeof(*empty));
    empty->kind = list->kind;
    return empty;
}

static struct policy_items *compile_own_item(struct compiler *c, const struct conf_term *from)
{
    struct policy *p = c->p;
    struct policy_items *items = arena_zalloc(&p->arena, sizeof(*items));
    items->kind = from->item_kind;
    add_item(c, items, &from->item);
    ipset_seal(&items->nets);
    p->own = mem_grow(p->own, &p->own_cap, p->n_own + 1, sizeof(struct policy_items *));
    p->own[p->n_own++] = items;
    return items;
}

const struct policy_items *compile_items(struct compiler *c, const struct conf_term *from)
{
    return from->list ? find_list(c->p, from->list) : compile_own_item(c, from);
}

/* ---- ACL lines ---- */

static int64_t or_default(int64_t given, int64_t otherwise)
{
    return given >= 0 ? given : otherwise;
}

/* Whose answer others must be asked for comes behind those that the session knows, and the tarpit behind all. */
static int turn_of(const struct conf_clause *clause)
{
    return clause->term.kind == CONF_TERM_TARPIT ? 2 : term_kind(clause->term.kind)->asks_others ? 1 : 0;
}

/*
 * The order of clauses is nobody's business but for time. A line's tarpit is judged last, wherever it is written: so the store is
 * asked, and "not held" is said, only about those whom the line is about.
 */
static void compile_clauses(struct compiler *c, const struct conf_acl *from, struct policy_acl *to)
{
    size_t n = 0;
    for (int turn = 0; turn <= 2; turn++)
        for (size_t i = 0; i < to->n_clauses; i++) {
            if (turn_of(&from->clauses[i]) != turn)
                continue;
            to->clauses[n].negated = from->clauses[i].negated;
            compile_term(c, &from->clauses[i].term, &to->clauses[n++].term);
        }
}

static void compile_acl(struct compiler *c, const struct conf_acl *from, struct policy_acl *to)
{
    struct arena *arena = &c->p->arena;
    const struct conf_settings *set = &c->p->conf->set;
    to->conf = from;
    to->n_clauses = from->is_default ? 0 : from->n_clauses;
    to->clauses = arena_zalloc(arena, (to->n_clauses + 1) * sizeof(*to->clauses));
    compile_clauses(c, from, to);
    to->delay_sec = or_default(from->delay_sec, set->greylist_sec);
    to->autowhite_sec = or_default(from->autowhite_sec, set->autowhite_sec);
    to->scope = (enum conf_scope)or_default(from->tarpit_scope, set->tarpit_scope);
    to->msg = compile_format(c, from->msg, from->msg_where);
    to->report = compile_format(c, from->report, from->report_where);
    to->headers = arena_alloc(arena, (from->n_headers + 1) * sizeof(struct format *));
    for (size_t i = 0; i < from->n_headers; i++)
        to->headers[i] = compile_format(c, from->headers[i].text, from->headers[i].where);
}

/*
 * Headers of continue lines pile up until a line decides. A verdict has room for POLICY_HEADERS_MAX of them: a file that could
 * bring more together is refused, so that none is lost in silence.
 */
static void check_headers(struct compiler *c, const struct conf_acl *acl, size_t *before)
{
    size_t all = *before + acl->n_headers;
    if (all > POLICY_HEADERS_MAX && acl->n_headers > 0)
        diags_add(c->diags, DIAG_ERROR, acl->headers[acl->n_headers - 1].where, NULL,
                  "more than %d headers could be added to one message, counting those of the continue lines before",
                  POLICY_HEADERS_MAX);
    if (acl->action == CONF_CONTINUE)
        *before = all;
}

static void compile_acls(struct compiler *c)
{
    const struct conf *conf = c->p->conf;
    size_t headers = 0;
    bool reachable = true;
    c->p->acls = arena_zalloc(&c->p->arena, (conf->n_acls + 1) * sizeof(*c->p->acls));
    for (size_t i = 0; i < conf->n_acls; i++) {
        const struct conf_acl *acl = &conf->acls[i];
        /* Unreachable lines are compiled too: their errors are errors. */
        compile_acl(c, acl, &c->p->acls[i]);
        if (!reachable)
            continue;
        check_headers(c, acl, &headers);
        c->p->n_acls = i + 1;
        if (acl->is_default && acl->action != CONF_CONTINUE)
            reachable = false;
    }
}

/* ---- lists of names ---- */

static void add_name(struct compiler *c, bool is_regex, const struct conf_regex *regex, struct slice text,
                     struct name_list *to)
{
    if (is_regex) {
        compile_regex(c, regex, &to->regexes, &to->n_regexes, &to->regexes_cap);
        return;
    }
    struct slice kept = arena_slice(&c->p->arena, text); /* NUL-terminated: policy_why shows it */
    textset_add(slice_has_prefix(kept, ".") ? &to->suffixes : &to->names, kept);
}

static void compile_s25r(struct compiler *c, const struct conf_s25r_entry *entries, size_t n, struct name_list *to)
{
    for (size_t i = 0; i < n; i++)
        add_name(c, entries[i].is_regex, &entries[i].regex, entries[i].text, to);
}

static void compile_trust(struct compiler *c)
{
    const struct conf *conf = c->p->conf;
    for (size_t i = 0; i < conf->n_trust; i++)
        add_name(c, conf->trust[i].is_regex, &conf->trust[i].regex, conf->trust[i].text, &c->p->trust);
}

/* A domain, and all names below it. */
static void compile_helo_except(struct compiler *c)
{
    const struct conf *conf = c->p->conf;
    for (size_t i = 0; i < conf->n_helo_except; i++) {
        const struct conf_item *item = &conf->helo_except[i];
        add_name(c, item->is_regex, &item->regex, item->text, &c->p->helo_except);
        if (!item->is_regex && !slice_has_prefix(item->text, "."))
            add_name(c, false, NULL, slice_cstr(arena_printf(&c->p->arena, ".%.*s", SLICE_ARG(item->text))),
                     &c->p->helo_except);
    }
}

static void free_names(struct name_list *list)
{
    textset_fini(&list->suffixes);
    textset_fini(&list->names);
    free_regexes(list->regexes, list->n_regexes);
}

static void compile_network(const struct conf_item *items, size_t n, struct ipset *to)
{
    for (size_t i = 0; i < n; i++)
        ipset_add(to, &items[i].net, items[i].bits);
    ipset_seal(to);
}

/* ---- generic_rdns ---- */

_Static_assert((int)CONF_GENERIC_CLASSES == (int)GENERIC_CLASSES, "the configuration's classes are the matcher's");
_Static_assert((int)CONF_GENERIC_WEIGHTS == (int)GENERIC_FEATURES, "the configuration's weights are the matcher's");

static void compile_words(struct compiler *c)
{
    const struct conf_generic *g = &c->p->conf->generic;
    size_t n = 0, bad = 0;
    for (size_t class = 0; class < GENERIC_CLASSES; class ++)
        n += g->n_words[class];
    struct generic_pattern *patterns = mem_alloc((n + 1) * sizeof(*patterns));
    const struct conf_where **wheres = mem_alloc((n + 1) * sizeof(*wheres));
    n = 0;
    for (size_t class = 0; class < GENERIC_CLASSES; class ++)
        for (size_t i = 0; i < g->n_words[class]; i++, n++) {
            patterns[n] = (struct generic_pattern){(enum generic_class) class, g->words[class][i].text};
            wheres[n] = &g->words[class][i].where;
        }
    if (generic_words_new(patterns, n, &c->p->generic_words, &bad) != ERR_NONE)
        diags_add(c->diags, DIAG_ERROR, *wheres[bad], NULL, "the words of generic_rdns have more than %d letters",
                  GENERIC_WORDS_MAX_STATES);
    free(patterns);
    free(wheres);
}

static void compile_generic(struct compiler *c)
{
    const struct conf_generic *g = &c->p->conf->generic;
    compile_words(c);
    c->p->generic.words = c->p->generic_words;
    c->p->generic.threshold = (int)g->threshold;
    for (size_t i = 0; i < GENERIC_FEATURES; i++)
        c->p->generic.weight[i] = (int)g->weight[i];
}

/* After it is known who asks. */
static void open_domains(struct compiler *c)
{
    struct policy *p = c->p;
    if (!(p->needs & POLICY_NEEDS_DOMAINS))
        return;
    p->domains = domain_list_open();
    if (!p->domains)
        diags_add(c->diags, DIAG_WARNING, (struct conf_where){0}, "install the package publicsuffix",
                  "no Public Suffix List: generic_rdns and helo_confirmed never hold");
}

/* ---- what must be asked of the MTA ---- */

void compile_note_items(struct policy *p, const struct policy_items *items)
{
    if (items->kind == CONF_ITEM_HELO)
        p->needs |= POLICY_NEEDS_HELO;
    for (size_t i = 0; i < items->n_formats; i++)
        note_format(p, items->formats[i]);
}

static void note_acl(struct policy *p, const struct policy_acl *acl)
{
    if (acl->conf->action == CONF_GREYLIST)
        p->needs |= POLICY_NEEDS_STORE;
    for (size_t i = 0; i < acl->n_clauses; i++) {
        const struct policy_clause *clause = &acl->clauses[i];
        compile_note_term(p, &clause->term);
        if (clause->term.kind == CONF_TERM_TARPIT)
            p->needs |= POLICY_NEEDS_STORE | (clause->negated ? 0 : POLICY_NEEDS_HOLD | POLICY_NEEDS_DATA);
    }
    note_format(p, acl->msg);
    note_format(p, acl->report);
    for (size_t i = 0; i < acl->conf->n_headers; i++)
        note_format(p, acl->headers[i]);
    if (acl->conf->n_headers > 0)
        p->needs |= POLICY_NEEDS_EOM;
}

/* Of the greylist filter: what its lines want. */
static void note_acls(struct policy *p)
{
    const struct conf_settings *set = &p->conf->set;
    const struct policy_acl *last = p->n_acls ? &p->acls[p->n_acls - 1] : NULL;
    bool falls_through = !last || !last->conf->is_default || last->conf->action == CONF_CONTINUE;
    for (size_t i = 0; i < p->n_acls; i++)
        note_acl(p, &p->acls[i]);
    if (falls_through && !set->testmode)
        p->needs |= POLICY_NEEDS_STORE;
    if (!set->noauth)
        p->needs |= POLICY_NEEDS_AUTH | POLICY_NEEDS_TLS;
    if (set->report != CONF_REPORT_NONE)
        p->needs |= POLICY_NEEDS_EOM;
    if (set->delayedreject && (p->needs & POLICY_NEEDS_STORE))
        p->needs |= POLICY_NEEDS_DATA;
}

/* ---- the whole ---- */

struct policy *policy_compile(const struct conf *conf, struct diags *diags)
{
    struct policy *p = mem_zalloc(sizeof(*p));
    struct compiler c = {p, diags};
    p->conf = conf;
    arena_init(&p->arena);
    p->macros = mem_grow(NULL, &p->macros_cap, 1, sizeof(*p->macros));
    p->macros[0] = NULL;
    compile_lists(&c);
    compile_conditions(&c);
    compile_acls(&c);
    compile_filters(&c);
    compile_trust(&c);
    compile_helo_except(&c);
    compile_network(conf->net_local, conf->n_net_local, &p->net_local);
    compile_network(conf->net_remote, conf->n_net_remote, &p->net_remote);
    compile_s25r(&c, conf->s25r_white, conf->n_s25r_white, &p->s25r_white);
    compile_s25r(&c, conf->s25r_black, conf->n_s25r_black, &p->s25r_black);
    compile_generic(&c);
    if (p->n_filters == 0 || (p->greylist < p->n_filters && p->filters[p->greylist].enabled))
        note_acls(p); /* else no line is ever evaluated */
    compile_note_filters(p);
    open_domains(&c);
    return p;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_lists; i++)
        free_items(&p->lists[i]);
    for (size_t i = 0; i < p->n_own; i++)
        free_items(p->own[i]);
    free(p->own);
    free_regexes(p->regexes, p->n_regexes);
    ipset_fini(&p->net_local);
    ipset_fini(&p->net_remote);
    free_names(&p->s25r_white);
    free_names(&p->s25r_black);
    free_names(&p->trust);
    free_names(&p->helo_except);
    generic_words_free(p->generic_words);
    domain_list_free(p->domains);
    free(p->macros);
    arena_fini(&p->arena);
    free(p);
}

unsigned policy_needs(const struct policy *p)
{
    return p->needs;
}

const char *const *policy_macros(const struct policy *p)
{
    return p->macros;
}
