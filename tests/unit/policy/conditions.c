/* conditions.c - s25r, remote, authenticated; expressions of them in three truths; what is told about who settled it. */
#include "fixture.h"

/* ---- expressions ---- */

/*
 * Three conditions whose truth the facts of an early stage set at will: `remote` by the address; `authenticated` is LATER
 * before MAIL. T, F and L stand for them in the rows.
 */
static const struct {
    const char *expr; /* T: remote, F: not remote, L: authenticated */
    enum policy_truth want;
    const char *why;
} expr_rows[] = {
    {"T", POLICY_YES, "remote"},
    {"F", POLICY_NO, "remote"},
    {"L", POLICY_LATER, "authenticated"},
    {"not T", POLICY_NO, "remote"},
    {"not F", POLICY_YES, "remote"},
    {"not L", POLICY_LATER, "authenticated"},
    {"T and T", POLICY_YES, "remote"},
    {"T and F", POLICY_NO, "remote"},
    {"F and T", POLICY_NO, "remote"},
    {"F and F", POLICY_NO, "remote"},
    {"T and L", POLICY_LATER, "authenticated"},
    {"L and T", POLICY_LATER, "authenticated"},
    {"F and L", POLICY_NO, "remote"},
    {"L and F", POLICY_NO, "remote"},
    {"L and L", POLICY_LATER, "authenticated"},
    {"T or T", POLICY_YES, "remote"},
    {"T or F", POLICY_YES, "remote"},
    {"F or T", POLICY_YES, "remote"},
    {"F or F", POLICY_NO, "remote"},
    {"T or L", POLICY_YES, "remote"},
    {"L or T", POLICY_YES, "remote"},
    {"F or L", POLICY_LATER, "authenticated"},
    {"L or F", POLICY_LATER, "authenticated"},
    {"L or L", POLICY_LATER, "authenticated"},
    {"not (T and F)", POLICY_YES, "remote"},
    {"not (T and L)", POLICY_LATER, "authenticated"},
    {"not (F and L)", POLICY_YES, "remote"},
    {"not (T or L)", POLICY_NO, "remote"},
    {"(L or T) and (L or F)", POLICY_LATER, "authenticated"},
    {"(L or F) and F", POLICY_NO, "remote"},
    {"T and T and F", POLICY_NO, "remote"},
    {"F or F or T", POLICY_YES, "remote"},
    {"L and L and F", POLICY_NO, "remote"},
    {"F and T or T", POLICY_YES, "remote"}, /* `and` binds closer */
    {"T or T and F", POLICY_YES, "remote"},
};

static void expressions(void)
{
    for (size_t i = 0; i < sizeof(expr_rows) / sizeof(expr_rows[0]); i++) {
        struct buf b = {0};
        buf_put_cstr(&b, "filter \"greylist\" {\nbuiltin greylist\nwhen ");
        for (const char *c = expr_rows[i].expr; *c; c++) {
            if (*c == 'T')
                buf_put_cstr(&b, "remote");
            else if (*c == 'F')
                buf_put_cstr(&b, "(not remote)");
            else if (*c == 'L')
                buf_put_cstr(&b, "authenticated");
            else
                buf_put_byte(&b, *c);
        }
        buf_put_cstr(&b, "\n}\n");
        struct fixture f = fixture_new(buf_cstr(&b));
        struct policy_facts facts = facts_new();
        struct policy_why why;
        facts.stage = STAGE_CONNECT;
        bool ok = CHECK_INT(policy_when(f.policy, &facts, &why), expr_rows[i].want);
        ok &= CHECK_STR(why.condition, expr_rows[i].why);
        ok &= CHECK_INT(why.s25r_rule, -1);
        if (!ok)
            printf("# %s\n", expr_rows[i].expr);
        fixture_free(&f);
        buf_fini(&b);
    }
}

static void no_filter_and_no_condition(void)
{
    struct policy_facts facts = facts_new();
    struct policy_why why;
    facts.stage = STAGE_CONNECT;
    struct fixture f = fixture_new("racl greylist default\n");
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_YES);
    CHECK(!why.condition);
    fixture_free(&f);
    f = fixture_new("filter \"greylist\" {\nbuiltin greylist\n}\n");
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_YES);
    CHECK(!why.condition);
    fixture_free(&f);
}

/* The shipped filter: what each stage can tell. */
static void the_shipped_filter(void)
{
    struct fixture f = fixture_new("filter \"greylist\" {\nbuiltin greylist\n"
                                   "when remote and unauthenticated and s25r\n}\n");
    struct policy_facts facts = facts_new();
    struct policy_why why;
    facts.stage = STAGE_CONNECT;
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_NO); /* an ordinary server: settled at once */
    CHECK_STR(why.condition, "s25r");
    facts.host = SLICE_LIT("dhcp-12-34.isp.example");
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_LATER);
    CHECK_STR(why.condition, "unauthenticated");
    facts.stage = STAGE_MAIL;
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_YES);
    CHECK_INT(why.s25r_rule, 1);
    facts.auth_type = SLICE_LIT("PLAIN");
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_NO);
    CHECK_STR(why.condition, "unauthenticated");
    facts.auth_type = SLICE_NONE;
    facts.client = ip_of("10.1.2.3");
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_NO);
    CHECK_STR(why.condition, "remote");
    fixture_free(&f);
}

/* ---- by name ---- */

static enum policy_truth ask(const struct fixture *f, const char *name, const struct policy_facts *facts,
                             struct policy_why *why)
{
    enum policy_truth truth;
    CHECK_INT(policy_condition(f->policy, name, facts, &truth, why, &(uint64_t){0}), ERR_NONE);
    return truth;
}

static void by_name(void)
{
    struct fixture f = fixture_new("racl greylist default\n");
    struct policy_facts facts = facts_new();
    struct policy_why why;
    enum policy_truth truth;
    CHECK_INT(policy_condition(f.policy, "s25", &facts, &truth, &why, &(uint64_t){0}), ERR_NOT_FOUND);
    CHECK_INT(ask(&f, "Remote", &facts, &why), POLICY_YES);
    CHECK_STR(why.condition, "remote");
    fixture_free(&f);
}

static void remote(void)
{
    static const struct {
        const char *client;
        enum policy_truth want;
    } rows[] = {
        {"192.0.2.7", POLICY_YES},
        {"127.0.0.1", POLICY_NO},
        {"127.255.0.1", POLICY_NO},
        {"10.0.0.1", POLICY_NO},
        {"11.0.0.1", POLICY_YES},
        {"172.15.255.255", POLICY_YES},
        {"172.16.0.0", POLICY_NO},
        {"172.31.255.255", POLICY_NO},
        {"172.32.0.0", POLICY_YES},
        {"192.167.0.1", POLICY_YES},
        {"192.168.255.1", POLICY_NO},
        {"169.254.7.7", POLICY_NO},
        {"169.255.0.0", POLICY_YES},
        {"::1", POLICY_NO},
        {"::2", POLICY_YES},
        {"fe80::1", POLICY_NO},
        {"febf::1", POLICY_NO},
        {"fec0::1", POLICY_YES},
        {"fc00::1", POLICY_NO},
        {"fdff::1", POLICY_NO},
        {"fe00::1", POLICY_YES},
        {"2001:db8::1", POLICY_YES},
        {"::ffff:10.0.0.1", POLICY_NO},
        {"::ffff:192.0.2.1", POLICY_YES},
    };
    struct fixture f = fixture_new("racl greylist default\n");
    struct policy_why why;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_facts facts = facts_new();
        facts.client = ip_of(rows[i].client);
        if (!CHECK_INT(ask(&f, "remote", &facts, &why), rows[i].want))
            printf("# %s\n", rows[i].client);
    }
    struct policy_facts facts = facts_new();
    facts.client_is_local = true;
    CHECK_INT(ask(&f, "remote", &facts, &why), POLICY_NO);
    facts = facts_new();
    facts.client = (struct ip){0};
    CHECK_INT(ask(&f, "remote", &facts, &why), POLICY_NO);
    fixture_free(&f);
}

static void authenticated(void)
{
    static const struct {
        enum stage stage;
        const char *type, *authen;
        enum policy_truth want;
    } rows[] = {
        {STAGE_CONNECT, "PLAIN", "joe", POLICY_LATER}, /* a macro out of season is none */
        {STAGE_CONNECT, NULL, NULL, POLICY_LATER},     {STAGE_HELO, NULL, NULL, POLICY_LATER},
        {STAGE_MAIL, NULL, NULL, POLICY_NO},           {STAGE_MAIL, "", "", POLICY_NO},
        {STAGE_MAIL, "PLAIN", NULL, POLICY_YES},       {STAGE_MAIL, NULL, "joe", POLICY_YES},
        {STAGE_RCPT, "PLAIN", "joe", POLICY_YES},
    };
    struct fixture f = fixture_new("racl greylist default\n");
    struct policy_why why;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_facts facts = facts_new();
        facts.stage = rows[i].stage;
        facts.auth_type = slice_cstr(rows[i].type);
        facts.auth_authen = slice_cstr(rows[i].authen);
        enum policy_truth is = ask(&f, "authenticated", &facts, &why), not = ask(&f, "unauthenticated", &facts, &why);
        bool ok = CHECK_INT(is, rows[i].want);
        ok &= CHECK_INT(not, is == POLICY_LATER ? POLICY_LATER : is == POLICY_YES ? POLICY_NO : POLICY_YES);
        if (!ok)
            printf("# row %zu\n", i);
    }
    fixture_free(&f);
}

/* ---- s25r ---- */

enum { NOTHING = -1 };

struct s25r_row {
    const char *host, *ptr;
    enum policy_resolve resolve;
    bool again;
    enum policy_truth want;
    int rule;         /* NOTHING: none */
    const char *list; /* NULL: none */
    bool temp;
};

static void check_s25r(const char *settings, const struct s25r_row *rows, size_t n)
{
    struct fixture f = fixture_new(settings);
    for (size_t i = 0; i < n; i++) {
        /* IPv4 and IPv6 alike */
        for (int six = 0; six <= 1; six++) {
            struct policy_facts facts = facts_new();
            struct policy_why why;
            facts.stage = STAGE_CONNECT;
            if (six)
                facts.client = ip_of("2001:db8::7");
            facts.host = slice_cstr(rows[i].host);
            facts.client_ptr = slice_cstr(rows[i].ptr);
            facts.resolve = rows[i].resolve;
            facts.temp_again = rows[i].again;
            bool ok = CHECK_INT(ask(&f, "s25r", &facts, &why), rows[i].want);
            ok &= CHECK_INT(why.s25r_rule, rows[i].rule);
            ok &= CHECK_STR(why.s25r_list, rows[i].list);
            ok &= CHECK_INT(why.s25r_temp, rows[i].temp);
            if (!ok)
                printf("# row %zu: host %s\n", i, rows[i].host);
        }
    }
    fixture_free(&f);
}

#define CHECK_S25R(settings, rows) check_s25r(settings, rows, sizeof(rows) / sizeof((rows)[0]))

static void s25r_rules(void)
{
    static const struct s25r_row rows[] = {
        {"mail.example.org", .resolve = RESOLVE_OK, .rule = NOTHING},
        {"mail.example.org", .resolve = RESOLVE_ABSENT, .rule = NOTHING},
        {"192-0-2-7.dynamic.example.net", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = 1},
        {"PCP04083532pcs.example.com", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = 2},
        {"398pkj.cm.example.no", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = 3},
        {"m226.net81-66.example.fr", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = 4},
        {"nat5.x7.isp.example.jp", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = 5},
        {"DHCP12.example.org", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = 6},
        {"localhost", .resolve = RESOLVE_OK, .rule = NOTHING},
    };
    CHECK_S25R("racl greylist default\n", rows);
}

static void s25r_without_a_name(void)
{
    static const struct s25r_row rows[] = {
        {"[192.0.2.7]", "unknown", RESOLVE_FAIL, .want = POLICY_YES, .rule = 0},
        {"unknown", "unknown", RESOLVE_FAIL, .want = POLICY_YES, .rule = 0},
        {"UNKNOWN", NULL, RESOLVE_ABSENT, .want = POLICY_YES, .rule = 0},
        {"", NULL, RESOLVE_ABSENT, .want = POLICY_YES, .rule = 0},
        {"[IPv6:2001:db8::7]", NULL, RESOLVE_ABSENT, .want = POLICY_YES, .rule = 0},
        {"[192.0.2.7]", "mail.example.org", RESOLVE_FORGED, .want = POLICY_YES, .rule = 0},
        /* an MTA that shows the name all the same, with its verdict */
        {"mail.example.org", "mail.example.org", RESOLVE_FORGED, .want = POLICY_YES, .rule = 0},
        {"mail-1.google.com", "mail-1.google.com", RESOLVE_FORGED, .want = POLICY_YES, .rule = 0},
    };
    CHECK_S25R("s25r whitelist { \".google.com\" }\n", rows);
}

/* The look-up failed for now: never "no name", unless it stays so. */
static void s25r_temp(void)
{
    static const struct s25r_row rows[] = {
        {"[192.0.2.7]", "unknown", RESOLVE_TEMP, .rule = NOTHING, .temp = true},
        {"[192.0.2.7]", NULL, RESOLVE_TEMP, .rule = NOTHING, .temp = true},
        {"[192.0.2.7]", "unknown", RESOLVE_TEMP, .again = true, .want = POLICY_YES, .rule = 0, .temp = true},
        {"[192.0.2.7]", NULL, RESOLVE_TEMP, .again = true, .want = POLICY_YES, .rule = 0, .temp = true},
        {"[192.0.2.7]", "mail.example.org", RESOLVE_TEMP, .rule = NOTHING, .temp = true},
        {"[192.0.2.7]", "mail.example.org", RESOLVE_TEMP, .again = true, .rule = NOTHING, .temp = true},
        {"[192.0.2.7]", "dhcp12.example.org", RESOLVE_TEMP, .want = POLICY_YES, .rule = 6, .temp = true},
        /* a whitelisted name that nobody has verified is worth nothing; a blacklisted one nobody would claim */
        {"[192.0.2.7]", "a-1-2.google.com", RESOLVE_TEMP, .want = POLICY_YES, .rule = 1, .temp = true},
        {"[192.0.2.7]", "gate.pool.example", RESOLVE_TEMP, .want = POLICY_YES, .rule = NOTHING, .list = ".pool.example",
         .temp = true},
    };
    CHECK_S25R("s25r whitelist { \".google.com\" }\ns25r blacklist { \".pool.example\" }\n", rows);
}

static void s25r_lists(void)
{
    static const struct s25r_row rows[] = {
        {"a-1-2.google.com", .resolve = RESOLVE_OK, .rule = NOTHING, .list = ".Google.com"},
        {"google.com", .resolve = RESOLVE_OK, .rule = NOTHING},
        {"a1-2.badgoogle.com", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = 1},
        {"MX1-2.example.net", .resolve = RESOLVE_OK, .rule = NOTHING, .list = "mx1-2.example.net"},
        {"a.mx1-2.example.net", .resolve = RESOLVE_OK, .rule = NOTHING},
        {"out1-2.example.com", .resolve = RESOLVE_OK, .rule = NOTHING, .list = "/^out[0-9]-[0-9]\\./"},
        {"mail.pool.example", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = NOTHING, .list = ".pool.example"},
        {"white.pool.example", .resolve = RESOLVE_OK, .rule = NOTHING, .list = "white.pool.example"},
        {"bad.example.org", .resolve = RESOLVE_OK, .want = POLICY_YES, .rule = NOTHING, .list = "/^bad\\./"},
        {"[192.0.2.7]", .resolve = RESOLVE_FAIL, .rule = NOTHING, .list = "[192.0.2.7]"},
        {"[192.0.2.8]", .resolve = RESOLVE_FAIL, .want = POLICY_YES, .rule = 0},
    };
    CHECK_S25R("s25r whitelist { \".Google.com\" \"mx1-2.example.net\" /^out[0-9]-[0-9]\\./ \"white.pool.example\" "
               "\"[192.0.2.7]\" }\n"
               "s25r blacklist { \".pool.example\" /^bad\\./ }\n",
               rows);
}

static void s25r_shipped_whitelist(void)
{
    static const struct s25r_row rows[] = {
        {"mail-ej1-f41.google.com", .resolve = RESOLVE_OK, .rule = NOTHING, .list = ".google.com"},
        {"a1-2.smtp-out.amazonses.com", .resolve = RESOLVE_OK, .rule = NOTHING, .list = ".smtp-out.amazonses.com"},
    };
    CHECK_S25R("racl greylist default\n", rows);
}

static void s25r_local(void)
{
    struct fixture f = fixture_new("racl greylist default\n");
    struct policy_facts facts = facts_new();
    struct policy_why why;
    facts.client_is_local = true;
    facts.client = (struct ip){0};
    facts.host = SLICE_LIT("unknown");
    facts.resolve = RESOLVE_ABSENT;
    CHECK_INT(ask(&f, "s25r", &facts, &why), POLICY_NO);
    fixture_free(&f);
}

/* ---- generic_rdns and unknown_client ---- */

struct generic_row {
    const char *host, *ptr;
    enum policy_resolve resolve;
    bool again;
    enum policy_truth generic, nameless;
    int points;
};

static void generic_and_nameless(void)
{
    static const struct generic_row rows[] = {
        {"mail.example.org", "mail.example.org", RESOLVE_OK},
        {"192-0-2-7.dynamic.example.net", NULL, RESOLVE_OK, .generic = POLICY_YES, .points = 8},
        {"192-0-2-7.dynamic.example.net", NULL, RESOLVE_ABSENT, .generic = POLICY_YES, .points = 8},
        {"host-12.example.net", NULL, RESOLVE_OK, .points = 1},
        {"mail-7.dsl.example.net", NULL, RESOLVE_OK, .points = -2},
        /* no name, for good */
        {"[192.0.2.7]", "unknown", RESOLVE_FAIL, .nameless = POLICY_YES},
        {"unknown", NULL, RESOLVE_ABSENT, .nameless = POLICY_YES},
        {"", NULL, RESOLVE_ABSENT, .nameless = POLICY_YES},
        /* forged: no name, and nothing is read out of it */
        {"192-0-2-7.dynamic.example.net", "192-0-2-7.dynamic.example.net", RESOLVE_FORGED, .nameless = POLICY_YES},
        {"[192.0.2.7]", "192-0-2-7.dynamic.example.net", RESOLVE_FORGED, .nameless = POLICY_YES},
        /* the look-up failed for now */
        {"[192.0.2.7]", "unknown", RESOLVE_TEMP},
        {"[192.0.2.7]", "unknown", RESOLVE_TEMP, .again = true, .nameless = POLICY_YES},
        {"[192.0.2.7]", "192-0-2-7.dynamic.example.net", RESOLVE_TEMP, .generic = POLICY_YES, .points = 8},
        {"[192.0.2.7]", "mail.example.net", RESOLVE_TEMP, .again = true},
    };
    struct fixture f = fixture_new("filter \"greylist\" {\nbuiltin greylist\n"
                                   "when generic_rdns or unknown_client\n}\nracl greylist default\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_facts facts = facts_new();
        struct policy_why why;
        facts.stage = STAGE_CONNECT;
        facts.host = slice_cstr(rows[i].host);
        facts.client_ptr = slice_cstr(rows[i].ptr);
        facts.resolve = rows[i].resolve;
        facts.temp_again = rows[i].again;
        bool ok = CHECK_INT(ask(&f, "generic_rdns", &facts, &why), rows[i].generic);
        ok &= CHECK_INT(why.is_generic, rows[i].generic == POLICY_YES);
        ok &= CHECK_INT(why.generic_points, rows[i].points);
        ok &= CHECK_INT(ask(&f, "unknown_client", &facts, &why), rows[i].nameless);
        ok &= CHECK_INT(why.is_nameless, rows[i].nameless == POLICY_YES);
        ok &= CHECK_INT(policy_when(f.policy, &facts, &why),
                        rows[i].generic == POLICY_YES || rows[i].nameless == POLICY_YES ? POLICY_YES : POLICY_NO);
        if (!ok)
            printf("# row %zu: host %s\n", i, rows[i].host);
    }
    fixture_free(&f);
}

/* What the configuration says counts. */
static void generic_as_configured(void)
{
    struct fixture f =
        fixture_new("generic_rdns threshold 2\ngeneric_rdns weight line 1\n"
                    "generic_rdns words line add { \"fernseh*\" }\ngeneric_rdns words weak remove { \"host\" }\n"
                    "filter \"greylist\" {\nbuiltin greylist\nwhen generic_rdns\n}\nracl greylist default\n");
    static const struct {
        const char *host;
        enum policy_truth want;
        int points;
    } rows[] = {{"dsl1.example.net", POLICY_NO, 1},
                {"fernsehkabel1-static.example.net", POLICY_YES, 2},
                {"host1.fernsehkabel.example.net", POLICY_NO, 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_facts facts = facts_new();
        struct policy_why why;
        facts.host = slice_cstr(rows[i].host);
        facts.resolve = RESOLVE_OK;
        CHECK_INT(ask(&f, "generic_rdns", &facts, &why), rows[i].want);
        CHECK_INT(why.generic_points, rows[i].points);
    }
    fixture_free(&f);
}

static void generic_local(void)
{
    struct fixture f = fixture_new("filter \"greylist\" {\nbuiltin greylist\n"
                                   "when generic_rdns or unknown_client\n}\nracl greylist default\n");
    struct policy_facts facts = facts_new();
    struct policy_why why;
    facts.client_is_local = true;
    facts.client = (struct ip){0};
    facts.host = SLICE_LIT("unknown");
    facts.resolve = RESOLVE_ABSENT;
    CHECK_INT(policy_when(f.policy, &facts, &why), POLICY_NO);
    fixture_free(&f);
}

/* ---- the verified name ---- */

static void client_name(void)
{
    static const struct {
        const char *host;
        enum policy_resolve resolve;
        bool verified;
    } rows[] = {
        {"mail.example.org", RESOLVE_OK, true},      {"mail.example.org", RESOLVE_ABSENT, true},
        {"mail.example.org", RESOLVE_FORGED, false}, {"mail.example.org", RESOLVE_TEMP, false},
        {"mail.example.org", RESOLVE_FAIL, false},   {"[192.0.2.7]", RESOLVE_OK, false},
        {"unknown", RESOLVE_ABSENT, false},          {"", RESOLVE_OK, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_facts facts = facts_new();
        facts.host = slice_cstr(rows[i].host);
        facts.resolve = rows[i].resolve;
        CHECK_SLICE(policy_client_name(&facts), rows[i].verified ? rows[i].host : NULL);
    }
}

int main(void)
{
    TEST(expressions);
    TEST(no_filter_and_no_condition);
    TEST(the_shipped_filter);
    TEST(by_name);
    TEST(remote);
    TEST(authenticated);
    TEST(s25r_rules);
    TEST(s25r_without_a_name);
    TEST(s25r_temp);
    TEST(s25r_lists);
    TEST(s25r_shipped_whitelist);
    TEST(s25r_local);
    TEST(generic_and_nameless);
    TEST(generic_as_configured);
    TEST(generic_local);
    TEST(client_name);
    return TEST_END();
}
