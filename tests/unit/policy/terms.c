/* terms.c - each term of a condition at each stage; recipients one by one and all together; what arrives piece by piece. */
#include "trees.h"

#include <stdlib.h>
#include <time.h>

enum { STAGES = POLICY_AT_EOM + 1 };

/* One letter a stage, CONNECT to EOM: y, n, - (later). */
struct stage_row {
    const struct conf_expr *when;
    const char *want;
    const char *why; /* at EOM */
};

static char letter(enum policy_truth truth)
{
    return "ny-"[truth];
}

static void check_stages(const struct stage_row *rows, size_t n, const struct mail *m)
{
    for (size_t i = 0; i < n; i++) {
        struct fixture f = tree_new(rows[i].when);
        struct policy_why why = {0};
        char got[STAGES + 1] = {0};
        for (int stage = POLICY_AT_CONNECT; stage <= POLICY_AT_EOM; stage++) {
            struct mail_view v;
            uint32_t lists;
            view_at(&v, m, (enum policy_stage)stage);
            got[stage] = letter(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists));
            CHECK_INT(lists, 0);
        }
        bool ok = CHECK_STR(got, rows[i].want);
        if (rows[i].why)
            ok &= CHECK_STR(why.condition, rows[i].why);
        if (!ok)
            printf("# row %zu\n", i);
        fixture_free(&f);
    }
}

#define CHECK_STAGES(rows, mail) check_stages(rows, COUNT_OF(rows), mail)

/* ---- what the connection, HELO and MAIL tell ---- */

static void connection(void)
{
    const struct stage_row rows[] = {
        {plain("s25r", CONF_TERM_S25R), "nnnnnnnnn", "s25r"},
        {plain("remote", CONF_TERM_REMOTE), "yyyyyyyyy", "remote"},
        {clause(CONF_CLAUSE_ADDR, item_net("192.0.2.0", 24)), "yyyyyyyyy", "addr"},
        {clause(CONF_CLAUSE_ADDR, item_net("192.0.3.0", 24)), "nnnnnnnnn", "addr"},
        {clause(CONF_CLAUSE_DOMAIN, item_text("example.org")), "yyyyyyyyy", "domain"},
        {clause(CONF_CLAUSE_DOMAIN, item_regex("^mail[0-9]")), "nnnnnnnnn", "domain"},
        {plain("stress", CONF_TERM_STRESS), "nnnnnnnnn", "stress"},
        {stress(7), "yyyyyyyyy", "stress"},
        {stress(8), "nnnnnnnnn", "stress"},
        {macro("{daemon_name}", item_none()), "yyyyyyyyy", "macro"},
        {macro("daemon_name", item_text("SMTP")), "yyyyyyyyy", "macro"},
        {macro("{daemon_name}", item_text("smtps")), "nnnnnnnnn", "macro"},
        {macro("{daemon_name}", item_regex("^s")), "yyyyyyyyy", "macro"},
        {macro("{j}", item_regex("example.net$")), "yyyyyyyyy", "macro"},
        {macro("{tls_version}", item_none()), "----nnnnn", "macro"},
        {macro("{tls_version}", item_text("")), "----nnnnn", "macro"},
    };
    struct mail m = mail_new();
    m.open_sessions = 7;
    CHECK_STAGES(rows, &m);
    const struct stage_row stressed[] = {{plain("stress", CONF_TERM_STRESS), "yyyyyyyyy", "stress"}};
    m.stressed = true;
    CHECK_STAGES(stressed, &m);
}

static void helo_and_mail(void)
{
    const struct stage_row rows[] = {
        {clause(CONF_CLAUSE_HELO, item_text("MAIL.example.org")), "-yyyyyyyy", "helo"},
        {clause(CONF_CLAUSE_HELO, item_text("example.org")), "-nnnnnnnn", "helo"},
        {clause(CONF_CLAUSE_HELO, item_regex("[.]org$")), "-yyyyyyyy", "helo"},
        {clause(CONF_CLAUSE_HELO, item_text("mail.%sf")), "--yyyyyyy", "helo"},
        {clause(CONF_CLAUSE_FROM, item_text("joe@example.org")), "--yyyyyyy", "from"},
        {clause(CONF_CLAUSE_FROM, item_text("jane@example.org")), "--nnnnnnn", "from"},
        {clause(CONF_CLAUSE_FROM, item_regex("^<joe@")), "--yyyyyyy", "from"},
        {plain("authenticated", CONF_TERM_AUTHENTICATED), "--nnnnnnn", "authenticated"},
        {plain("unauthenticated", CONF_TERM_UNAUTHENTICATED), "--yyyyyyy", "unauthenticated"},
        {plain("trusted", CONF_TERM_TRUSTED), "--nnnnnnn", "trusted"},
    };
    struct mail m = mail_new();
    CHECK_STAGES(rows, &m);
    const struct stage_row known[] = {
        {plain("authenticated", CONF_TERM_AUTHENTICATED), "--yyyyyyy", "authenticated"},
        {clause(CONF_CLAUSE_FROM, item_text("joe@example.org")), "--nnnnnnn", "from"}, /* the cleaned one is seen */
        {clause(CONF_CLAUSE_FROM, item_text("joe@list.example")), "--yyyyyyy", "from"},
        {clause(CONF_CLAUSE_HELO, item_regex(".*")), "--nnnnnnn", "helo"}, /* none was said */
    };
    m.facts.auth_type = SLICE_LIT("PLAIN");
    m.facts.sender_seen = SLICE_LIT("<joe@list.example>");
    m.facts.helo = SLICE_NONE;
    CHECK_STAGES(known, &m);
}

/* A HELO that is the recipient's domain: it takes a recipient to tell. */
static void helo_of_the_recipient(void)
{
    const struct stage_row rows[] = {
        {clause(CONF_CLAUSE_HELO, item_text("%sr")), "---nyyyyy", "helo"},
        {clause(CONF_CLAUSE_HELO, item_text("x.%sr")), "---nnnnnn", "helo"},
    };
    struct mail m = mail_new();
    m.facts.helo = SLICE_LIT("friends.example"); /* the second one's */
    CHECK_STAGES(rows, &m);
    struct fixture f = tree_new(rows[0].when);
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    CHECK(!policy_filter_is_per_recipient(f.policy, FIRST));
    fixture_free(&f);
}

/* ---- recipients ---- */

static void recipients(void)
{
    struct fixture base = tree_begin();
    const struct conf_list *friends = base.conf->lists[0];
    const struct stage_row rows[] = {
        {clause(CONF_CLAUSE_RCPT, item_text("ann@example.net")), "---yyyyyy", "rcpt"},
        {clause(CONF_CLAUSE_RCPT, item_text("bob@friends.example")), "---nyyyyy", "rcpt"}, /* the second one */
        {clause(CONF_CLAUSE_RCPT, item_text("eve@example.net")), "---nnnnnn", "rcpt"},
        {clause(CONF_CLAUSE_RCPT, item_regex("@friends")), "---nyyyyy", "rcpt"},
        {every_rcpt(item_text("ann@example.net")), "----nnnnn", "every"},
        {every_rcpt(item_regex("^<(ann|bob)@")), "----yyyyy", "every"},
        {every_rcpt(item_regex("^<bob@")), "----nnnnn", "every"},
        {no(every_rcpt(item_regex("^<bob@"))), "----yyyyy", "every"},
    };
    struct mail m = mail_new();
    CHECK_STAGES(rows, &m);
    const struct stage_row nobody[] = {
        {every_rcpt(item_regex("")), "----nnnnn", "every"},
        {clause(CONF_CLAUSE_RCPT, item_regex("")), "----nnnnn", "rcpt"},
    };
    m.recipients[0] = NULL;
    CHECK_STAGES(nobody, &m);
    /* lists hang on their own configuration */
    struct mail both_listed = mail_new();
    const struct conf_expr *any_friend =
        term("list", (struct conf_term){.kind = CONF_TERM_CLAUSE, .clause = {.kind = CONF_CLAUSE_LIST, .list = friends}});
    const struct conf_expr *all_friends =
        term("every", (struct conf_term){.kind = CONF_TERM_EVERY, .clause = {.kind = CONF_CLAUSE_LIST, .list = friends}});
    tree_compile(&base, both(any_friend, all_friends));
    struct policy_why why;
    uint32_t lists;
    struct mail_view v;
    view_at(&v, &both_listed, POLICY_AT_RCPT);
    CHECK_INT(policy_filter_when(base.policy, SECOND, &v.facts, &why, &lists), POLICY_LATER);
    CHECK_STR(why.condition, "every");
    view_at(&v, &both_listed, POLICY_AT_DATA);
    CHECK_INT(policy_filter_when(base.policy, SECOND, &v.facts, &why, &lists), POLICY_YES);
    both_listed.recipients[1] = "<eve@example.net>";
    CHECK_INT(policy_filter_when(base.policy, SECOND, &v.facts, &why, &lists), POLICY_NO);
    fixture_free(&base);
}

static void one_recipient_by_itself(void)
{
    const struct conf_expr *bob = clause(CONF_CLAUSE_RCPT, item_text("bob@friends.example"));
    struct fixture f = tree_new(both(plain("remote", CONF_TERM_REMOTE), no(bob)));
    struct mail m = mail_new();
    struct mail_view v;
    struct policy_why why;
    uint32_t lists;
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    view_at(&v, &m, POLICY_AT_DATA);
    CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), POLICY_NO); /* one of them is he */
    for (int stage = POLICY_AT_RCPT; stage <= POLICY_AT_EOM; stage++) {
        view_at(&v, &m, (enum policy_stage)stage);
        v.facts.recipient = SLICE_LIT("<ann@example.net>");
        CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), POLICY_YES);
        v.facts.recipient = SLICE_LIT("<BOB@friends.example>");
        CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), POLICY_NO);
        CHECK_STR(why.condition, "rcpt");
    }
    fixture_free(&f);
    f = tree_new(every_rcpt(item_regex("@")));
    CHECK(!policy_filter_is_per_recipient(f.policy, SECOND));
    fixture_free(&f);
    f = tree_new(macro("{rcpt_mailer}", item_text("local")));
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    fixture_free(&f);
}

/* ---- the message ---- */

static void message(void)
{
    const struct stage_row rows[] = {
        {header("subject", item_regex("cheap +watches")), "-----yyyy", "header"},
        {header("Subject", item_regex("^watches")), "------nnn", "header"},
        {header("X-Spam-Flag", item_none()), "-----yyyy", "header"},
        {header("X-Spam-Flag", item_text("yes")), "-----yyyy", "header"},
        {header("X-Spam", item_none()), "------nnn", "header"},
        {body(item_regex("^buy this$")), "-------yy", "body"},
        {body(item_regex("^now$")), "--------y", "body"}, /* its line may go on */
        {body(item_text("BUY")), "-------yy", "body"},
        {body(item_regex("never")), "--------n", "body"},
        {msgsize(CONF_MORE, 4999), "-------yy", "msgsize"},
        {msgsize(CONF_MORE, 5000), "--------n", "msgsize"},
        {msgsize(CONF_MORE_OR_EQUAL, 5000), "-------yy", "msgsize"},
        {msgsize(CONF_LESS, 5000), "-------nn", "msgsize"},
        {msgsize(CONF_LESS, 5001), "--------y", "msgsize"},
        {msgsize(CONF_LESS_OR_EQUAL, 5000), "--------y", "msgsize"},
        {msgsize(CONF_LESS_OR_EQUAL, 4999), "-------nn", "msgsize"},
        {no(msgsize(CONF_MORE, 5000)), "--------y", "msgsize"},
    };
    struct mail m = mail_new();
    CHECK_STAGES(rows, &m);
}

/* "now" and later "nowhere": what a line is, its end tells. */
static void body_in_pieces(void)
{
    static const struct {
        const char *body;
        bool complete;
        char want;
    } rows[] = {
        {"", false, '-'},
        {"now", false, '-'},
        {"now\r", false, '-'},
        {"now\r\n", false, 'y'},
        {"nowhere\r\n", false, '-'},
        {"nowhere\r\nnow", false, '-'},
        {"nowhere\r\nnow", true, 'y'},
        {"nowhere\nnow\n", false, 'y'},
        {"nowhere\n", true, 'n'},
        {"", true, 'n'},
    };
    struct fixture f = tree_new(body(item_regex("^now$")));
    struct mail m = mail_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mail_view v;
        struct policy_why why;
        uint32_t lists;
        view_at(&v, &m, POLICY_AT_BODY);
        v.more.body = slice_cstr(rows[i].body);
        v.more.body_complete = rows[i].complete;
        if (!CHECK_INT(letter(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists)), rows[i].want))
            printf("# row %zu\n", i);
    }
    fixture_free(&f);
}

/* ---- another filter ---- */

static void results(void)
{
    /* by what is asked: accept continue tempfail reject discard quarantine failed asked */
    static const struct {
        enum policy_standing standing;
        bool quarantined;
        const char *want;
    } rows[] = {
        {FILTER_PENDING, false, "--------"},   {FILTER_NOT_ASKED, false, "nnnnnnnn"},  {FILTER_ACCEPTED, false, "ynnnnnny"},
        {FILTER_CONTINUED, false, "nynnnnny"}, {FILTER_TEMPFAILED, false, "nnynnnny"}, {FILTER_REJECTED, false, "nnnynnny"},
        {FILTER_DISCARDED, false, "nnnnynny"}, {FILTER_FAILED, false, "nnnnnnyy"},     {FILTER_ACCEPTED, true, "ynnnnyny"},
        {FILTER_CONTINUED, true, "nynnnyny"},
    };
    struct mail m = mail_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char got[CONF_RESULT_ASKED + 2] = {0}, at_end[CONF_RESULT_ASKED + 2] = {0};
        m.standing[FIRST] = (uint8_t)rows[i].standing;
        m.quarantined[FIRST] = rows[i].quarantined;
        for (int result = CONF_RESULT_ACCEPT; result <= CONF_RESULT_ASKED; result++) {
            struct fixture f = tree_new(first_filter((enum conf_result)result));
            struct mail_view v;
            struct policy_why why;
            uint32_t lists;
            view_at(&v, &m, POLICY_AT_CONNECT);
            got[result] = letter(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists));
            CHECK_STR(why.condition, "filter");
            view_at(&v, &m, POLICY_AT_EOM);
            at_end[result] = letter(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists));
            fixture_free(&f);
        }
        bool ok = CHECK_STR(got, rows[i].want);
        ok &= CHECK_STR(at_end, rows[i].standing == FILTER_PENDING ? "nnnnnnnn" : rows[i].want);
        if (!ok)
            printf("# row %zu\n", i);
    }
}

/* ---- time ---- */

static uint64_t bits_of(int from, int to)
{
    uint64_t bits = 0;
    for (int i = from; i <= to; i++)
        bits |= UINT64_C(1) << i;
    return bits;
}

/* Tuesday, 24 November 2026, 02:36:58 in UTC; 09:36 of the same day in UTC+7. */
static void time_of_day(void)
{
    const struct conf_time always = {.minutes = bits_of(0, 59),
                                     .hours = (uint32_t)bits_of(0, 23),
                                     .days = (uint32_t)bits_of(1, 31),
                                     .months = (uint32_t)bits_of(1, 12),
                                     .weekdays = (uint32_t)bits_of(0, 6),
                                     .any_day = true,
                                     .any_weekday = true};
    struct conf_time rows[12];
    static const char want[] = "yynynnynynyn";
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        rows[i] = always;
    rows[1].hours = 1u << 9;
    rows[2].hours = 1u << 2; /* that would be UTC */
    rows[3].minutes = UINT64_C(1) << 36;
    rows[4].minutes = UINT64_C(1) << 37;
    rows[5].months = 1u << 10;
    rows[6].weekdays = 1u << 2;
    rows[6].any_weekday = false;
    rows[7].weekdays = 1u << 3;
    rows[7].any_weekday = false;
    rows[8].days = 1u << 24;
    rows[8].any_day = false;
    rows[9].days = 1u << 25;
    rows[9].any_day = false;
    rows[10] = rows[9]; /* both given: one of them is enough */
    rows[10].weekdays = 1u << 2;
    rows[10].any_weekday = false;
    rows[11] = rows[9];
    rows[11].weekdays = 1u << 1;
    rows[11].any_weekday = false;
    setenv("TZ", "UTC-7", 1);
    tzset();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = tree_new(term("time", (struct conf_term){.kind = CONF_TERM_TIME, .time = rows[i]}));
        struct mail m = mail_new();
        struct mail_view v;
        struct policy_why why;
        uint32_t lists;
        m.facts.now = (struct wall){1795487818};
        view_at(&v, &m, POLICY_AT_CONNECT);
        if (!CHECK_INT(letter(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists)), want[i]))
            printf("# row %zu\n", i);
        fixture_free(&f);
    }
}

/* ---- networks, trust ---- */

static void own_networks(void)
{
    static const struct {
        const char *client;
        enum policy_truth want;
    } rows[] = {
        {"192.0.2.7", POLICY_NO},    /* network local */
        {"192.0.2.200", POLICY_YES}, /* … of which this part is remote */
        {"10.1.2.3", POLICY_NO},     /* as without any statement */
        {"10.9.1.1", POLICY_YES},    /* network remote */
        {"198.51.100.1", POLICY_YES}, {"2001:db8::1", POLICY_NO}, {"2001:db9::1", POLICY_YES},
    };
    struct conf_item local[] = {item_net("192.0.2.0", 24), item_net("2001:db8::", 32)};
    struct conf_item remote[] = {item_net("192.0.2.128", 25), item_net("10.9.0.0", 16)};
    struct fixture f = tree_begin();
    f.conf->net_local = local;
    f.conf->n_net_local = COUNT_OF(local);
    f.conf->net_remote = remote;
    f.conf->n_net_remote = COUNT_OF(remote);
    tree_compile(&f, plain("remote", CONF_TERM_REMOTE));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy_facts facts = facts_new();
        struct policy_why why;
        uint32_t lists;
        facts.client = ip_of(rows[i].client);
        if (!CHECK_INT(policy_filter_when(f.policy, SECOND, &facts, &why, &lists), rows[i].want))
            printf("# %s\n", rows[i].client);
    }
    fixture_free(&f);
}

static void trust(void)
{
    static const struct {
        const char *sender;
        bool want;
    } rows[] = {
        {"<a@gmail.example>", true},
        {"<a@GMAIL.example>", true},
        {"a@gmail.example", true},
        {"<a@x.gmail.example>", false},
        {"<a@xgmail.example>", false},
        {"<a@b@gmail.example>", true},
        {"<a@one.corp.example>", true},
        {"<a@corp.example>", false},
        {"<a@mail7.example>", true},
        {"<a@mail.example>", false},
        {"<>", false},
        {"", false},
        {"<gmail.example>", false},
        {"<a@>", false},
    };
    struct conf_item items[] = {item_text("gmail.example"), item_text(".corp.example"), item_regex("^mail[0-9]")};
    struct fixture f = tree_begin();
    f.conf->trust = items;
    f.conf->n_trust = COUNT_OF(items);
    tree_compile(&f, plain("trusted", CONF_TERM_TRUSTED));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy_facts facts = facts_new();
        struct policy_why why;
        uint32_t lists;
        facts.sender = slice_cstr(rows[i].sender);
        bool ok = CHECK_INT(policy_is_trusted(f.policy, facts.sender), rows[i].want);
        ok &= CHECK_INT(policy_filter_when(f.policy, SECOND, &facts, &why, &lists) == POLICY_YES, rows[i].want);
        if (!ok)
            printf("# %s\n", rows[i].sender);
    }
    CHECK(!policy_is_trusted(f.policy, SLICE_NONE));
    fixture_free(&f);
}

/* Facts without what sessions know beside them, as explain gives them. */
static void facts_alone(void)
{
    const struct stage_row rows[] = {
        {stress(-1), "nnnnnnnnn", NULL},
        {dnsbl(NULL), "nnnnnnnnn", NULL},
        {macro("{x}", item_none()), "----nnnnn", NULL},
        {header("X", item_none()), "------nnn", NULL},
        {body(item_regex("x")), "--------n", NULL},
        {msgsize(CONF_LESS, 10), "--------n", NULL},
        {first_filter(CONF_RESULT_ACCEPT), "--------n", NULL},
        {every_rcpt(item_regex("@")), "----nnnnn", NULL},
        {clause(CONF_CLAUSE_RCPT, item_regex("@")), "---yyyyyy", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = tree_new(rows[i].when);
        struct policy_facts facts = facts_new();
        char got[STAGES + 1] = {0};
        for (int stage = POLICY_AT_CONNECT; stage <= POLICY_AT_EOM; stage++) {
            struct policy_why why;
            uint32_t lists;
            facts.stage = (enum policy_stage)stage;
            got[stage] = letter(policy_filter_when(f.policy, SECOND, &facts, &why, &lists));
            CHECK_INT(lists, 0);
        }
        if (!CHECK_STR(got, rows[i].want))
            printf("# row %zu\n", i);
        fixture_free(&f);
    }
}

int main(void)
{
    TEST(connection);
    TEST(helo_and_mail);
    TEST(helo_of_the_recipient);
    TEST(recipients);
    TEST(one_recipient_by_itself);
    TEST(message);
    TEST(body_in_pieces);
    TEST(results);
    TEST(time_of_day);
    TEST(own_networks);
    TEST(trust);
    TEST(facts_alone);
    arena_fini(&trees);
    return TEST_END();
}
