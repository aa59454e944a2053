/*
 * truth.c - terms joined: short-cuts, what DNS is asked about, named conditions, the greylist filter that must know at RCPT; and
 * drawn at random: what a stage has settled stays so, and at the end there are two truths.
 */
#include "../random.h"
#include "trees.h"

#include <stdlib.h>

enum { OPEN = 1u << 0, EXACT = 1u << 1 }; /* the lists' bits */

static enum policy_truth ask(const struct fixture *f, const struct mail *m, enum policy_stage stage, struct policy_why *why,
                             uint32_t *lists)
{
    struct mail_view v;
    view_at(&v, m, stage);
    return policy_filter_when(f->policy, SECOND, &v.facts, why, lists);
}

/* ---- dnsbl ---- */

static void lists_that_are_asked(void)
{
    const struct conf_expr *remote = plain("remote", CONF_TERM_REMOTE), *never = no(remote);
    const struct conf_expr *from = clause(CONF_CLAUSE_FROM, item_text("joe@example.org"));
    const struct conf_expr *open = dnsbl("open"), *exact = dnsbl("exact"), *any = dnsbl(NULL);
    const struct {
        const struct conf_expr *when;
        uint8_t listed[2];
        enum policy_truth want;
        uint32_t lists;
        const char *why;
    } rows[] = {
        {open, {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {exact, {0, 0}, POLICY_LATER, EXACT, "dnsbl"},
        {any, {0, 0}, POLICY_LATER, OPEN | EXACT, "dnsbl"},
        {any, {LISTED_NO, 0}, POLICY_LATER, EXACT, "dnsbl"},
        {any, {LISTED_YES, 0}, POLICY_YES, 0, "dnsbl"},
        {any, {0, LISTED_YES}, POLICY_YES, 0, "dnsbl"},
        {any, {LISTED_NO, LISTED_NO}, POLICY_NO, 0, "dnsbl"},
        {any, {LISTED_ERROR, LISTED_NO}, POLICY_NO, 0, "dnsbl"},
        {any, {LISTED_ERROR, 0}, POLICY_LATER, EXACT, "dnsbl"},
        {open, {LISTED_ERROR, LISTED_YES}, POLICY_NO, 0, "dnsbl"},
        {exact, {LISTED_ERROR, LISTED_YES}, POLICY_YES, 0, "dnsbl"},
        {no(open), {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {no(open), {LISTED_NO, 0}, POLICY_YES, 0, "dnsbl"},
        /* what the other side settles needs no DNS */
        {both(open, never), {0, 0}, POLICY_NO, 0, "remote"},
        {both(never, open), {0, 0}, POLICY_NO, 0, "remote"},
        {either(open, remote), {0, 0}, POLICY_YES, 0, "remote"},
        {either(remote, open), {0, 0}, POLICY_YES, 0, "remote"},
        {both(open, remote), {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {both(remote, open), {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {either(never, open), {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {both(from, open), {0, 0}, POLICY_LATER, OPEN, "from"}, /* could matter: asked early, in parallel */
        {both(open, exact), {0, 0}, POLICY_LATER, OPEN | EXACT, "dnsbl"},
        {both(open, exact), {LISTED_NO, 0}, POLICY_NO, 0, "dnsbl"},
        {either(both(open, never), exact), {0, 0}, POLICY_LATER, EXACT, "dnsbl"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = tree_new(rows[i].when);
        struct mail m = mail_new();
        struct policy_why why;
        uint32_t lists = 77;
        memcpy(m.listed, rows[i].listed, sizeof(m.listed));
        bool ok = CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), rows[i].want);
        ok &= CHECK_INT(lists, rows[i].lists);
        ok &= CHECK_STR(why.condition, rows[i].why);
        if (!ok)
            printf("# row %zu\n", i);
        fixture_free(&f);
    }
}

static void clients_that_dns_knows_nothing_of(void)
{
    static const char *const clients[] = {"127.0.0.1", "10.1.2.3", "fe80::1", "fd00::1"};
    struct fixture f = tree_new(dnsbl(NULL));
    struct mail m = mail_new();
    struct policy_why why;
    uint32_t lists;
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        m.facts.client = ip_of(clients[i]);
        CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), POLICY_NO);
        CHECK_INT(lists, 0);
    }
    m.facts.client = ip_of("2001:db8::1");
    CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), POLICY_LATER);
    CHECK_INT(lists, OPEN | EXACT);
    m.facts.client_is_local = true;
    CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), POLICY_NO);
    m.facts.client_is_local = false;
    /* no answer until the end is none */
    CHECK_INT(ask(&f, &m, POLICY_AT_BODY, &why, &lists), POLICY_LATER);
    CHECK_INT(ask(&f, &m, POLICY_AT_EOM, &why, &lists), POLICY_NO);
    CHECK_INT(lists, 0);
    fixture_free(&f);
}

static void names_for_dns(void)
{
    struct fixture f = tree_new(NULL);
    struct buf b = {0};
    struct ip client = ip_of("192.0.2.7");
    policy_dnsbl_name(f.policy, 0, &client, &b);
    CHECK_STR(buf_cstr(&b), "7.2.0.192.open.example");
    buf_clear(&b);
    client = ip_of("2001:db8::1:2");
    policy_dnsbl_name(f.policy, 1, &client, &b);
    CHECK_STR(buf_cstr(&b), "2.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.exact.example");
    buf_fini(&b);
    fixture_free(&f);
}

static void answers_of_dns(void)
{
    static const struct {
        const char *address;
        bool open, exact; /* exact: 127.0.0.2 and 127.0.0.16/28 */
    } rows[] = {
        {"127.0.0.2", true, true},     {"127.0.0.3", true, false},        {"127.0.0.16", true, true},
        {"127.0.0.31", true, true},    {"127.0.0.32", true, false},       {"127.1.2.3", true, false},
        {"192.0.2.1", false, false},   {"127.255.255.254", false, false}, {"127.255.254.1", true, false},
        {"2001:db8::1", false, false},
    };
    struct fixture f = tree_new(NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ip two[] = {ip_of("192.0.2.1"), ip_of(rows[i].address)};
        bool ok = CHECK_INT(policy_dnsbl_matches(f.policy, 0, &two[1], 1), rows[i].open);
        ok &= CHECK_INT(policy_dnsbl_matches(f.policy, 1, &two[1], 1), rows[i].exact);
        ok &= CHECK_INT(policy_dnsbl_matches(f.policy, 1, two, 2), rows[i].exact);
        ok &= CHECK(!policy_dnsbl_matches(f.policy, 0, two, 0));
        if (!ok)
            printf("# %s\n", rows[i].address);
    }
    fixture_free(&f);
}

/* ---- named conditions ---- */

static void named_conditions(void)
{
    struct fixture f = tree_begin();
    tree_add_condition(f.conf, "stranger", both(plain("remote", CONF_TERM_REMOTE), plain("s25r", CONF_TERM_S25R)));
    tree_add_condition(f.conf, "suspect", both(named(f.conf, "stranger"), dnsbl(NULL)));
    tree_compile(&f, either(named(f.conf, "suspect"), clause(CONF_CLAUSE_RCPT, item_text("eve@example.net"))));
    CHECK_INT(f.diags.errors, 0);
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    struct mail m = mail_new();
    struct policy_why why;
    uint32_t lists;
    CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), POLICY_LATER);
    CHECK_INT(lists, 0); /* an ordinary server: no DNS */
    CHECK_STR(why.condition, "rcpt");
    m.facts.host = SLICE_LIT("dhcp-12-34.isp.example");
    CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), POLICY_LATER);
    CHECK_INT(lists, OPEN | EXACT);
    CHECK_STR(why.condition, "suspect");
    m.listed[1] = LISTED_YES;
    CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), POLICY_YES);
    CHECK_STR(why.condition, "suspect");
    CHECK_INT(why.s25r_rule, 1);

    struct mail_view v;
    enum policy_truth truth;
    view_at(&v, &m, POLICY_AT_CONNECT);
    CHECK_INT(policy_condition(f.policy, "Stranger", &v.facts, &truth, &why), ERR_NONE);
    CHECK_INT(truth, POLICY_YES);
    CHECK_STR(why.condition, "stranger");
    CHECK_INT(policy_condition(f.policy, "dnsbl", &v.facts, &truth, &why), ERR_NONE);
    CHECK_INT(truth, POLICY_YES);
    CHECK_INT(policy_condition(f.policy, "strange", &v.facts, &truth, &why), ERR_NOT_FOUND);
    fixture_free(&f);
}

/* Each names the one before it twice: 2^40 terms, were they counted out. */
static void conditions_that_double(void)
{
    static char names[40][8];
    struct fixture f = tree_begin();
    tree_add_condition(f.conf, "c0", plain("remote", CONF_TERM_REMOTE));
    for (size_t i = 1; i < COUNT_OF(names); i++) {
        char before[8];
        snprintf(before, sizeof(before), "c%zu", i - 1);
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        tree_add_condition(f.conf, names[i], both(named(f.conf, before), named(f.conf, before)));
    }
    tree_compile(&f, named(f.conf, "c39"));
    CHECK(f.diags.errors > 0);
    CHECK(slice_has_prefix(slice_cstr(f.diags.items[0].message), "a condition of more than 4096 parts"));
    struct mail m = mail_new();
    struct policy_why why;
    uint32_t lists;
    (void)ask(&f, &m, POLICY_AT_EOM, &why, &lists); /* comes to an end */
    fixture_free(&f);
}

static void conditions_that_nest(void)
{
    static char names[600][8];
    struct fixture f = tree_begin();
    tree_add_condition(f.conf, "c0", plain("remote", CONF_TERM_REMOTE));
    for (size_t i = 1; i < COUNT_OF(names); i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        tree_add_condition(f.conf, names[i], named(f.conf, i > 1 ? names[i - 1] : "c0"));
    }
    tree_compile(&f, named(f.conf, "c500"));
    CHECK_INT(f.diags.errors, 1);
    CHECK_STR(f.diags.items[0].message, "a condition of more than 512 levels");
    struct mail m = mail_new();
    struct policy_why why;
    uint32_t lists;
    CHECK_INT(ask(&f, &m, POLICY_AT_CONNECT, &why, &lists), POLICY_YES);
    fixture_free(&f);
}

/* ---- filters ---- */

/* Greylisting decides at RCPT: what is not known there will not be. Only for DNS it can still wait. */
static void greylisting_knows_at_rcpt(void)
{
    const struct {
        const struct conf_expr *when;
        enum policy_truth at_mail, at_rcpt;
    } rows[] = {
        {macro("{x}", item_none()), POLICY_LATER, POLICY_NO},
        {no(macro("{x}", item_none())), POLICY_LATER, POLICY_YES},
        {first_filter(CONF_RESULT_REJECT), POLICY_LATER, POLICY_NO},
        {dnsbl("open"), POLICY_LATER, POLICY_LATER},
        {both(dnsbl("open"), first_filter(CONF_RESULT_REJECT)), POLICY_LATER, POLICY_NO},
        {clause(CONF_CLAUSE_RCPT, item_text("ann@example.net")), POLICY_LATER, POLICY_YES},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = tree_begin();
        struct conf_filter filters[] = {
            {.name = "first", .connect = "unix:/a", .set = {.enabled = true}},
            {.name = "g", .builtin = "greylist", .when = rows[i].when, .set = {.enabled = true}}};
        struct mail m = mail_new();
        struct policy_why why;
        uint32_t lists;
        f.conf->filters = filters;
        f.conf->n_filters = 2;
        f.policy = policy_compile(f.conf, &f.diags);
        CHECK_INT(policy_filter_count(f.policy), 2);
        CHECK_INT(policy_greylist_number(f.policy), 1);
        bool ok = CHECK_INT(ask(&f, &m, POLICY_AT_MAIL, &why, &lists), rows[i].at_mail);
        ok &= CHECK_INT(ask(&f, &m, POLICY_AT_RCPT, &why, &lists), rows[i].at_rcpt);
        struct mail_view v;
        view_at(&v, &m, POLICY_AT_RCPT);
        ok &= CHECK_INT(policy_when(f.policy, &v.facts, &why), rows[i].at_rcpt);
        if (!ok)
            printf("# row %zu\n", i);
        fixture_free(&f);
    }
}

static void no_filter_of_ours(void)
{
    struct fixture f = tree_new(NULL);
    struct policy_facts facts = facts_new();
    struct policy_why why;
    uint32_t lists;
    CHECK_INT(policy_filter_count(f.policy), 2);
    CHECK_INT(policy_greylist_number(f.policy), 2);
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_NO);
    CHECK_INT(policy_filter_when(f.policy, FIRST, &facts, &why, &lists), POLICY_YES);
    CHECK(!why.condition);
    CHECK_INT(policy_needs(f.policy), 0);
    fixture_free(&f);
    f = fixture_new("racl greylist default\n");
    CHECK_INT(policy_filter_count(f.policy), 0);
    CHECK_INT(policy_greylist_number(f.policy), 0);
    CHECK_INT(policy_filter_when(f.policy, 0, &facts, &why, &lists), POLICY_YES);
    fixture_free(&f);
}

/* ---- what conditions want of the MTA ---- */

static void needs(void)
{
    const struct {
        const struct conf_expr *when;
        unsigned needs;
        const char *macro;
    } rows[] = {
        {plain("remote", CONF_TERM_REMOTE), 0, NULL},
        {plain("s25r", CONF_TERM_S25R), POLICY_NEEDS_NAME, NULL},
        {plain("authenticated", CONF_TERM_AUTHENTICATED), POLICY_NEEDS_AUTH, NULL},
        {plain("unauthenticated", CONF_TERM_UNAUTHENTICATED), POLICY_NEEDS_AUTH, NULL},
        {plain("trusted", CONF_TERM_TRUSTED), 0, NULL},
        {stress(-1), 0, NULL},
        {dnsbl(NULL), 0, NULL},
        {clause(CONF_CLAUSE_HELO, item_text("x")), POLICY_NEEDS_HELO, NULL},
        {clause(CONF_CLAUSE_HELO, item_text("%M{tls_version}")), POLICY_NEEDS_HELO, "{tls_version}"},
        {clause(CONF_CLAUSE_RCPT, item_text("x@y")), 0, NULL},
        {header("X", item_none()), POLICY_NEEDS_HEADERS, NULL},
        {body(item_regex("x")), POLICY_NEEDS_BODY, NULL},
        {msgsize(CONF_MORE, 5), POLICY_NEEDS_HEADERS | POLICY_NEEDS_BODY, NULL},
        {macro("{tls_version}", item_none()), 0, "{tls_version}"},
        {macro("tls_version", item_none()), 0, "{tls_version}"},
        {macro("{j}", item_none()), 0, "j"},
        {no(both(header("X", item_none()), either(plain("s25r", CONF_TERM_S25R), macro("v", item_none())))),
         POLICY_NEEDS_HEADERS | POLICY_NEEDS_NAME, "v"},
    };
    for (int in_a_name = 0; in_a_name <= 1; in_a_name++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct fixture f = tree_begin();
            tree_add_condition(f.conf, "unused", both(header("X", item_none()), macro("{unused}", item_none())));
            tree_add_condition(f.conf, "used", rows[i].when);
            tree_compile(&f, in_a_name ? named(f.conf, "used") : rows[i].when);
            bool ok = CHECK_INT(policy_needs(f.policy), rows[i].needs);
            ok &= CHECK_STR(policy_macros(f.policy)[0], rows[i].macro);
            ok &= CHECK(!rows[i].macro || !policy_macros(f.policy)[1]);
            if (!ok)
                printf("# row %zu\n", i);
            fixture_free(&f);
        }
    }
}

/* ---- at random ---- */

static const char *const words[] = {"ann@example.net", "joe@example.org", "mail.example.org", "smtp", "YES", "x"};
static const char *const regexes[] = {"^<?(ann|bob)@", "example", "^now$", "[0-9]", "h", "^$"};

static struct conf_item random_item(void)
{
    switch (random_below(3)) {
    case 0:
        return item_text(words[random_below(COUNT_OF(words))]);
    case 1:
        return item_regex(regexes[random_below(COUNT_OF(regexes))]);
    default:
        return item_none();
    }
}

static struct conf_item random_given_item(void)
{
    struct conf_item item = random_item();
    return item.where.file ? item : item_regex("o");
}

static const struct conf_expr *random_term(const struct conf *c)
{
    static const char *const dnsbls[] = {"open", "exact", NULL};
    static const char *const headers[] = {"From", "Subject", "X-Spam-Flag", "Received"};
    static const char *const macros[] = {"{daemon_name}", "j", "{tls_version}", "{auth_type}"};
    switch (random_below(15)) {
    case 0:
        return plain("s25r", CONF_TERM_S25R);
    case 1:
        return plain("remote", CONF_TERM_REMOTE);
    case 2:
        return plain("authenticated", CONF_TERM_AUTHENTICATED);
    case 3:
        return plain("unauthenticated", CONF_TERM_UNAUTHENTICATED);
    case 4:
        return stress((int)random_below(4) - 1);
    case 5:
        return plain("trusted", CONF_TERM_TRUSTED);
    case 6:
        return dnsbl(dnsbls[random_below(3)]);
    case 7:
        return clause((enum conf_clause_kind)(CONF_CLAUSE_DOMAIN + random_below(4)), random_given_item());
    case 8:
        return every_rcpt(random_given_item());
    case 9:
        return header(headers[random_below(4)], random_item());
    case 10:
        return body(random_given_item());
    case 11:
        return msgsize((enum conf_compare)random_below(4), random_below(40));
    case 12:
        return first_filter((enum conf_result)random_below(CONF_RESULT_ASKED + 1));
    case 13:
        return macro(macros[random_below(4)], random_item());
    default:
        return named(c, c->n_conditions > 1 && random_below(2) ? "two" : "one");
    }
}

static const struct conf_expr *random_expr(const struct conf *c, unsigned depth)
{
    if (depth == 0 || random_below(4) == 0)
        return random_term(c);
    switch (random_below(3)) {
    case 0:
        return no(random_expr(c, depth - 1));
    case 1:
        return both(random_expr(c, depth - 1), random_expr(c, depth - 1));
    default:
        return either(random_expr(c, depth - 1), random_expr(c, depth - 1));
    }
}

static const char *pick(const char *const *from, size_t n)
{
    return from[random_below((unsigned)n)];
}

static struct mail random_mail(void)
{
    static const char *const hosts[] = {"mail.example.org", "dhcp-12-34.isp.example", "[192.0.2.7]"};
    static const char *const helos[] = {"mail.example.org", "x", NULL};
    static const char *const addresses[] = {"<ann@example.net>", "<bob@friends.example>", "<joe@example.org>", "<>"};
    static const char *const values[] = {"smtp", " YES", "Cheap watches", "now", ""};
    static const char *const bodies[] = {"", "now", "Hello\r\nnow", "nowhere\r\nx 9\r\n", "a\n\nb"};
    struct mail m = mail_new();
    m.facts.host = slice_cstr(pick(hosts, 3));
    m.facts.helo = slice_cstr(pick(helos, 3));
    m.facts.sender = slice_cstr(pick(addresses, 4));
    m.facts.client = ip_of(random_below(3) ? "192.0.2.7" : "10.0.0.1");
    m.facts.auth_type = random_below(2) ? SLICE_LIT("PLAIN") : SLICE_NONE;
    memset(m.recipients, 0, sizeof(m.recipients));
    for (unsigned i = random_below(4); i > 0; i--)
        m.recipients[i - 1] = pick(addresses, 3);
    for (size_t i = 0; i < count_texts(m.headers); i++)
        m.headers[i].value = pick(values, 5);
    for (size_t i = 0; i < count_texts(m.macros); i++)
        m.macros[i].value = pick(values, 5);
    if (random_below(2))
        m.macros[random_below(2)].name = "{tls_version}";
    m.body = pick(bodies, 5);
    m.size_bytes = strlen(m.body) + random_below(30);
    m.stressed = random_below(2);
    m.open_sessions = random_below(4);
    for (size_t i = 0; i < 2; i++)
        m.listed[i] = (uint8_t)(LISTED_NO + random_below(3));
    m.standing[FIRST] = (uint8_t)random_below(FILTER_FAILED + 1);
    m.quarantined[FIRST] = m.standing[FIRST] != FILTER_PENDING && random_below(2);
    return m;
}

/* What a mail shows on its way: in a stage more and more of it, never less. */
struct progress {
    enum policy_stage stage;
    size_t macros, headers, body;
    bool asked[2], first_is_done;
};

static void advance(struct progress *at, const struct mail *m)
{
    for (size_t i = 0; i < 2; i++)
        at->asked[i] |= random_below(4) == 0;
    at->first_is_done |= random_below(5) == 0;
    if (at->stage < POLICY_AT_DATA)
        at->macros += random_below(2);
    if (at->stage == POLICY_AT_HEADER)
        at->headers += random_below(2);
    if (at->stage == POLICY_AT_BODY)
        at->body += random_below((unsigned)strlen(m->body) + 1);
    if (at->stage < POLICY_AT_EOM && random_below(2))
        at->stage++;
    if (at->stage >= POLICY_AT_DATA)
        at->macros = MAIL_MAX;
    if (at->stage >= POLICY_AT_EOH)
        at->headers = MAIL_MAX;
}

static size_t at_most(size_t n, size_t max)
{
    return n < max ? n : max;
}

static enum policy_truth ask_on_the_way(const struct fixture *f, const struct mail *m, const struct progress *at,
                                        uint32_t *lists)
{
    struct mail_view v;
    struct policy_why why;
    uint8_t listed[2], standing[2];
    bool quarantined[2] = {false, false};
    bool end = at->stage == POLICY_AT_EOM;
    view_at(&v, m, at->stage);
    v.n_macros = at_most(at->macros, v.n_macros);
    v.n_headers = at_most(at->headers, v.n_headers);
    if (at->stage == POLICY_AT_BODY) {
        size_t there = at_most(at->body, v.more.body.len);
        v.more.size_bytes = m->size_bytes - (v.more.body.len - there);
        v.more.body = slice_upto(v.more.body, there);
    } else if (!end) {
        v.more.body = SLICE_NONE;
        v.more.size_bytes = 0;
    }
    for (size_t i = 0; i < 2; i++) {
        listed[i] = at->asked[i] || end ? m->listed[i] : LISTED_NOT_ASKED;
        standing[i] = at->first_is_done || end ? m->standing[i] : FILTER_PENDING;
        quarantined[i] = standing[i] != FILTER_PENDING && m->quarantined[i];
    }
    v.more.listed = listed;
    v.more.standing = standing;
    v.more.quarantined = quarantined;
    return policy_filter_when(f->policy, SECOND, &v.facts, &why, lists);
}

/* The same with two truths only, from what each term says at the end. */
static bool plain_truth(const struct conf *c, const struct conf_expr *e, const struct mail *m)
{
    if (e->op == CONF_EXPR_NOT)
        return !plain_truth(c, e->left, m);
    if (e->op == CONF_EXPR_AND)
        return plain_truth(c, e->left, m) && plain_truth(c, e->right, m);
    if (e->op == CONF_EXPR_OR)
        return plain_truth(c, e->left, m) || plain_truth(c, e->right, m);
    if (e->term.kind == CONF_TERM_CONDITION)
        return plain_truth(c, e->term.condition->expr, m);
    struct fixture f = tree_new(e);
    struct policy_why why;
    uint32_t lists;
    enum policy_truth truth = ask(&f, m, POLICY_AT_EOM, &why, &lists);
    CHECK(truth != POLICY_LATER);
    fixture_free(&f);
    return truth == POLICY_YES;
}

/* A filter that speaks of the present recipient may answer for each of them: there the rule begins anew behind RCPT. */
static bool one_way(const struct fixture *f, const struct mail *m, bool want)
{
    struct progress at = {.stage = POLICY_AT_CONNECT};
    enum policy_truth before = POLICY_LATER, now;
    bool per_recipient = policy_filter_is_per_recipient(f->policy, SECOND);
    do {
        enum policy_stage last = at.stage;
        uint32_t lists;
        advance(&at, m);
        if (per_recipient && last == POLICY_AT_RCPT && at.stage > last)
            before = POLICY_LATER;
        now = ask_on_the_way(f, m, &at, &lists);
        if (!CHECK(before == POLICY_LATER || now == before))
            return false;
        if (!CHECK(now == POLICY_LATER || lists == 0))
            return false;
        before = now;
    } while (at.stage < POLICY_AT_EOM);
    return CHECK_INT(now, want ? POLICY_YES : POLICY_NO);
}

static void what_is_settled_stays(void)
{
    random_begin();
    bool ok = true;
    for (int round = 0; round < 400 && ok; round++) {
        struct fixture f = tree_begin();
        tree_add_condition(f.conf, "one", plain("remote", CONF_TERM_REMOTE));
        tree_add_condition(f.conf, "two", random_expr(f.conf, 2));
        const struct conf_expr *when = random_expr(f.conf, 4);
        tree_compile(&f, when);
        CHECK_INT(f.diags.errors, 0);
        for (int i = 0; i < 5 && ok; i++) {
            struct mail m = random_mail();
            bool want = plain_truth(f.conf, when, &m);
            for (int way = 0; way < 5 && ok; way++)
                ok = one_way(&f, &m, want);
        }
        if (!ok)
            printf("# round %d\n", round);
        fixture_free(&f);
        arena_clear(&trees);
    }
}

int main(void)
{
    TEST(lists_that_are_asked);
    TEST(clients_that_dns_knows_nothing_of);
    TEST(names_for_dns);
    TEST(answers_of_dns);
    TEST(named_conditions);
    TEST(conditions_that_double);
    TEST(conditions_that_nest);
    TEST(greylisting_knows_at_rcpt);
    TEST(no_filter_of_ours);
    TEST(needs);
    TEST(what_is_settled_stays);
    arena_fini(&trees);
    return TEST_END();
}
