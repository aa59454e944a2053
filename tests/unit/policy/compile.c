/* compile.c - what a configuration needs of the MTA, the macros of its formats, and errors with their column. */
#include "fixture.h"

#define IMPLICIT (POLICY_NEEDS_AUTH | POLICY_NEEDS_TLS)

static const struct {
    const char *text;
    unsigned needs;
} need_rows[] = {
    {"racl whitelist default\nreport none\nnoauth\n", 0},
    {"racl whitelist default\nreport none\n", IMPLICIT},
    {"racl whitelist default\nnoauth\n", POLICY_NEEDS_EOM},
    {"racl blacklist default\nreport none\nnoauth\n", 0},
    {"racl greylist default\nreport none\nnoauth\n", POLICY_NEEDS_STORE},
    {"report none\nnoauth\n", POLICY_NEEDS_STORE}, /* nothing matches: greylisted */
    {"report none\nnoauth\ntestmode\n", 0},
    {"racl whitelist addr 192.0.2.1\nreport none\nnoauth\n", POLICY_NEEDS_STORE},
    {"racl whitelist tarpit 125s\nracl whitelist default\nreport none\nnoauth\n",
     POLICY_NEEDS_STORE | POLICY_NEEDS_HOLD | POLICY_NEEDS_DATA},
    {"racl whitelist not tarpit 125s\nracl whitelist default\nreport none\nnoauth\n", POLICY_NEEDS_STORE},
    {"racl greylist default\ndelayedreject\nreport none\nnoauth\n", POLICY_NEEDS_STORE | POLICY_NEEDS_DATA},
    {"racl whitelist default\ndelayedreject\nreport none\nnoauth\n", 0},
    {"racl whitelist default addheader \"X-A: 1\"\nreport none\nnoauth\n", POLICY_NEEDS_EOM},
    {"racl continue addr 192.0.2.1 addheader \"X-A: 1\"\nracl whitelist default\nreport none\nnoauth\n", POLICY_NEEDS_EOM},
    {"racl whitelist helo \"x\"\nracl whitelist default\nreport none\nnoauth\n", POLICY_NEEDS_HELO},
    {"list \"h\" helo { \"x\" }\nracl whitelist list \"h\"\nracl whitelist default\nreport none\nnoauth\n",
     POLICY_NEEDS_HELO},
    {"list \"h\" helo { \"x\" }\nracl whitelist default\nreport none\nnoauth\n", 0}, /* nobody uses it */
    {"racl blacklist default msg \"%h is no name\"\nreport none\nnoauth\n", POLICY_NEEDS_HELO},
    /* behind a default line nothing counts */
    {"racl whitelist default\nracl whitelist tarpit 5s\nracl greylist helo \"x\" addheader \"X-A: %h\"\n"
     "report none\nnoauth\n",
     0},
    /* conditions */
    {"filter \"g\" {\nbuiltin greylist\nwhen generic_rdns\n}\nracl whitelist default\nreport none\nnoauth\n",
     POLICY_NEEDS_NAME | POLICY_NEEDS_DOMAINS},
    {"filter \"g\" {\nbuiltin greylist\nwhen unknown_client\n}\nracl whitelist default\nreport none\nnoauth\n",
     POLICY_NEEDS_NAME},
    {"filter \"g\" {\nbuiltin greylist\nwhen s25r\n}\nracl whitelist default\nreport none\nnoauth\n", POLICY_NEEDS_NAME},
    {"filter \"g\" {\nbuiltin greylist\nwhen not (remote or unauthenticated)\n}\nracl whitelist default\n"
     "report none\nnoauth\n",
     POLICY_NEEDS_AUTH},
    {"filter \"g\" {\nbuiltin greylist\nwhen remote\n}\nracl whitelist default\nreport none\nnoauth\n", 0},
};

static void needs(void)
{
    for (size_t i = 0; i < sizeof(need_rows) / sizeof(need_rows[0]); i++) {
        struct fixture f = fixture_try(need_rows[i].text);
        bool ok = CHECK_INT(f.diags.errors, 0);
        ok &= CHECK_INT(policy_needs(f.policy), need_rows[i].needs);
        if (!ok)
            printf("# %s\n", need_rows[i].text);
        fixture_free(&f);
    }
}

static void macros(void)
{
    struct fixture f = fixture_new("racl continue addr 192.0.2.1 report \"%M{rcpt_host} %M{tls_version}\"\n"
                                   "racl blacklist default msg \"%M{rcpt_host}\"\n");
    const char *const *m = policy_macros(f.policy);
    CHECK_STR(m[0], "{rcpt_host}");
    CHECK_STR(m[1], "{tls_version}");
    CHECK(!m[2]);
    fixture_free(&f);
    f = fixture_new("racl greylist default\nracl blacklist from joe@example.org msg \"%M{rcpt_host}\"\n");
    CHECK(!policy_macros(f.policy)[0]); /* that line is never reached */
    fixture_free(&f);
}

/* ---- errors ---- */

static const struct {
    const char *text;
    uint32_t line;
} error_rows[] = {
    {"racl blacklist domain /a\\(b/\n", 1},
    {"\nlist \"l\" rcpt { joe@example.org /x/ /[a/ }\nracl greylist default\n", 2},
    {"s25r whitelist { \".example.org\" /[a/ }\n", 1},
    {"racl greylist default\nracl blacklist domain /[a/\n", 2}, /* not reached, but wrong */
};

static void errors_are_told(void)
{
    for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++) {
        struct fixture f = fixture_try(error_rows[i].text);
        bool ok = CHECK_INT(f.diags.errors, 1);
        const struct diag *d = NULL;
        for (size_t j = 0; j < f.diags.count && !d; j++)
            if (f.diags.items[j].level == DIAG_ERROR)
                d = &f.diags.items[j];
        if (CHECK(d != NULL)) {
            ok &= CHECK_STR(d->where.file, "test.conf");
            ok &= CHECK_INT(d->where.line, error_rows[i].line);
            ok &= CHECK(slice_has_prefix(slice_cstr(d->message), "regular expression: "));
        }
        if (!ok)
            printf("# %s\n", error_rows[i].text);
        fixture_free(&f);
    }
}

/* The column is that of the file, also behind slashes that were written with a backslash. */
static void column_inside_a_regex(void)
{
    struct regex_error error;
    struct regex *re;
    CHECK(regex_compile(SLICE_LIT("a/b/[c"), false, &re, &error) != ERR_NONE);
    struct fixture f = fixture_try("racl blacklist domain /a\\/b\\/[c/\n");
    CHECK_INT(f.diags.errors, 1);
    /* "racl blacklist domain /" is 23 bytes; the offset counts each of the two slashes once, the file twice */
    CHECK_INT(f.diags.items[0].where.column, 24 + error.offset + 2);
    fixture_free(&f);
}

static void column_inside_a_format(void)
{
    static const char *const rows[] = {
        "racl blacklist default msg \"ab %M{rcpt\"\n",
        "racl greylist default addheader \"X-A: %M{rcpt\"\n",
        "racl greylist helo \"%M{rcpt\"\n",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f = fixture_try(rows[i]);
        struct arena arena = {0};
        struct format_error error = {0};
        struct format *format;
        const char *quote = strchr(rows[i], '"') + 1, *percent = strchr(rows[i], '%');
        struct slice inside = slice_upto(slice_cstr(quote), strlen(quote) - 2);
        CHECK(format_compile(inside, &arena, &format, &error) != ERR_NONE);
        CHECK(error.offset >= (size_t)(percent - quote)); /* else this shows nothing */
        if (CHECK_INT(f.diags.errors, 1))
            CHECK_INT(f.diags.items[0].where.column, (size_t)(quote - rows[i]) + 1 + error.offset);
        arena_fini(&arena);
        fixture_free(&f);
    }
}

static void too_many_headers(void)
{
    struct buf b = {0};
    for (int i = 0; i < POLICY_HEADERS_MAX; i++)
        buf_printf(&b, "racl continue addr 192.0.2.0/24 addheader \"X-%d: 1\"\n", i);
    buf_put_cstr(&b, "racl whitelist from joe@example.org\n");
    struct fixture f = fixture_new(buf_cstr(&b)); /* as many as there is room for */
    CHECK_INT(decide(&f, facts_new(), NULL).n_headers, POLICY_HEADERS_MAX);
    fixture_free(&f);
    buf_put_cstr(&b, "racl whitelist rcpt ann@example.net addheader \"X-Last: 1\"\n");
    f = fixture_try(buf_cstr(&b));
    CHECK_INT(f.diags.errors, 1);
    CHECK_INT(f.diags.items[0].where.line, POLICY_HEADERS_MAX + 2);
    fixture_free(&f);
    buf_fini(&b);
}

int main(void)
{
    TEST(needs);
    TEST(macros);
    TEST(errors_are_told);
    TEST(column_inside_a_regex);
    TEST(column_inside_a_format);
    TEST(too_many_headers);
    return TEST_END();
}
