/*
 * trees.h - conditions built by hand, a policy around one, and a mail of which each stage knows a part.
 *
 * The policy has two filters: "first", without a condition, and "second" with the one under test.
 */
#ifndef TARSIER_TESTS_POLICY_TREES_H
#define TARSIER_TESTS_POLICY_TREES_H

#include "base/mem.h"
#include "fixture.h"

static struct arena trees;

/* ---- expressions ---- */

static inline struct conf_item item_text(const char *text)
{
    return (struct conf_item){.where = {.file = "test.conf"}, .text = slice_cstr(text)};
}

static inline struct conf_item item_regex(const char *source)
{
    return (struct conf_item){.where = {.file = "test.conf"},
                              .is_regex = true,
                              .regex = {.source = slice_cstr(source), .extended = true, .where = {.file = "test.conf"}}};
}

/* Whatever stands there. */
static inline struct conf_item item_none(void)
{
    return (struct conf_item){.where = {.file = NULL}};
}

static inline struct conf_item item_net(const char *address, unsigned bits)
{
    return (struct conf_item){.where = {.file = "test.conf"}, .net = ip_of(address), .bits = bits};
}

static inline const struct conf_expr *term(const char *name, struct conf_term t)
{
    struct conf_expr *e = arena_zalloc(&trees, sizeof(*e));
    *e = (struct conf_expr){.op = CONF_EXPR_TERM, .where = {.file = "test.conf", .line = 1}, .name = name, .term = t};
    return e;
}

static inline const struct conf_expr *join(enum conf_expr_op op, const struct conf_expr *left, const struct conf_expr *right)
{
    struct conf_expr *e = arena_zalloc(&trees, sizeof(*e));
    *e = (struct conf_expr){.op = op, .where = {.file = "test.conf", .line = 1}, .left = left, .right = right};
    return e;
}

static inline const struct conf_expr *both(const struct conf_expr *left, const struct conf_expr *right)
{
    return join(CONF_EXPR_AND, left, right);
}

static inline const struct conf_expr *either(const struct conf_expr *left, const struct conf_expr *right)
{
    return join(CONF_EXPR_OR, left, right);
}

static inline const struct conf_expr *no(const struct conf_expr *e)
{
    return join(CONF_EXPR_NOT, e, NULL);
}

static inline const struct conf_expr *plain(const char *name, enum conf_term_kind kind)
{
    return term(name, (struct conf_term){.kind = kind, .number = -1});
}

static inline const struct conf_expr *clause(enum conf_clause_kind kind, struct conf_item item)
{
    static const char *const names[] = {"addr", "domain", "from", "rcpt", "helo"};
    return term(names[kind], (struct conf_term){.kind = CONF_TERM_CLAUSE, .clause = {.kind = kind, .item = item}});
}

static inline const struct conf_expr *every_rcpt(struct conf_item item)
{
    return term("every", (struct conf_term){.kind = CONF_TERM_EVERY, .clause = {.kind = CONF_CLAUSE_RCPT, .item = item}});
}

static inline const struct conf_expr *dnsbl(const char *name)
{
    return term("dnsbl", (struct conf_term){.kind = CONF_TERM_DNSBL, .name = name});
}

static inline const struct conf_expr *header(const char *name, struct conf_item item)
{
    return term("header", (struct conf_term){.kind = CONF_TERM_HEADER, .name = name, .item = item});
}

static inline const struct conf_expr *body(struct conf_item item)
{
    return term("body", (struct conf_term){.kind = CONF_TERM_BODY, .item = item});
}

static inline const struct conf_expr *macro(const char *name, struct conf_item item)
{
    return term("macro", (struct conf_term){.kind = CONF_TERM_MACRO, .name = name, .item = item});
}

static inline const struct conf_expr *msgsize(enum conf_compare compare, int64_t bytes)
{
    return term("msgsize", (struct conf_term){.kind = CONF_TERM_MSGSIZE, .compare = compare, .number = bytes});
}

static inline const struct conf_expr *stress(int64_t sessions)
{
    return term("stress", (struct conf_term){.kind = CONF_TERM_STRESS, .number = sessions});
}

static inline const struct conf_expr *first_filter(enum conf_result result)
{
    return term("filter", (struct conf_term){.kind = CONF_TERM_FILTER, .name = "first", .result = result});
}

/* ---- the policy ---- */

enum { FIRST, SECOND };

static inline void tree_add_condition(struct conf *c, const char *name, const struct conf_expr *expr)
{
    struct conf_condition *condition = arena_zalloc(&trees, sizeof(*condition));
    struct conf_condition **all = arena_zalloc(&trees, (c->n_conditions + 1) * sizeof(struct conf_condition *));
    *condition = (struct conf_condition){.name = name, .expr = expr};
    for (size_t i = 0; i < c->n_conditions; i++)
        all[i] = c->conditions[i];
    all[c->n_conditions++] = condition;
    c->conditions = all;
}

static inline const struct conf_expr *named(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->n_conditions; i++)
        if (strcmp(c->conditions[i]->name, name) == 0)
            return term(name, (struct conf_term){.kind = CONF_TERM_CONDITION, .name = name, .condition = c->conditions[i]});
    return NULL;
}

/* Not compiled yet: a test may add to conf before tree_compile. */
static inline struct fixture tree_begin(void)
{
    static struct ip answers[] = {{IP_V4, {127, 0, 0, 2}}, {IP_V4, {127, 0, 0, 16}}};
    static unsigned bits[] = {32, 28};
    static struct conf_dnsbl dnsbls[] = {
        {.name = "open", .zone = "open.example"},
        {.name = "exact", .zone = "exact.example", .answers = answers, .bits = bits, .n_answers = 2}};
    struct fixture f;
    struct slice text =
        SLICE_LIT("list \"friends\" rcpt { ann@example.net /^<.*@friends\\.example>$/ }\nracl greylist default\n");
    struct conf_source source = conf_source_text(&text);
    diags_init(&f.diags);
    f.conf = conf_load(&source, "test.conf", &f.diags);
    f.policy = NULL;
    f.conf->dnsbls = dnsbls;
    f.conf->n_dnsbls = COUNT_OF(dnsbls);
    return f;
}

static inline void tree_compile(struct fixture *f, const struct conf_expr *when)
{
    struct conf_filter *filters = arena_zalloc(&trees, 2 * sizeof(*filters));
    filters[FIRST] = (struct conf_filter){.name = "first", .connect = "unix:/a", .set = {.enabled = true}};
    filters[SECOND] = (struct conf_filter){.name = "second", .connect = "unix:/b", .when = when, .set = {.enabled = true}};
    f->conf->filters = filters;
    f->conf->n_filters = 2;
    f->policy = policy_compile(f->conf, &f->diags);
}

static inline struct fixture tree_new(const struct conf_expr *when)
{
    struct fixture f = tree_begin();
    tree_compile(&f, when);
    CHECK_INT(f.diags.errors, 0);
    return f;
}

/* ---- a mail ---- */

enum { MAIL_MAX = 4 };

struct mail_text {
    const char *name, *value;
};

/* All that will ever be known of a mail. */
struct mail {
    struct policy_facts facts; /* but what is below */
    const char *recipients[MAIL_MAX + 1];
    struct mail_text headers[MAIL_MAX + 1], macros[MAIL_MAX + 1];
    const char *body;
    uint64_t size_bytes;
    bool stressed;
    uint32_t open_sessions;
    uint8_t listed[2], standing[2];
    bool quarantined[2];
};

/* What a stage knows of it. */
struct mail_view {
    const struct mail *mail;
    size_t n_recipients, n_headers, n_macros;
    struct policy_session_facts more;
    struct policy_facts facts;
};

static inline struct slice view_macro(const void *ctx, struct slice name)
{
    const struct mail_view *v = ctx;
    for (size_t i = 0; i < v->n_macros; i++)
        if (slice_eq_cstr(name, v->mail->macros[i].name))
            return slice_cstr(v->mail->macros[i].value);
    return SLICE_NONE;
}

static inline bool view_header(const void *ctx, size_t n, struct slice *name, struct slice *value)
{
    const struct mail_view *v = ctx;
    if (n >= v->n_headers)
        return false;
    *name = slice_cstr(v->mail->headers[n].name);
    *value = slice_cstr(v->mail->headers[n].value);
    return true;
}

static inline bool view_recipient(const void *ctx, size_t n, struct slice *address)
{
    const struct mail_view *v = ctx;
    if (n >= v->n_recipients)
        return false;
    *address = slice_cstr(v->mail->recipients[n]);
    return true;
}

static inline size_t count_texts(const struct mail_text *texts)
{
    size_t n = 0;
    while (n < MAIL_MAX && texts[n].name)
        n++;
    return n;
}

static inline size_t count_recipients(const struct mail *m)
{
    size_t n = 0;
    while (n < MAIL_MAX && m->recipients[n])
        n++;
    return n;
}

/* The view lives at its place: it points into itself. Everything has come that can have come by the end of that stage. */
static inline void view_at(struct mail_view *v, const struct mail *m, enum policy_stage stage)
{
    *v = (struct mail_view){.mail = m, .facts = m->facts};
    v->facts.stage = stage;
    v->facts.more = &v->more;
    v->n_macros = count_texts(m->macros);
    if (stage < POLICY_AT_HELO)
        v->facts.helo = SLICE_NONE;
    if (stage < POLICY_AT_MAIL)
        v->facts.sender = v->facts.auth_type = SLICE_NONE;
    v->facts.recipient = stage == POLICY_AT_RCPT ? slice_cstr(m->recipients[0]) : SLICE_NONE;
    if (stage >= POLICY_AT_DATA)
        v->n_recipients = count_recipients(m);
    if (stage >= POLICY_AT_HEADER)
        v->n_headers = count_texts(m->headers);
    v->more = (struct policy_session_facts){
        .stressed = m->stressed,
        .open_sessions = m->open_sessions,
        .listed = m->listed,
        .standing = m->standing,
        .quarantined = m->quarantined,
        .macro = view_macro,
        .header = view_header,
        .recipient = view_recipient,
        .ctx = v,
    };
    if (stage >= POLICY_AT_BODY) {
        v->more.body = slice_cstr(m->body);
        v->more.size_bytes = m->size_bytes;
    }
    v->more.body_complete = stage == POLICY_AT_EOM;
}

static inline struct mail mail_new(void)
{
    struct mail m = {
        .facts = facts_new(),
        .recipients = {"<ann@example.net>", "<bob@friends.example>"},
        .headers = {{"From", "joe@example.org"}, {"Subject", "Cheap watches"}, {"X-Spam-Flag", " YES"}},
        .macros = {{"{daemon_name}", "smtp"}, {"j", "mx.example.net"}},
        .body = "Hello\r\nbuy this\r\nnow",
        .size_bytes = 5000,
    };
    return m;
}

#endif
