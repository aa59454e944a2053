/*
 * parse.c - hand-written recursive descent over the statements of all files. Every statement either is understood or gives at
 * least one error and is left behind its end, so that all errors of all files are told in one run.
 */
#include "conf/parse.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the parser's files share ---- */

void *parse_push(struct parse_vec *v, size_t size)
{
    v->items = mem_grow(v->items, &v->cap, v->count + 1, size);
    return memset((char *)v->items + size * v->count++, 0, size);
}

void *parse_keep(struct parser *p, const struct parse_vec *v, size_t size)
{
    if (v->count == 0)
        return NULL;
    return memcpy(arena_alloc(&p->c->arena, v->count * size), v->items, v->count * size);
}

struct token parse_peek(struct parser *p, unsigned mode)
{
    mode |= p->in_braces ? (unsigned)LEX_FREE : 0;
    if (!p->has_token || p->token_mode != mode) {
        struct lexer ahead = p->lx;
        p->token = lex_next(&ahead, mode);
        p->lx.saw_crlf = ahead.saw_crlf;
        p->token_mode = mode;
        p->has_token = true;
    }
    return p->token;
}

struct token parse_next(struct parser *p, unsigned mode)
{
    struct token t = parse_peek(p, mode);
    p->lx.place = t.end;
    p->has_token = false;
    return t;
}

bool parse_take(struct parser *p, char punct)
{
    struct token t = parse_peek(p, 0);
    if (t.kind != TOKEN_PUNCT || t.raw.ptr[0] != punct)
        return false;
    (void)parse_next(p, 0);
    return true;
}

bool parse_take_word(struct parser *p, const char *word)
{
    struct token t = parse_peek(p, 0);
    if (t.kind != TOKEN_WORD || !slice_eq_nocase(t.text, slice_cstr(word)))
        return false;
    (void)parse_next(p, 0);
    return true;
}

bool parse_fail(struct parser *p, struct conf_where where, const char *hint, const char *fmt, ...)
{
    struct buf message = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&message, fmt, ap);
    va_end(ap);
    diags_add(p->diags, DIAG_ERROR, where, hint, "%s", buf_cstr(&message));
    buf_fini(&message);
    return false;
}

const char *parse_text(struct parser *p, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    const char *kept = arena_cstr(&p->diags->arena, buf_slice(&text));
    buf_fini(&text);
    return kept;
}

bool parse_unexpected(struct parser *p, const struct token *t, const char *hint, const char *expected)
{
    if (t->kind == TOKEN_BAD)
        return parse_fail(p, t->where, t->hint, "%s", t->message);
    if (t->kind == TOKEN_NEWLINE)
        return parse_fail(p, t->where, hint, "expected %s, found the end of the line", expected);
    if (t->kind == TOKEN_END)
        return parse_fail(p, t->where, hint, "expected %s, found the end of the file", expected);
    struct slice found = lex_chunk(&p->lx, t);
    struct conf_where where = t->where;
    where.width = (uint32_t)found.len;
    struct slice shown = slice_upto(found, 60);
    bool quoted = t->kind == TOKEN_STRING;
    return parse_fail(p, where, hint, "expected %s, found %s%.*s%s%s", expected, quoted ? "" : "\"", SLICE_ARG(shown),
                      found.len > shown.len ? "..." : "", quoted ? "" : "\"");
}

bool parse_unknown(struct parser *p, const struct token *t, unsigned places, const char *kind)
{
    const char *what = names_unsupported(t->text, places);
    if (what)
        return parse_fail(p, t->where, names_instead(t->text, places),
                          "`%.*s` (%s) is known but not supported by this version: the rule would not be in force",
                          SLICE_ARG(t->text), what);
    struct slice found = lex_chunk(&p->lx, t);
    struct conf_where where = t->where;
    where.width = (uint32_t)found.len;
    const char *near = names_suggest(found, places);
    return parse_fail(p, where, near ? parse_text(p, "did you mean \"%s\"?", near) : NULL, "unknown %s \"%.*s\"", kind,
                      SLICE_ARG(slice_upto(found, 60)));
}

bool parse_end(struct parser *p, uint32_t *line)
{
    struct token t = parse_peek(p, 0);
    if (t.kind != TOKEN_NEWLINE && t.kind != TOKEN_END)
        return parse_unexpected(p, &t, "one statement a line; a line is continued by `\\` at its end",
                                "the end of the line");
    if (line)
        *line = t.where.line;
    (void)parse_next(p, 0);
    return true;
}

bool parse_string(struct parser *p, const char *expected, struct token *out)
{
    *out = parse_peek(p, 0);
    if (out->kind != TOKEN_STRING) {
        struct slice found = lex_chunk(&p->lx, out);
        bool bare = out->kind == TOKEN_WORD || (out->kind == TOKEN_PUNCT && out->raw.ptr[0] == '/');
        return parse_unexpected(p, out, bare ? parse_text(p, "quotes are needed: \"%.*s\"", SLICE_ARG(found)) : NULL,
                                expected);
    }
    if (out->text.len == 0)
        return parse_fail(p, out->where, NULL, "expected %s, found an empty string", expected);
    (void)parse_next(p, 0);
    return true;
}

/* ---- settings ---- */

static bool parse_setting_value(struct parser *p, void *values, const struct setting *row)
{
    static const char *const not_flags[] = {"true", "false", "on", "off"};
    struct token t;
    switch (row->type) {
    case SETTING_FLAG:
        /* a word that may also be the next one of a filter is left to whoever reads that */
        t = parse_peek(p, 0);
        for (size_t i = 0; t.kind == TOKEN_WORD && i < COUNT_OF(not_flags); i++)
            if (slice_eq_nocase(t.text, slice_cstr(not_flags[i])))
                return parse_unexpected(p, &t, NULL, parse_text(p, "yes or no for %s", row->name));
        *settings_flag(values, row) = !parse_take_word(p, "no");
        if (*settings_flag(values, row))
            (void)parse_take_word(p, "yes");
        return true;
    case SETTING_TIME:
        return parse_time(p, row->name, row->words, row->min, row->max, false, settings_value(values, row));
    case SETTING_MS:
        return parse_ms(p, row->name, row->min, row->max, settings_value(values, row));
    case SETTING_NUMBER:
        return parse_number(p, row->name, row->words, row->min, row->max, settings_value(values, row));
    case SETTING_BITS:
        return parse_bits(p, row->name, row->max, settings_value(values, row));
    case SETTING_CHOICE:
        return parse_choice(p, row->name, row->words, settings_value(values, row));
    case SETTING_STRING:
        if ((!row->default_text || row->may_be_none) && parse_take_word(p, "none")) {
            *settings_string(values, row) = NULL;
            return true;
        }
        if (!parse_string(p, parse_text(p, "a text in quotes for %s", row->name), &t))
            return false;
        *settings_string(values, row) = arena_cstr(&p->c->arena, t.text);
        return true;
    }
    return false;
}

/* Rules of single global settings that no row can say. */
static bool check_setting(struct parser *p, const struct setting *row, const struct token *word)
{
    const struct conf_settings *set = &p->c->set;
    if (row->offset == offsetof(struct conf_settings, user)) {
        struct slice rest = slice_cstr(set->user), login = slice_cut(&rest, ':');
        if (slice_eq_cstr(login, "root") || slice_eq_cstr(login, "0"))
            return parse_fail(p, word->where, "make a user of its own for it: user \"tarsier\"",
                              "the daemon never runs as root");
        if (login.len == 0 || (rest.ptr && rest.len == 0))
            return parse_fail(p, word->where, NULL, "a user is \"login\" or \"login:group\"");
    }
    if (row->offset == offsetof(struct conf_settings, store) && set->store[0] != '/' && !strchr(set->store, ':'))
        return parse_fail(p, word->where, NULL, "the store's directory must begin with a slash");
    if (row->offset == offsetof(struct conf_settings, spool) && set->spool && set->spool[0] != '/')
        return parse_fail(p, word->where, NULL, "the spool's directory must begin with a slash");
    if (row->offset == offsetof(struct conf_settings, control) && set->control && set->control[0] != '/')
        return parse_fail(p, word->where, NULL, "the path of the control socket must begin with a slash");
    int64_t mode;
    struct token t = parse_peek(p, 0);
    if (row->offset == offsetof(struct conf_settings, dumpfile) && t.kind == TOKEN_WORD)
        return parse_octal(p, "the mode of dumpfile", &mode);
    return true;
}

/* A setting of two words whose second one is missing or unknown. */
static bool fail_second(struct parser *p, const struct settings_table *table, const struct token *word,
                        const struct token *second)
{
    const char *words[CONF_SETTINGS_MAX];
    size_t n = 0;
    struct buf all = {0};
    if (settings_find(table, word->text, SLICE_NONE) < table->count)
        buf_printf(&all, "a text in quotes");
    for (size_t i = 0; i < table->count; i++) {
        struct slice name = slice_cstr(table->rows[i].name), first = slice_cut(&name, ' ');
        if (!name.ptr || !slice_eq_nocase(first, word->text))
            continue;
        words[n++] = name.ptr;
        buf_printf(&all, "%s%s", all.len ? " or " : "", name.ptr);
    }
    const char *near = second->kind == TOKEN_WORD ? diag_suggest(second->text, words, n) : NULL;
    (void)parse_unexpected(p, second, near ? parse_text(p, "did you mean \"%s\"?", near) : NULL, buf_cstr(&all));
    buf_fini(&all);
    return false;
}

const struct setting *parse_row(struct parser *p, const struct settings_table *table, void *values, const struct token *word)
{
    struct token second = parse_peek(p, 0);
    size_t i = table->count;
    bool two = second.kind == TOKEN_WORD && (i = settings_find(table, word->text, second.text)) < table->count;
    if (two)
        (void)parse_next(p, 0);
    else
        i = settings_find(table, word->text, SLICE_NONE);
    /* holds and sessions need a second word; a word behind store, which takes a text, is meant as one */
    bool is_meant = settings_has_second(table, word->text) && second.kind == TOKEN_WORD;
    bool is_none = i < table->count && table->rows[i].may_be_none && slice_eq_nocase(second.text, SLICE_LIT("none"));
    if (i == table->count || (!two && is_meant && !is_none && table->rows[i].type == SETTING_STRING)) {
        (void)fail_second(p, table, word, &second);
        return NULL;
    }
    const struct setting *row = &table->rows[i];
    (void)parse_take(p, ':');
    return parse_setting_value(p, values, row) ? row : NULL;
}

bool parse_setting(struct parser *p, const struct token *word)
{
    const struct setting *row = parse_row(p, settings_global(), &p->c->set, word);
    if (!row || !check_setting(p, row, word) || !parse_end(p, NULL))
        return false;
    if (row->offset == offsetof(struct conf_settings, domainexact)) {
        parse_set_domainexact(p, word);
        return true;
    }
    struct conf_where *origin = &p->c->origin[row - settings_row(0)];
    /* extendedregex is no setting of the whole: it says how the regexes after it are meant */
    if (origin->file && row->offset != offsetof(struct conf_settings, extendedregex))
        diags_add(p->diags, DIAG_NOTE, word->where, NULL, "%s was set in %s:%u already; this line counts", row->name,
                  origin->file, origin->line);
    *origin = word->where;
    return true;
}

/* ---- include ---- */

/*
 * The path without "." and "name/.." parts: what tells whether a file includes itself. A symbolic link may hide that; then the
 * depth ends it.
 */
static const char *plain_path(struct parser *p, const char *path)
{
    struct slice rest = slice_cstr(path);
    char *out = arena_cstr(&p->c->arena, rest); /* never longer than the path */
    size_t n = 0;
    while (rest.ptr) {
        struct slice part = slice_cut(&rest, '/');
        if (part.len == 0 || slice_eq_cstr(part, "."))
            continue;
        size_t slash = slice_rfind(slice_of(out, n), '/');
        struct slice last = slice_from(slice_of(out, n), slash < n ? slash + 1 : 0);
        if (slice_eq_cstr(part, "..") && last.len && !slice_eq_cstr(last, "..")) {
            n = slash < n ? slash : 0;
            continue;
        }
        if (n > 0 || path[0] == '/')
            out[n++] = '/';
        memcpy(out + n, part.ptr, part.len);
        n += part.len;
    }
    out[n] = '\0';
    return out;
}

static void parse_file(struct parser *p, const char *path, const struct conf_where *from);

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *parse_path(struct parser *p, struct slice path)
{
    struct slice here = slice_cstr(p->lx.file);
    size_t slash = slice_rfind(here, '/');
    here = slice_upto(here, slash < here.len ? slash + 1 : 0);
    return path.ptr[0] == '/' ? arena_cstr(&p->c->arena, path)
                              : arena_printf(&p->c->arena, "%.*s%.*s", SLICE_ARG(here), SLICE_ARG(path));
}

static bool parse_include(struct parser *p, const struct token *word)
{
    struct token t;
    if (!parse_string(p, "a file's name in quotes", &t) || !parse_end(p, NULL))
        return false;
    if (p->depth > PARSE_INCLUDE_DEPTH_MAX - 1)
        return parse_fail(p, word->where, NULL, "include goes more than %d files deep", PARSE_INCLUDE_DEPTH_MAX);
    struct arena *a = &p->c->arena;
    const char *pattern = parse_path(p, t.text);
    const char *const *found = NULL;
    size_t n = 0;
    enum err e = p->source->expand(p->source->ctx, pattern, &found, &n);
    if (e)
        return parse_fail(p, t.where, NULL, "cannot look for \"%s\": %s", pattern, err_text(e));
    if (n == 0) {
        if (!strpbrk(pattern, "*?["))
            return parse_fail(p, t.where, NULL, "there is no file \"%s\"", pattern);
        diags_add(p->diags, DIAG_NOTE, t.where, NULL, "no file matches \"%s\"", pattern);
        return true;
    }
    const char **paths = arena_alloc(a, n * sizeof(*paths)); /* the next include's expand takes ours away */
    for (size_t i = 0; i < n; i++)
        paths[i] = arena_cstr(a, slice_cstr(found[i]));
    qsort(paths, n, sizeof(*paths), by_name);
    struct lexer lx = p->lx;
    for (size_t i = 0; i < n; i++)
        parse_file(p, paths[i], &t.where);
    p->lx = lx;
    p->has_token = false;
    return true;
}

/* ---- statements ---- */

/* greylist.conf's global tarpit makes milter-greylist defer whitelisted clients too: a bug nobody can have wanted. */
static bool parse_global_tarpit(struct parser *p, const struct token *word)
{
    int64_t sec = -1;
    (void)parse_take(p, ':');
    if (!parse_time(p, "tarpit", NULL, -1, INT32_MAX, false, &sec) || !parse_end(p, NULL))
        return false;
    if (sec > 0) {
        const char *line = parse_text(p, "racl whitelist tarpit %llds", (long long)sec);
        diags_add(p->diags, DIAG_WARNING, word->where,
                  parse_text(p, "to hold those whom no earlier line lets in, write before the last racl line:\n  %s", line),
                  "a global tarpit is not in force here: in milter-greylist it greylists whitelisted clients too");
    }
    return true;
}

static bool parse_jobless(struct parser *p, const struct token *word, const char *why, bool is_warning)
{
    diags_add(p->diags, is_warning ? DIAG_WARNING : DIAG_NOTE, word->where, NULL, "`%.*s` has no job here: %s",
              SLICE_ARG(word->text), why);
    lex_skip_statement(&p->lx, p->statement, p->lx.place.at);
    p->has_token = false;
    return true;
}

static const struct {
    const char *word;
    bool (*parse)(struct parser *p, const struct token *word);
} statements[] = {
    {"racl", parse_acl},
    {"acl", parse_acl},
    {"list", parse_list},
    {"addr", parse_legacy},
    {"domain", parse_legacy},
    {"from", parse_legacy},
    {"rcpt", parse_legacy},
    {"filter", parse_filter},
    {"condition", parse_condition},
    {"dnsrbl", parse_dnsrbl},
    {"network", parse_network},
    {"trust", parse_trust},
    {"helo_confirmed", parse_helo_confirmed},
    {"s25r", parse_s25r},
    {"generic_rdns", parse_generic},
    {"listen", parse_listen},
    {"socket", parse_socket},
    {"include", parse_include},
    {"tarpit", parse_global_tarpit},
};

static bool parse_statement(struct parser *p)
{
    struct token word = parse_next(p, 0);
    if (word.kind != TOKEN_WORD)
        return parse_unexpected(
            p, &word, word.kind == TOKEN_PUNCT && word.raw.ptr[0] == '}' ? "there is one closing brace too many" : NULL,
            "a statement");
    for (size_t i = 0; i < COUNT_OF(statements); i++)
        if (slice_eq_nocase(word.text, slice_cstr(statements[i].word)))
            return statements[i].parse(p, &word);
    if (settings_find(settings_global(), word.text, SLICE_NONE) < settings_count() ||
        settings_has_second(settings_global(), word.text))
        return parse_setting(p, &word);
    bool is_warning = false;
    const char *why = names_jobless(word.text, &is_warning);
    if (why)
        return parse_jobless(p, &word, why, is_warning);
    return parse_unknown(p, &word, NAMES_STATEMENT, "statement");
}

static void recover(struct parser *p)
{
    p->in_braces = false;
    p->has_token = false;
    if (p->has_resume)
        p->lx.place = p->resume;
    else
        lex_skip_statement(&p->lx, p->statement, p->lx.place.at);
    p->has_resume = false;
}

static void parse_statements(struct parser *p)
{
    for (;;) {
        struct token t = parse_peek(p, 0);
        if (t.kind == TOKEN_END)
            return;
        p->statement = t.start;
        if (t.kind == TOKEN_NEWLINE)
            (void)parse_next(p, 0);
        else if (!parse_statement(p))
            recover(p);
    }
}

/* Whether the text can be read at all. */
static bool check_text(struct parser *p, const char *path, struct slice text)
{
    struct conf_where where = {.file = path, .width = 1};
    if (text.len > PARSE_FILE_MAX_BYTES)
        return parse_fail(p, where, NULL, "the file is larger than 16 MiB");
    const char *nul = text.len ? memchr(text.ptr, '\0', text.len) : NULL;
    diags_add_source(p->diags, path, text);
    if (!nul)
        return true;
    where.line = 1;
    size_t at = (size_t)(nul - text.ptr), line_at = 0;
    for (size_t i = 0; i < at; i++)
        if (text.ptr[i] == '\n') {
            where.line++;
            line_at = i + 1;
        }
    where.column = (uint32_t)(at - line_at) + 1;
    return parse_fail(p, where, NULL, "there is a NUL byte: this is no text file");
}

bool parse_open(struct parser *p, const char *path, struct conf_where where, struct slice *text)
{
    if (p->files.count >= PARSE_FILES_MAX) {
        if (!p->too_many_files)
            (void)parse_fail(p, where, NULL, "more than %d files are read", PARSE_FILES_MAX);
        p->too_many_files = true;
        return false;
    }
    *(const char **)parse_push(&p->files, sizeof(const char *)) = path;
    *text = SLICE_NONE;
    enum err e = p->source->read(p->source->ctx, path, text);
    if (e)
        return parse_fail(p, where, NULL, "cannot read \"%s\": %s", path,
                          e == ERR_UNSUPPORTED ? "it is no regular file" : err_text(e));
    return check_text(p, path, *text);
}

void parse_close(struct parser *p)
{
    if (p->lx.saw_crlf)
        diags_add(p->diags, DIAG_NOTE, (struct conf_where){.file = p->lx.file, .width = 1}, NULL,
                  "lines end in CR LF; that is accepted");
}

/* from: the include that names it; NULL for the first file. */
static void parse_file(struct parser *p, const char *path, const struct conf_where *from)
{
    struct conf_where where = from ? *from : (struct conf_where){.file = path, .width = 1};
    struct slice text;
    const char *plain = plain_path(p, path);
    for (unsigned i = 0; i < p->depth; i++)
        if (strcmp(p->including[i], plain) == 0) {
            (void)parse_fail(p, where, NULL, "\"%s\" includes itself", path);
            return;
        }
    if (!parse_open(p, path, where, &text))
        return;
    struct conf_file *outer = p->file;
    p->file = parse_begin_file(p, plain);
    p->including[p->depth++] = plain;
    lex_init(&p->lx, path, text);
    p->has_token = false;
    parse_statements(p);
    p->depth--;
    p->file = outer;
    parse_close(p);
}

/* ---- the whole ---- */

static const char *const s25r_defaults[] = {".google.com", ".obsmtp.com",    ".smtp-out.amazonses.com",
                                            ".slack.com",  ".mg.gitlab.com", ".sendgrid.net"};

static const char *const trust_defaults[] = {"gmail.com",      "hotmail.com", "msn.com",     "yahoo.co.jp",
                                             "softbank.ne.jp", "ezweb.ne.jp", "docomo.ne.jp"};

/* Services whose names lead to any address that they spell, or to any that somebody tells them. */
static const char *const helo_except_defaults[] = {"nip.io",      "sslip.io",     "xip.io",       "xip.name",
                                                   "ip6.name",    "traefik.me",   "plex.direct",  "local-ip.co",
                                                   "local-ip.sh", "local-ip.dev", "localtls.net", "ip.addr.tools"};

static void keep_all(struct parser *p)
{
    struct conf *c = p->c;
    struct parse_vec acls = {0};
    for (size_t i = p->legacy.count; i-- > 0;)
        *(struct conf_acl *)parse_push(&acls, sizeof(struct conf_acl)) = ((struct conf_acl *)p->legacy.items)[i];
    for (size_t i = 0; i < p->acls.count; i++)
        *(struct conf_acl *)parse_push(&acls, sizeof(struct conf_acl)) = ((struct conf_acl *)p->acls.items)[i];
    /* in testmode legacy rcpt lines name those for whom greylisting is tried */
    for (size_t i = 0; i < p->legacy.count && c->set.testmode; i++) {
        struct conf_acl *acl = &((struct conf_acl *)acls.items)[i];
        if (acl->clauses[0].term.item_kind == CONF_ITEM_RCPT)
            acl->action = CONF_GREYLIST;
    }
    c->acls = parse_keep(p, &acls, sizeof(*c->acls));
    c->n_acls = acls.count;
    free(acls.items);
    c->listens = parse_keep(p, &p->listens, sizeof(*c->listens));
    c->n_listens = p->listens.count;
    c->lists = parse_keep(p, &p->lists, sizeof(*c->lists));
    c->n_lists = p->lists.count;
    c->filters = parse_keep(p, &p->filters, sizeof(*c->filters));
    c->n_filters = p->filters.count;
    c->conditions = parse_keep(p, &p->conditions, sizeof(*c->conditions));
    c->n_conditions = p->conditions.count;
    c->dnsbls = parse_keep(p, &p->dnsbls, sizeof(*c->dnsbls));
    c->n_dnsbls = p->dnsbls.count;
    c->net_local = parse_keep(p, &p->local, sizeof(*c->net_local));
    c->n_net_local = p->local.count;
    c->net_remote = parse_keep(p, &p->remote, sizeof(*c->net_remote));
    c->n_net_remote = p->remote.count;
    c->trust = parse_keep(p, &p->trust, sizeof(*c->trust));
    c->n_trust = p->trust.count;
    c->helo_except = parse_keep(p, &p->helo_except, sizeof(*c->helo_except));
    c->n_helo_except = p->helo_except.count;
    c->s25r_white = parse_keep(p, &p->white, sizeof(*c->s25r_white));
    c->n_s25r_white = p->white.count;
    c->s25r_black = parse_keep(p, &p->black, sizeof(*c->s25r_black));
    c->n_s25r_black = p->black.count;
    parse_generic_keep(p);
    c->files = parse_keep(p, &p->files, sizeof(*c->files));
    c->n_files = p->files.count;
}

struct conf *conf_load(const struct conf_source *source, const char *path, struct diags *diags)
{
    struct conf *c = mem_zalloc(sizeof(*c));
    struct parser *p = mem_zalloc(sizeof(*p));
    arena_init(&c->arena);
    settings_defaults(settings_global(), &c->set);
    *p = (struct parser){.c = c, .source = source, .diags = diags};
    for (size_t i = 0; i < COUNT_OF(s25r_defaults); i++)
        ((struct conf_s25r_entry *)parse_push(&p->white, sizeof(struct conf_s25r_entry)))->text =
            slice_cstr(s25r_defaults[i]);
    for (size_t i = 0; i < COUNT_OF(trust_defaults); i++)
        ((struct conf_item *)parse_push(&p->trust, sizeof(struct conf_item)))->text = slice_cstr(trust_defaults[i]);
    for (size_t i = 0; i < COUNT_OF(helo_except_defaults); i++)
        ((struct conf_item *)parse_push(&p->helo_except, sizeof(struct conf_item)))->text =
            slice_cstr(helo_except_defaults[i]);
    parse_generic_defaults(p);
    parse_file(p, arena_cstr(&c->arena, slice_cstr(path)), NULL);
    keep_all(p);
    struct parse_vec *const vecs[] = {&p->listens, &p->lists, &p->bad_names,   &p->acls,       &p->legacy,  &p->filters,
                                      &p->white,   &p->black, &p->files,       &p->conditions, &p->dnsbls,  &p->local,
                                      &p->remote,  &p->trust, &p->helo_except, &p->items,      &p->clauses, &p->headers};
    for (size_t i = 0; i < COUNT_OF(vecs); i++)
        free(vecs[i]->items);
    for (size_t i = 0; i < CONF_GENERIC_CLASSES; i++)
        free(p->generic[i].items);
    free(p);
    conf_check(c, diags);
    return c;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    arena_fini(&c->arena);
    free(c);
}
