/*
 * truth.c - terms joined: short-cuts, what DNS is asked about, named conditions, the greylist filter that must know at RCPT; and
 * drawn at random: what a stage has settled stays so, and at the end there are two truths.
 */
#include "../random.h"
#include "mail.h"

#include <stdlib.h>

enum { OPEN = 1u << 0, EXACT = 1u << 1 }; /* the lists' bits */

static enum policy_truth ask(const struct fixture *f, const struct mail *m, enum stage stage, struct policy_why *why,
                             uint64_t *lists)
{
    struct mail_view v;
    view_at(&v, m, stage);
    return policy_filter_when(f->policy, SECOND, &v.facts, why, lists);
}

/* ---- dnsbl ---- */

static void lists_that_are_asked(void)
{
    static const struct {
        const char *when;
        uint8_t listed[2];
        enum policy_truth want;
        uint64_t lists;
        const char *why;
    } rows[] = {
        {"dnsbl \"open\"", {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {"dnsbl \"exact\"", {0, 0}, POLICY_LATER, EXACT, "dnsbl"},
        {"dnsbl", {0, 0}, POLICY_LATER, OPEN | EXACT, "dnsbl"},
        {"dnsbl", {LISTED_NO, 0}, POLICY_LATER, EXACT, "dnsbl"},
        {"dnsbl", {LISTED_YES, 0}, POLICY_YES, 0, "dnsbl"},
        {"dnsbl", {0, LISTED_YES}, POLICY_YES, 0, "dnsbl"},
        {"dnsbl", {LISTED_NO, LISTED_NO}, POLICY_NO, 0, "dnsbl"},
        {"dnsbl", {LISTED_ERROR, LISTED_NO}, POLICY_NO, 0, "dnsbl"},
        {"dnsbl", {LISTED_ERROR, 0}, POLICY_LATER, EXACT, "dnsbl"},
        {"dnsbl \"open\"", {LISTED_ERROR, LISTED_YES}, POLICY_NO, 0, "dnsbl"},
        {"dnsbl \"exact\"", {LISTED_ERROR, LISTED_YES}, POLICY_YES, 0, "dnsbl"},
        {"not dnsbl \"open\"", {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {"not dnsbl \"open\"", {LISTED_NO, 0}, POLICY_YES, 0, "dnsbl"},
        /* what the other side settles needs no DNS */
        {"dnsbl \"open\" and not remote", {0, 0}, POLICY_NO, 0, "remote"},
        {"not remote and dnsbl \"open\"", {0, 0}, POLICY_NO, 0, "remote"},
        {"dnsbl \"open\" or remote", {0, 0}, POLICY_YES, 0, "remote"},
        {"remote or dnsbl \"open\"", {0, 0}, POLICY_YES, 0, "remote"},
        {"dnsbl \"open\" and remote", {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {"remote and dnsbl \"open\"", {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {"not remote or dnsbl \"open\"", {0, 0}, POLICY_LATER, OPEN, "dnsbl"},
        {"from joe@example.org and dnsbl \"open\"", {0, 0}, POLICY_LATER, OPEN, "from"}, /* could matter: asked early */
        {"dnsbl \"open\" and dnsbl \"exact\"", {0, 0}, POLICY_LATER, OPEN | EXACT, "dnsbl"},
        {"dnsbl \"open\" and dnsbl \"exact\"", {LISTED_NO, 0}, POLICY_NO, 0, "dnsbl"},
        {"dnsbl \"open\" and not remote or dnsbl \"exact\"", {0, 0}, POLICY_LATER, EXACT, "dnsbl"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = filters_new(NULL, rows[i].when);
        struct mail m = mail_new();
        struct policy_why why;
        uint64_t lists = 77;
        memcpy(m.listed, rows[i].listed, sizeof(m.listed));
        bool ok = CHECK_INT(ask(&f, &m, STAGE_CONNECT, &why, &lists), rows[i].want);
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
    struct fixture f = filters_new(NULL, "dnsbl");
    struct mail m = mail_new();
    struct policy_why why;
    uint64_t lists;
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        m.facts.client = ip_of(clients[i]);
        CHECK_INT(ask(&f, &m, STAGE_CONNECT, &why, &lists), POLICY_NO);
        CHECK_INT(lists, 0);
    }
    m.facts.client = ip_of("2001:db8::1");
    CHECK_INT(ask(&f, &m, STAGE_CONNECT, &why, &lists), POLICY_LATER);
    CHECK_INT(lists, OPEN | EXACT);
    m.facts.client_is_local = true;
    CHECK_INT(ask(&f, &m, STAGE_CONNECT, &why, &lists), POLICY_NO);
    m.facts.client_is_local = false;
    /* no answer until the end is none */
    CHECK_INT(ask(&f, &m, STAGE_BODY, &why, &lists), POLICY_LATER);
    CHECK_INT(ask(&f, &m, STAGE_EOM, &why, &lists), POLICY_NO);
    CHECK_INT(lists, 0);
    fixture_free(&f);
}

static void names_for_dns(void)
{
    struct fixture f = filters_new(NULL, NULL);
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
        bool open, exact, refusals; /* exact: 127.0.0.2 and 127.0.0.16/28 */
    } rows[] = {
        {"127.0.0.2", true, true, false},       {"127.0.0.3", true, false, false},
        {"127.0.0.16", true, true, false},      {"127.0.0.31", true, true, false},
        {"127.0.0.32", true, false, false},     {"127.1.2.3", true, false, false},
        {"192.0.2.1", false, false, false},     {"2001:db8::1", false, false, false},
        {"127.255.254.1", true, false, false},  {"127.255.255.254", false, false, true},
        {"127.255.255.7", false, false, false},
    };
    struct fixture f = filters_new("dnsrbl \"refusals\" r.example 127.255.255.252/30\n", NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ip two[] = {ip_of("192.0.2.1"), ip_of(rows[i].address)};
        bool ok = CHECK_INT(policy_dnsbl_matches(f.policy, 0, &two[1], 1), rows[i].open);
        ok &= CHECK_INT(policy_dnsbl_matches(f.policy, 1, &two[1], 1), rows[i].exact);
        ok &= CHECK_INT(policy_dnsbl_matches(f.policy, 1, two, 2), rows[i].exact);
        ok &= CHECK_INT(policy_dnsbl_matches(f.policy, 2, &two[1], 1), rows[i].refusals);
        ok &= CHECK(!policy_dnsbl_matches(f.policy, 0, two, 0));
        if (!ok)
            printf("# %s\n", rows[i].address);
    }
    fixture_free(&f);
}

/* ---- named conditions ---- */

static void named_conditions(void)
{
    struct fixture f = filters_new("condition \"stranger\" { remote and s25r }\n"
                                   "condition \"suspect\" { stranger and dnsbl }\n",
                                   "suspect or rcpt eve@example.net");
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    struct mail m = mail_new();
    struct policy_why why;
    uint64_t lists;
    CHECK_INT(ask(&f, &m, STAGE_CONNECT, &why, &lists), POLICY_LATER);
    CHECK_INT(lists, 0); /* an ordinary server: no DNS */
    CHECK_STR(why.condition, "rcpt");
    m.facts.host = SLICE_LIT("dhcp-12-34.isp.example");
    CHECK_INT(ask(&f, &m, STAGE_CONNECT, &why, &lists), POLICY_LATER);
    CHECK_INT(lists, OPEN | EXACT);
    CHECK_STR(why.condition, "suspect");
    m.listed[1] = LISTED_YES;
    CHECK_INT(ask(&f, &m, STAGE_CONNECT, &why, &lists), POLICY_YES);
    CHECK_STR(why.condition, "suspect");
    CHECK_INT(why.s25r_rule, 1);

    struct mail_view v;
    enum policy_truth truth;
    view_at(&v, &m, STAGE_CONNECT);
    CHECK_INT(policy_condition(f.policy, "Stranger", &v.facts, &truth, &why, &(uint64_t){0}), ERR_NONE);
    CHECK_INT(truth, POLICY_YES);
    CHECK_STR(why.condition, "stranger");
    CHECK_INT(policy_condition(f.policy, "dnsbl", &v.facts, &truth, &why, &(uint64_t){0}), ERR_NONE);
    CHECK_INT(truth, POLICY_YES);
    CHECK_INT(policy_condition(f.policy, "strange", &v.facts, &truth, &why, &(uint64_t){0}), ERR_NOT_FOUND);
    fixture_free(&f);
}

/* ---- filters ---- */

/* Greylisting decides at RCPT: what is not known there will not be. Only for DNS it can still wait. */
static void greylisting_knows_at_rcpt(void)
{
    static const struct {
        const char *when;
        enum policy_truth at_mail, at_rcpt;
    } rows[] = {
        {"macro \"{x}\"", POLICY_LATER, POLICY_NO},
        {"not macro \"{x}\"", POLICY_LATER, POLICY_YES},
        {"dnsbl", POLICY_LATER, POLICY_LATER},
        {"dnsbl and macro \"{x}\"", POLICY_LATER, POLICY_NO},
        {"rcpt ann@example.net", POLICY_LATER, POLICY_YES},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf b = {0};
        buf_printf(&b,
                   "dnsrbl \"open\" open.example\nfilter \"first\" {\nconnect \"unix:/a\"\n}\n"
                   "filter \"second\" {\nbuiltin greylist\nwhen %s\n}\n",
                   rows[i].when);
        struct fixture f = fixture_new(buf_cstr(&b));
        struct mail m = mail_new();
        struct policy_why why;
        uint64_t lists;
        CHECK_INT(policy_filter_count(f.policy), 2);
        CHECK_INT(policy_greylist_number(f.policy), SECOND);
        bool ok = CHECK_INT(ask(&f, &m, STAGE_MAIL, &why, &lists), rows[i].at_mail);
        ok &= CHECK_INT(ask(&f, &m, STAGE_RCPT, &why, &lists), rows[i].at_rcpt);
        struct mail_view v;
        view_at(&v, &m, STAGE_RCPT);
        ok &= CHECK_INT(policy_when(f.policy, &v.facts, &why), rows[i].at_rcpt);
        if (!ok)
            printf("# row %zu\n", i);
        fixture_free(&f);
        buf_fini(&b);
    }
}

/* A disabled filter is never asked, and nobody is told that it was; what it would need nobody sends. */
static void disabled_filters(void)
{
    struct fixture f =
        fixture_new("filter \"off\" {\nconnect \"unix:/a\"\nenabled no\nwhen header \"X\" and macro \"{x}\"\n}\n"
                    "filter \"on\" {\nconnect \"unix:/b\"\nwhen not filter \"off\" asked\n}\n"
                    "filter \"g\" {\nbuiltin greylist\nenabled no\nwhen s25r\n}\n"
                    "racl greylist default\n");
    struct mail m = mail_new();
    struct mail_view v;
    struct policy_why why;
    uint64_t lists;
    view_at(&v, &m, STAGE_CONNECT);
    CHECK_INT(policy_filter_when(f.policy, 0, &v.facts, &why, &lists), POLICY_NO);
    CHECK_INT(policy_filter_when(f.policy, 1, &v.facts, &why, &lists), POLICY_YES);
    CHECK_INT(policy_filter_when(f.policy, 2, &v.facts, &why, &lists), POLICY_NO);
    CHECK_INT(policy_greylist_number(f.policy), 2);
    CHECK_INT(policy_when(f.policy, &v.facts, &why), POLICY_NO);
    CHECK_INT(policy_needs(f.policy), 0);
    CHECK(!policy_macros(f.policy)[0]);
    fixture_free(&f);
}

/* What could not be read stands in conditions all the same: told once, and no crash on the way to the other errors. */
static void broken_statements(void)
{
    static const char *const rows[] = {
        "list \"l\" rcpt { ann@ }\nfilter \"a\" {\nconnect \"unix:/a\"\nwhen list \"l\" or every list \"l\"\n}\n",
        "dnsrbl \"d\" 127.0.0.1\nfilter \"a\" {\nconnect \"unix:/a\"\nwhen dnsbl \"d\" or dnsbl\n}\n",
        "condition \"c\" { s25r and }\nfilter \"a\" {\nconnect \"unix:/a\"\nwhen c and not c\n}\n",
        "filter \"a\" {\nconnect \"unix:/a\"\nwhen body /[a/\n}\n",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = fixture_try(rows[i]);
        if (!CHECK_INT(f.diags.errors, 1))
            printf("# %s\n", rows[i]);
        fixture_free(&f);
    }
}

static void no_filter_of_ours(void)
{
    struct fixture f = filters_new(NULL, NULL);
    struct policy_facts facts = facts_new();
    struct policy_why why;
    uint64_t lists;
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
        const char *when;
        unsigned needs;
        const char *macro;
    } rows[] = {
        {"remote", 0, NULL},
        {"s25r", POLICY_NEEDS_NAME, NULL},
        {"authenticated", POLICY_NEEDS_AUTH, NULL},
        {"unauthenticated", POLICY_NEEDS_AUTH, NULL},
        {"trusted", 0, NULL},
        {"stress", 0, NULL},
        {"dnsbl", 0, NULL},
        {"helo \"x\"", POLICY_NEEDS_HELO, NULL},
        {"helo \"%M{tls_version}\"", POLICY_NEEDS_HELO, "{tls_version}"},
        {"rcpt x@y", 0, NULL},
        {"header \"X\"", POLICY_NEEDS_HEADERS, NULL},
        {"body /x/", POLICY_NEEDS_BODY, NULL},
        {"msgsize > 5", POLICY_NEEDS_HEADERS | POLICY_NEEDS_BODY, NULL},
        {"macro \"{tls_version}\"", 0, "{tls_version}"},
        {"macro \"tls_version\"", 0, "{tls_version}"},
        {"macro \"{j}\"", 0, "j"},
        {"not (header \"X\" and (s25r or macro \"v\"))", POLICY_NEEDS_HEADERS | POLICY_NEEDS_NAME, "v"},
    };
    for (int in_a_name = 0; in_a_name <= 1; in_a_name++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct buf b = {0};
            buf_printf(&b,
                       "condition \"unused\" { header \"X\" and macro \"{unused}\" }\n"
                       "condition \"used\" { %s }\n",
                       rows[i].when);
            struct fixture f = filters_new(buf_cstr(&b), in_a_name ? "used" : rows[i].when);
            bool ok = CHECK_INT(policy_needs(f.policy), rows[i].needs);
            ok &= CHECK_STR(policy_macros(f.policy)[0], rows[i].macro);
            ok &= CHECK(!rows[i].macro || !policy_macros(f.policy)[1]);
            if (!ok)
                printf("# row %zu\n", i);
            fixture_free(&f);
            buf_fini(&b);
        }
    }
}

/* ---- at random ---- */

/* A term: its words, and behind them nothing, a value or a regex. */
enum argument { NONE, ADDRESS, NAME, REGEX, VALUE_OR_NONE, REGEX_OR_NONE };

static const struct {
    const char *words;
    enum argument argument;
} terms[] = {
    {"s25r", NONE},
    {"remote", NONE},
    {"authenticated", NONE},
    {"unauthenticated", NONE},
    {"trusted", NONE},
    {"stress", NONE},
    {"stress 2", NONE},
    {"dnsbl", NONE},
    {"dnsbl \"open\"", NONE},
    {"dnsbl \"exact\"", NONE},
    {"domain", REGEX},
    {"from", ADDRESS},
    {"from", REGEX},
    {"rcpt", ADDRESS},
    {"rcpt", REGEX},
    {"list \"friends\"", NONE},
    {"helo", NAME},
    {"helo", REGEX},
    {"helo \"mail.%sf\"", NONE},
    {"helo \"%sr\"", NONE},
    {"every rcpt", REGEX},
    {"every list \"friends\"", NONE},
    {"header \"Subject\"", REGEX_OR_NONE},
    {"header \"X-Spam-Flag\"", REGEX_OR_NONE},
    {"header \"Received\"", REGEX_OR_NONE},
    {"body", REGEX},
    {"msgsize <", NONE}, /* a number comes behind these */
    {"msgsize <=", NONE},
    {"msgsize >", NONE},
    {"msgsize >=", NONE},
    {"filter \"first\" reject", NONE},
    {"filter \"first\" accept", NONE},
    {"filter \"first\" asked", NONE},
    {"filter \"first\" failed", NONE},
    {"filter \"first\" quarantine", NONE},
    {"macro \"{daemon_name}\"", VALUE_OR_NONE},
    {"macro \"j\"", REGEX_OR_NONE},
    {"macro \"{tls_version}\"", VALUE_OR_NONE},
    {"macro \"{tls_version}\"", REGEX_OR_NONE},
    {"one", NONE}, /* conditions of the file */
    {"two", NONE},
};

static void put_argument(struct buf *b, enum argument argument)
{
    static const char *const texts[][3] = {
        [NONE] = {"", "", ""},
        [ADDRESS] = {" ann@example.net", " joe@example.org", " bob@friends.example"},
        [NAME] = {" \"mail.example.org\"", " \"x\"", " \"friends.example\""},
        [REGEX] = {" /^<?(ann|bob)@/", " /example/", " /^now$/"},
        [VALUE_OR_NONE] = {"", " \"smtp\"", " \"YES\""},
        [REGEX_OR_NONE] = {"", " /^.[a-z]/", " /W/"},
    };
    buf_put_cstr(b, texts[argument][random_below(3)]);
}

/* named: how many of the file's conditions stand before it. */
static void put_expr(struct buf *b, unsigned depth, size_t named)
{
    if (depth == 0 || random_below(4) == 0) {
        size_t n = random_below((unsigned)(COUNT_OF(terms) - 2 + named));
        buf_put_cstr(b, terms[n].words);
        put_argument(b, terms[n].argument);
        if (slice_has_prefix(slice_cstr(terms[n].words), "msgsize"))
            buf_printf(b, " %u", random_below(40));
        return;
    }
    bool negated = random_below(3) == 0;
    buf_put_cstr(b, negated ? "not (" : "(");
    put_expr(b, depth - 1, named);
    if (!negated) {
        buf_put_cstr(b, random_below(2) ? " and " : " or ");
        put_expr(b, depth - 1, named);
    }
    buf_put_byte(b, ')');
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
    enum stage stage;
    size_t macros, headers, body;
    bool asked[2], first_is_done;
};

static void advance(struct progress *at, const struct mail *m)
{
    for (size_t i = 0; i < 2; i++)
        at->asked[i] |= random_below(4) == 0;
    at->first_is_done |= random_below(5) == 0;
    if (at->stage < STAGE_DATA)
        at->macros += random_below(2);
    if (at->stage == STAGE_HEADER)
        at->headers += random_below(2);
    if (at->stage == STAGE_BODY)
        at->body += random_below((unsigned)strlen(m->body) + 1);
    if (at->stage < STAGE_EOM && random_below(2))
        at->stage++;
    if (at->stage >= STAGE_DATA)
        at->macros = MAIL_MAX;
    if (at->stage >= STAGE_EOH)
        at->headers = MAIL_MAX;
}

static size_t at_most(size_t n, size_t max)
{
    return n < max ? n : max;
}

static enum policy_truth ask_on_the_way(const struct fixture *f, const struct mail *m, const struct progress *at,
                                        uint64_t *lists)
{
    struct mail_view v;
    struct policy_why why;
    uint8_t listed[2], standing[2];
    bool quarantined[2] = {false, false};
    bool end = at->stage == STAGE_EOM;
    view_at(&v, m, at->stage);
    v.n_macros = at_most(at->macros, v.n_macros);
    v.n_headers = at_most(at->headers, v.n_headers);
    if (at->stage == STAGE_BODY) {
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

/* The same with two truths only, from what each term says at the end by itself. */
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
    struct conf copy = *c;
    struct conf_filter filters[] = {c->filters[FIRST], c->filters[SECOND]};
    filters[SECOND].when = e;
    copy.filters = filters;
    struct fixture alone = {.policy = NULL};
    struct policy_why why;
    uint64_t lists;
    diags_init(&alone.diags);
    alone.policy = policy_compile(&copy, &alone.diags);
    enum policy_truth truth = ask(&alone, m, STAGE_EOM, &why, &lists);
    CHECK(truth != POLICY_LATER);
    policy_free(alone.policy);
    diags_fini(&alone.diags);
    return truth == POLICY_YES;
}

/* A filter that speaks of the present recipient may answer for each of them: there the rule begins anew behind RCPT. */
static bool one_way(const struct fixture *f, const struct mail *m, bool want)
{
    struct progress at = {.stage = STAGE_CONNECT};
    enum policy_truth before = POLICY_LATER, now;
    bool per_recipient = policy_filter_is_per_recipient(f->policy, SECOND);
    do {
        enum stage last = at.stage;
        uint64_t lists;
        advance(&at, m);
        if (per_recipient && last == STAGE_RCPT && at.stage > last)
            before = POLICY_LATER;
        now = ask_on_the_way(f, m, &at, &lists);
        if (!CHECK(before == POLICY_LATER || now == before))
            return false;
        if (!CHECK(now == POLICY_LATER || lists == 0))
            return false;
        before = now;
    } while (at.stage < STAGE_EOM);
    return CHECK_INT(now, want ? POLICY_YES : POLICY_NO);
}

static void what_is_settled_stays(void)
{
    random_begin();
    bool ok = true;
    for (int round = 0; round < 300 && ok; round++) {
        struct buf before = {0}, when = {0};
        buf_put_cstr(&before, "trust { example.org }\ncondition \"one\" { ");
        put_expr(&before, 2, 0);
        buf_put_cstr(&before, " }\ncondition \"two\" { ");
        put_expr(&before, 2, 1);
        buf_put_cstr(&before, " }\n");
        put_expr(&when, 4, 2);
        struct fixture f = filters_new(buf_cstr(&before), buf_cstr(&when));
        ok = f.diags.errors == 0;
        for (int i = 0; i < 5 && ok; i++) {
            struct mail m = random_mail();
            bool want = plain_truth(f.conf, f.conf->filters[SECOND].when, &m);
            for (int way = 0; way < 5 && ok; way++)
                ok = one_way(&f, &m, want);
        }
        if (!ok)
            printf("# round %d: when %s\n# %s\n", round, buf_cstr(&when), buf_cstr(&before));
        fixture_free(&f);
        buf_fini(&before);
        buf_fini(&when);
    }
}

int main(void)
{
    TEST(lists_that_are_asked);
    TEST(clients_that_dns_knows_nothing_of);
    TEST(names_for_dns);
    TEST(answers_of_dns);
    TEST(named_conditions);
    TEST(greylisting_knows_at_rcpt);
    TEST(disabled_filters);
    TEST(broken_statements);
    TEST(no_filter_of_ours);
    TEST(needs);
    TEST(what_is_settled_stays);
    return TEST_END();
}
