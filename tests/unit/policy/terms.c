/* terms.c - each term of a condition at each stage; recipients one by one and all together; what arrives piece by piece. */
#include "mail.h"

#include <stdlib.h>
#include <time.h>

enum { STAGES = STAGE_EOM + 1 };

/* One letter a stage, CONNECT to EOM: y, n, - (later). */
struct stage_row {
    const char *when;
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
        struct fixture f = filters_new(NULL, rows[i].when);
        struct policy_why why = {0};
        char got[STAGES + 1] = {0};
        for (int stage = STAGE_CONNECT; stage <= STAGE_EOM; stage++) {
            struct mail_view v;
            uint64_t lists;
            view_at(&v, m, (enum stage)stage);
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
        {"s25r", "nnnnnnnnn", "s25r"},
        {"remote", "yyyyyyyyy", "remote"},
        {"addr 192.0.2.0/24", "yyyyyyyyy", "addr"},
        {"addr 192.0.3.0/24", "nnnnnnnnn", "addr"},
        {"domain example.org", "yyyyyyyyy", "domain"},
        {"domain /^mail[0-9]/", "nnnnnnnnn", "domain"},
        {"stress", "nnnnnnnnn", "stress"},
        {"stress 7", "yyyyyyyyy", "stress"},
        {"stress 8", "nnnnnnnnn", "stress"},
        {"macro \"{daemon_name}\"", "yyyyyyyyy", "macro"},
        {"macro \"daemon_name\" \"SMTP\"", "yyyyyyyyy", "macro"},
        {"macro \"{daemon_name}\" \"smtps\"", "nnnnnnnnn", "macro"},
        {"macro \"{daemon_name}\" /^s/", "yyyyyyyyy", "macro"},
        {"macro \"{j}\" /example.net$/", "yyyyyyyyy", "macro"},
        {"macro \"{tls_version}\"", "----nnnnn", "macro"},
        {"macro \"{tls_version}\" \"\"", "----nnnnn", "macro"},
    };
    struct mail m = mail_new();
    m.open_sessions = 7;
    CHECK_STAGES(rows, &m);
    const struct stage_row stressed[] = {{"stress", "yyyyyyyyy", "stress"}};
    m.stressed = true;
    CHECK_STAGES(stressed, &m);
}

static void helo_and_mail(void)
{
    const struct stage_row rows[] = {
        {"helo \"MAIL.example.org\"", "-yyyyyyyy", "helo"},
        {"helo \"example.org\"", "-nnnnnnnn", "helo"},
        {"helo /[.]org$/", "-yyyyyyyy", "helo"},
        {"helo \"mail.%sf\"", "--yyyyyyy", "helo"},
        {"from joe@example.org", "--yyyyyyy", "from"},
        {"from jane@example.org", "--nnnnnnn", "from"},
        {"from /^<joe@/", "--yyyyyyy", "from"},
        {"authenticated", "--nnnnnnn", "authenticated"},
        {"unauthenticated", "--yyyyyyy", "unauthenticated"},
        {"trusted", "--nnnnnnn", "trusted"},
    };
    struct mail m = mail_new();
    CHECK_STAGES(rows, &m);
    const struct stage_row known[] = {
        {"authenticated", "--yyyyyyy", "authenticated"},
        {"from joe@example.org", "--nnnnnnn", "from"}, /* the cleaned one is seen */
        {"from joe@list.example", "--yyyyyyy", "from"},
        {"helo /.*/", "--nnnnnnn", "helo"}, /* none was said */
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
        {"helo \"%sr\"", "---nyyyyy", "helo"},
        {"helo \"x.%sr\"", "---nnnnnn", "helo"},
    };
    struct mail m = mail_new();
    m.facts.helo = SLICE_LIT("friends.example"); /* the second one's */
    CHECK_STAGES(rows, &m);
    struct fixture f = filters_new(NULL, rows[0].when);
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    CHECK(!policy_filter_is_per_recipient(f.policy, FIRST));
    fixture_free(&f);
}

/* ---- recipients ---- */

static void recipients(void)
{
    const struct stage_row rows[] = {
        {"rcpt ann@example.net", "---yyyyyy", "rcpt"},
        {"rcpt bob@friends.example", "---nyyyyy", "rcpt"}, /* the second one */
        {"rcpt eve@example.net", "---nnnnnn", "rcpt"},
        {"rcpt /@friends/", "---nyyyyy", "rcpt"},
        {"every rcpt ann@example.net", "----nnnnn", "every"},
        {"every rcpt /^<(ann|bob)@/", "----yyyyy", "every"},
        {"every rcpt /^<bob@/", "----nnnnn", "every"},
        {"not every rcpt /^<bob@/", "----yyyyy", "every"},
        {"list \"friends\"", "---yyyyyy", "list"},
        {"every list \"friends\"", "----yyyyy", "every"},
        {"list \"friends\" and every list \"friends\"", "----yyyyy", "every"},
    };
    struct mail m = mail_new();
    CHECK_STAGES(rows, &m);
    const struct stage_row nobody[] = {
        {"every rcpt /@/", "----nnnnn", "every"},
        {"rcpt /@/", "----nnnnn", "rcpt"},
    };
    m.recipients[0] = NULL;
    CHECK_STAGES(nobody, &m);
    const struct stage_row one_stranger[] = {
        {"list \"friends\"", "---nyyyyy", "list"},
        {"every list \"friends\"", "----nnnnn", "every"},
    };
    m.recipients[0] = "<eve@example.net>";
    CHECK_STAGES(one_stranger, &m);
}

static void one_recipient_by_itself(void)
{
    struct fixture f = filters_new(NULL, "remote and not rcpt bob@friends.example");
    struct mail m = mail_new();
    struct mail_view v;
    struct policy_why why;
    uint64_t lists;
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    view_at(&v, &m, STAGE_DATA);
    CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), POLICY_NO); /* one of them is he */
    for (int stage = STAGE_RCPT; stage <= STAGE_EOM; stage++) {
        view_at(&v, &m, (enum stage)stage);
        v.facts.recipient = SLICE_LIT("<ann@example.net>");
        CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), POLICY_YES);
        v.facts.recipient = SLICE_LIT("<BOB@friends.example>");
        CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), POLICY_NO);
        CHECK_STR(why.condition, "rcpt");
    }
    fixture_free(&f);
    f = filters_new(NULL, "every rcpt /@/");
    CHECK(!policy_filter_is_per_recipient(f.policy, SECOND));
    fixture_free(&f);
    f = filters_new(NULL, "macro \"{rcpt_mailer}\" \"local\"");
    CHECK(policy_filter_is_per_recipient(f.policy, SECOND));
    fixture_free(&f);
}

/* ---- the message ---- */

static void message(void)
{
    const struct stage_row rows[] = {
        {"header \"subject\" /cheap +watches/", "-----yyyy", "header"},
        {"header \"Subject\" /^watches/", "------nnn", "header"},
        {"header \"X-Spam-Flag\"", "-----yyyy", "header"},
        {"header \"X-Spam-Flag\" /^yes$/", "-----yyyy", "header"},
        {"header \"X-Spam\"", "------nnn", "header"},
        {"body /^buy this$/", "-------yy", "body"},
        {"body /^now$/", "--------y", "body"}, /* its line may go on */
        {"body /BUY/", "-------yy", "body"},
        {"body /never/", "--------n", "body"},
        {"msgsize > 4999", "-------yy", "msgsize"},
        {"msgsize > 5000", "--------n", "msgsize"},
        {"msgsize >= 5000", "-------yy", "msgsize"},
        {"msgsize < 5000", "-------nn", "msgsize"},
        {"msgsize < 5001", "--------y", "msgsize"},
        {"msgsize <= 5000", "--------y", "msgsize"},
        {"msgsize <= 4999", "-------nn", "msgsize"},
        {"not msgsize > 5000", "--------y", "msgsize"},
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
    struct fixture f = filters_new(NULL, "body /^now$/");
    struct mail m = mail_new();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mail_view v;
        struct policy_why why;
        uint64_t lists;
        view_at(&v, &m, STAGE_BODY);
        v.more.body = slice_cstr(rows[i].body);
        v.more.body_complete = rows[i].complete;
        if (!CHECK_INT(letter(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists)), rows[i].want))
            printf("# row %zu\n", i);
    }
    /* nobody has said that it is complete, but nothing follows */
    struct mail_view v;
    struct policy_why why;
    uint64_t lists;
    m.body = "nowhere\r\nnow";
    view_at(&v, &m, STAGE_EOM);
    v.more.body_complete = false;
    CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), POLICY_YES);
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
            static const char *const names[] = {"accept",  "continue",   "tempfail", "reject",
                                                "discard", "quarantine", "failed",   "asked"};
            struct buf when = {0};
            buf_printf(&when, "filter \"first\" %s", names[result]);
            struct fixture f = filters_new(NULL, buf_cstr(&when));
            buf_fini(&when);
            struct mail_view v;
            struct policy_why why;
            uint64_t lists;
            view_at(&v, &m, STAGE_CONNECT);
            got[result] = letter(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists));
            CHECK_STR(why.condition, "filter");
            view_at(&v, &m, STAGE_EOM);
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

static void time_of_day(void)
{
    static const struct {
        const char *when;
        enum policy_truth want;
    } rows[] = {
        {"time \"* * * * *\"", POLICY_YES},         {"time \"* 9 * * *\"", POLICY_YES},
        {"time \"* 2 * * *\"", POLICY_NO}, /* that would be UTC */
        {"time \"36 * * * *\"", POLICY_YES},        {"time \"37-59 * * * *\"", POLICY_NO},
        {"time \"* * * 10 *\"", POLICY_NO},         {"time \"* * * 11 *\"", POLICY_YES},
        {"time \"* * * * 2\"", POLICY_YES},         {"time \"* * * * 3\"", POLICY_NO},
        {"time \"* * 24 * *\"", POLICY_YES},        {"time \"* * 25 * *\"", POLICY_NO},
        {"time \"* * 25 * 2\"", POLICY_YES}, /* both given: one of them is enough */
        {"time \"* * 24 * 1\"", POLICY_YES},        {"time \"* * 25 * 1\"", POLICY_NO},
        {"time \"0-59 8-17 * * 1-5\"", POLICY_YES},
    };
    setenv("TZ", "UTC-7", 1);
    tzset();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = filters_new(NULL, rows[i].when);
        struct mail m = mail_new();
        struct mail_view v;
        struct policy_why why;
        uint64_t lists;
        m.facts.now = (struct wall){1795487818};
        view_at(&v, &m, STAGE_CONNECT);
        if (!CHECK_INT(policy_filter_when(f.policy, SECOND, &v.facts, &why, &lists), rows[i].want))
            printf("# %s\n", rows[i].when);
        CHECK_STR(why.condition, "time");
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
    struct fixture f = filters_new("network local { 192.0.2.0/24 2001:db8::/32 }\n"
                                   "network remote { 192.0.2.128/25 10.9.0.0/16 }\n",
                                   "remote");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy_facts facts = facts_new();
        struct policy_why why;
        uint64_t lists;
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
    struct fixture f = filters_new("trust { gmail.example .corp.example /^mail[0-9]/ }\n", "trusted");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy_facts facts = facts_new();
        struct policy_why why;
        uint64_t lists;
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
        {"stress", "nnnnnnnnn", NULL},
        {"dnsbl", "nnnnnnnnn", NULL},
        {"macro \"{x}\"", "----nnnnn", NULL},
        {"header \"X\"", "------nnn", NULL},
        {"body /x/", "--------n", NULL},
        {"msgsize < 10", "--------n", NULL},
        {"filter \"first\" accept", "--------n", NULL},
        {"every rcpt /@/", "----nnnnn", NULL},
        {"rcpt /@/", "---yyyyyy", NULL},
        /* before their stage they count for nothing */
        {"helo \"mail.example.org\"", "-yyyyyyyy", NULL},
        {"from joe@example.org", "--yyyyyyy", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fixture f = filters_new(NULL, rows[i].when);
        struct policy_facts facts = facts_new();
        char got[STAGES + 1] = {0};
        for (int stage = STAGE_CONNECT; stage <= STAGE_EOM; stage++) {
            struct policy_why why;
            uint64_t lists;
            facts.stage = (enum stage)stage;
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
    return TEST_END();
}
