/* clauses.c - what each clause compares, negation, lists, what a continue line leaves behind, reasons, the implicit rules. */
#include "base/mem.h"
#include "conf/print.h"
#include "fixture.h"

/* ---- one clause against one set of facts ---- */

struct clause_row {
    const char *settings, *clauses;                        /* the line is `racl whitelist CLAUSES` */
    const char *client, *host, *helo, *sender, *recipient; /* NULL: as facts_new has it */
    bool match;
    unsigned reasons; /* of a match */
};

static const struct clause_row clause_rows[] = {
    /* addr */
    {"", "addr 192.0.2.0/24", .match = true, .reasons = REASON_ADDR},
    {"", "addr 192.0.2.7", .match = true, .reasons = REASON_ADDR},
    {"", "addr 192.0.2.8", .match = false},
    {"", "addr 2001:db8::/32", .client = "2001:db8::5", .match = true, .reasons = REASON_ADDR},
    {"", "addr 2001:db8::/32", .match = false},
    {"", "not addr 192.0.2.8", .match = true, .reasons = REASON_ACL},
    {"", "! addr 192.0.2.7", .match = false},
    {"", "no addr 192.0.2.7", .match = false},
    /* domain: a suffix of the name, whole labels with domainexact */
    {"", "domain example.org", .match = true, .reasons = REASON_DOMAIN},
    {"", "domain ple.org", .match = true, .reasons = REASON_DOMAIN},
    {"", "domain EXAMPLE.org", .match = true, .reasons = REASON_DOMAIN},
    {"", "domain example.net", .match = false},
    {"", "domain mail.example.org.x", .match = false},
    {"domainexact\n", "domain ple.org", .match = false},
    {"domainexact\n", "domain example.org", .match = true, .reasons = REASON_DOMAIN},
    {"domainexact\n", "domain mail.example.org", .match = true, .reasons = REASON_DOMAIN},
    {"domainexact\n", "domain .org", .match = true, .reasons = REASON_DOMAIN},
    {"domainexact\n", "domain *ple.org", .match = true, .reasons = REASON_DOMAIN},
    {"domainexact\n", "domain *example.net", .match = false},
    {"domainexact\nlist \"n\" domain { ple.org *mple.org }\n", "list \"n\"", .match = true, .reasons = REASON_DOMAIN},
    {"domainexact\nlist \"n\" domain { ple.org mple.org }\n", "list \"n\"", .match = false},
    {"domainexact no\n", "domain *ple.org", .match = true, .reasons = REASON_DOMAIN},
    {"", "domain /^mail\\./", .match = true, .reasons = REASON_DOMAIN},
    {"", "domain /^MAIL\\./", .match = true, .reasons = REASON_DOMAIN},
    {"", "domain /^\\[/", .host = "[192.0.2.7]", .match = true, .reasons = REASON_DOMAIN},
    {"", "not domain /^\\[/", .match = true, .reasons = REASON_ACL},
    /* from: equality without brackets and blanks; a regex sees the brackets */
    {"", "from joe@example.org", .match = true, .reasons = REASON_FROM},
    {"", "from Joe@Example.ORG", .match = true, .reasons = REASON_FROM},
    {"", "from joe@example.org", .sender = " <JOE@example.org>\t", .match = true, .reasons = REASON_FROM},
    {"", "from oe@example.org", .match = false},
    {"", "from joe@example.or", .match = false},
    {"", "from /^<joe@/", .match = true, .reasons = REASON_FROM},
    {"", "from /^joe@/", .match = false},
    {"", "from /^<joe@.*>$/", .sender = "joe@example.org", .match = true, .reasons = REASON_FROM},
    {"", "from /^<>$/", .sender = "<>", .match = true, .reasons = REASON_FROM},
    {"", "from /^<>$/", .match = false},
    /* rcpt */
    {"", "rcpt ann@example.net", .match = true, .reasons = REASON_RCPT},
    {"", "rcpt bob@example.net", .match = false},
    {"", "rcpt /@example\\.net>$/", .match = true, .reasons = REASON_RCPT},
    {"extendedregex\n", "rcpt /^<(ann|bob)@/", .match = true, .reasons = REASON_RCPT},
    {"extendedregex\n", "not rcpt /^<(ann|bob)@/", .match = false},
    /* helo */
    {"", "helo \"mail.example.org\"", .match = true, .reasons = REASON_ACL},
    {"", "helo \"MAIL.example.org\"", .match = true, .reasons = REASON_ACL},
    {"", "helo \"example.org\"", .match = false},
    {"", "helo \"%d\"", .match = true, .reasons = REASON_ACL},
    {"", "helo \"[%i]\"", .helo = "[192.0.2.7]", .match = true, .reasons = REASON_ACL},
    {"", "helo \"[%i]\"", .match = false},
    {"", "helo /^mail/", .match = true, .reasons = REASON_ACL},
    {"", "helo /./", .helo = "", .match = false},
    {"", "not helo \"mail.example.org\"", .match = false},
    /* all must match */
    {"", "addr 192.0.2.0/24 from joe@example.org", .match = true, .reasons = REASON_ADDR | REASON_FROM},
    {"", "addr 192.0.2.0/24 from ann@example.org", .match = false},
    {"", "addr 192.0.2.0/24 not from joe@example.org", .match = false},
    {"", "addr 192.0.2.0/24 not from ann@example.org", .match = true, .reasons = REASON_ADDR},
    {"", "from joe@example.org from /example/ rcpt /ann/", .match = true, .reasons = REASON_FROM | REASON_RCPT},
    /* lists: any item */
    {"list \"n\" addr { 198.51.100.0/24 192.0.2.0/25 }\n", "list \"n\"", .match = true, .reasons = REASON_ADDR},
    {"list \"n\" addr { 198.51.100.0/24 192.0.2.128/25 }\n", "list \"n\"", .match = false},
    {"list \"n\" addr { 198.51.100.0/24 192.0.2.128/25 }\n", "not list \"n\"", .match = true, .reasons = REASON_ACL},
    {"list \"n\" domain { example.net /^mail/ }\n", "list \"n\"", .match = true, .reasons = REASON_DOMAIN},
    {"list \"n\" from { ann@example.org /^<j/ }\n", "list \"n\"", .match = true, .reasons = REASON_FROM},
    {"list \"n\" rcpt { ann@example.net bob@example.net }\n", "list \"n\"", .match = true, .reasons = REASON_RCPT},
    {"list \"n\" rcpt { bob@example.net /^<c/ }\n", "list \"n\"", .match = false},
    {"list \"n\" helo { \"x\" \"%d\" /^z/ }\n", "list \"n\"", .match = true, .reasons = REASON_ACL},
    /* default */
    {"", "default", .match = true, .reasons = REASON_DEFAULT},
};

static void override(struct slice *fact, const char *text)
{
    if (text)
        *fact = slice_cstr(text);
}

static void each_clause(void)
{
    for (size_t i = 0; i < sizeof(clause_rows) / sizeof(clause_rows[0]); i++) {
        const struct clause_row *row = &clause_rows[i];
        char text[512];
        snprintf(text, sizeof(text), "%sracl whitelist %s\nracl greylist default\n", row->settings, row->clauses);
        struct fixture f = fixture_new(text);
        struct policy_facts facts = facts_new();
        if (row->client)
            facts.client = ip_of(row->client);
        override(&facts.host, row->host);
        override(&facts.helo, row->helo);
        override(&facts.sender, row->sender);
        override(&facts.recipient, row->recipient);
        struct policy_verdict v = decide(&f, facts, NULL);
        bool ok = CHECK_INT(v.action == CONF_WHITELIST, row->match);
        ok &= CHECK_INT(v.reasons, row->match ? row->reasons : 0);
        if (!ok)
            printf("# row %zu: %s%s\n", i, row->settings, row->clauses);
        fixture_free(&f);
    }
}

/* No HELO was given: nothing is known of it, so a clause that wants something of it does not match; its negation does. */
/* ---- domainexact, in more than one file ---- */

struct two_files {
    const char *first, *included;
};

static enum err read_either(void *ctx, const char *path, struct slice *text)
{
    const struct two_files *files = ctx;
    *text = slice_cstr(strcmp(path, "first") == 0 ? files->first : files->included);
    return ERR_NONE;
}

static enum err expand_one(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    static const char *const included[] = {"included"};
    (void)ctx, (void)pattern;
    *paths = included;
    *n = 1;
    return ERR_NONE;
}

/* Which line decides about a client of this name; -1: none. */
static int line_that_decides(const struct fixture *f, const char *host)
{
    struct policy_facts facts = facts_new();
    facts.host = slice_cstr(host);
    const struct conf_acl *acl = decide(f, facts, NULL).acl;
    return acl ? (int)(acl - f->conf->acls) : -1;
}

/* Each file's lines mean what the file itself says, also what the whole is printed as. */
static void domainexact_of_each_file(void)
{
    static const struct {
        struct two_files files; /* the including one: line 0; the included one: line 1 */
        bool first_exact, second_exact;
    } cases[] = {
        {{"domainexact", ""}, true, false},
        {{"", "domainexact"}, false, true},
        {{"domainexact", "domainexact no"}, true, false},
        {{"domainexact no", "domainexact"}, false, true},
        {{"domainexact", "domainexact"}, true, true},
        {{"", ""}, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char first[200], included[200];
        snprintf(first, sizeof(first),
                 "racl whitelist domain one.example\ninclude \"x\"\n%s\nracl blacklist not addr 192.0.2.9\n",
                 cases[i].files.first);
        snprintf(included, sizeof(included), "racl whitelist domain two.example\n%s\n", cases[i].files.included);
        struct two_files files = {first, included};
        struct conf_source source = {&files, read_either, expand_one};
        struct fixture f = fixture_of(&source, "first");
        struct buf printed = {0};
        conf_print(f.conf, &printed);
        struct fixture again = fixture_new(buf_cstr(&printed));
        const struct fixture *const both[] = {&f, &again};
        for (size_t k = 0; k < COUNT_OF(both); k++) {
            CHECK_INT(line_that_decides(both[k], "mail.one.example"), 0);
            CHECK_INT(line_that_decides(both[k], "two.example"), 1);
            CHECK_INT(line_that_decides(both[k], "not-one.example"), cases[i].first_exact ? 2 : 0);
            CHECK_INT(line_that_decides(both[k], "not-two.example"), cases[i].second_exact ? 2 : 1);
        }
        buf_fini(&printed);
        fixture_free(&again);
        fixture_free(&f);
    }
}

static void helo_absent(void)
{
    struct fixture f = fixture_new("racl whitelist helo /^/\nracl blacklist not helo /x/\n");
    struct policy_facts facts = facts_new();
    facts.helo = SLICE_NONE;
    CHECK_INT(decide(&f, facts, NULL).action, CONF_BLACKLIST);
    fixture_free(&f);
}

static void sender_is_the_rewritten_one(void)
{
    struct fixture f = fixture_new("racl whitelist from joe@example.org\nracl blacklist from /^<prvs=/\n");
    struct policy_facts facts = facts_new();
    facts.sender = SLICE_LIT("<prvs=1=joe@example.org>");
    CHECK_INT(decide(&f, facts, NULL).action, CONF_BLACKLIST);
    facts.sender_seen = SLICE_LIT("<joe@example.org>");
    CHECK_INT(decide(&f, facts, NULL).action, CONF_WHITELIST);
    fixture_free(&f);
}

/* ---- lines ---- */

static void first_match_decides(void)
{
    struct fixture f = fixture_new("racl blacklist from joe@example.org\n"
                                   "racl whitelist rcpt ann@example.net\n"
                                   "racl greylist default\n");
    struct policy_facts facts = facts_new();
    struct policy_verdict v = decide(&f, facts, NULL);
    CHECK_INT(v.action, CONF_BLACKLIST);
    CHECK(v.acl == &f.conf->acls[0]);
    facts.sender = SLICE_LIT("<eve@example.org>");
    v = decide(&f, facts, NULL);
    CHECK_INT(v.action, CONF_WHITELIST);
    CHECK_INT(v.acl->line, 2);
    facts.recipient = SLICE_LIT("<bob@example.net>");
    v = decide(&f, facts, NULL);
    CHECK_INT(v.action, CONF_GREYLIST);
    CHECK_INT(v.acl->line, 3);
    fixture_free(&f);
}

static void behind_default_nothing_matches(void)
{
    struct fixture f = fixture_try("racl greylist default\nracl blacklist from joe@example.org\n");
    CHECK_INT(decide(&f, facts_new(), NULL).action, CONF_GREYLIST);
    fixture_free(&f);
}

static void no_line_matches(void)
{
    struct fixture f = fixture_new("greylist 20m\nautowhite 2d\nracl whitelist from eve@example.org delay 5m\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK_INT(v.action, CONF_GREYLIST);
    CHECK(!v.acl);
    CHECK_INT(v.delay_sec, 1200);
    CHECK_INT(v.autowhite_sec, 2 * 86400);
    CHECK_INT(v.reasons, 0);
    CHECK_INT(v.left_sec, -1);
    fixture_free(&f);
    f = fixture_new("testmode\nracl blacklist from eve@example.org\n");
    v = decide(&f, facts_new(), NULL);
    CHECK_INT(v.action, CONF_WHITELIST);
    CHECK_INT(v.reasons, REASON_DEFAULT);
    fixture_free(&f);
}

static void options_of_the_line(void)
{
    struct fixture f = fixture_new("greylist 20m\nautowhite 2d\n"
                                   "racl \"mine\" greylist default delay 5m autowhite 3h code \"450\" ecode \"4.2.0\""
                                   " msg \"come back\" report \"text\" nolog addheader \"X-A: b\"\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK_INT(v.delay_sec, 300);
    CHECK_INT(v.autowhite_sec, 3 * 3600);
    CHECK_SLICE(v.code, "450");
    CHECK_SLICE(v.ecode, "4.2.0");
    CHECK(v.msg != NULL);
    CHECK(v.report != NULL);
    CHECK(v.nolog);
    CHECK_STR(v.id, "mine");
    CHECK_INT(v.n_headers, 1);
    CHECK_INT(v.header_index[0], -1);
    fixture_free(&f);
}

static void nothing_given(void)
{
    struct fixture f = fixture_new("racl greylist default\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK(!v.code.ptr && !v.ecode.ptr && !v.msg && !v.report && !v.nolog && !v.id);
    CHECK_INT(v.n_headers, 0);
    CHECK_INT(v.delay_sec, 1800);
    CHECK_INT(v.autowhite_sec, 86400);
    CHECK_INT(v.tarpit, TARPIT_NONE);
    CHECK_INT(v.skipped, HOLD_POSSIBLE);
    fixture_free(&f);
}

static void continue_lines_persist(void)
{
    struct fixture f = fixture_new("racl \"first\" continue rcpt /ann/ code \"450\" msg \"one\" delay 7m autowhite 7d nolog "
                                   "addheader \"X-A: 1\"\n"
                                   "racl \"other\" continue rcpt /nobody/ code \"499\" ecode \"4.9.9\" report \"no\" "
                                   "addheader \"X-N: 1\"\n"
                                   "racl continue from /joe/ ecode \"4.3.0\" report \"two\" addheader \"X-B: 2\", 1\n"
                                   "racl greylist default msg \"three\" addheader \"X-C: 3\"\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK_INT(v.action, CONF_GREYLIST);
    CHECK_SLICE(v.code, "450");
    CHECK_SLICE(v.ecode, "4.3.0");
    CHECK_STR(v.id, "first");
    CHECK(v.msg && v.report);
    CHECK_INT(v.delay_sec, 1800); /* delay, autowhite and nolog stay behind */
    CHECK_INT(v.autowhite_sec, 86400);
    CHECK(!v.nolog);
    CHECK_INT(v.n_headers, 3);
    CHECK_INT(v.header_index[1], 1);
    CHECK_INT(v.header_index[2], -1);
    fixture_free(&f);
    /* which msg: a file where only the continue line has one must give another */
    struct fixture only = fixture_new("racl continue rcpt /ann/ msg \"one\"\nracl greylist default\n");
    CHECK(decide(&only, facts_new(), NULL).msg != NULL);
    struct policy_facts facts = facts_new();
    facts.recipient = SLICE_LIT("<bob@example.net>");
    CHECK(!decide(&only, facts, NULL).msg);
    fixture_free(&only);
}

static void continue_reaches_no_line(void)
{
    struct fixture f = fixture_new("racl continue addr 192.0.2.0/24 code \"450\"\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK_INT(v.action, CONF_GREYLIST);
    CHECK_SLICE(v.code, "450");
    CHECK(!v.acl);
    fixture_free(&f);
    f = fixture_new("testmode\nracl continue addr 192.0.2.0/24\n");
    CHECK_INT(decide(&f, facts_new(), NULL).reasons, REASON_DEFAULT); /* not the continue line's */
    fixture_free(&f);
}

/* A domain that is greylisted is no whitelisted domain. */
static void reasons_are_a_whitelistings(void)
{
    struct fixture f = fixture_new("racl greylist domain example.org rcpt ann@example.net\n"
                                   "racl blacklist domain example.org\n");
    struct policy_facts facts = facts_new();
    CHECK_INT(decide(&f, facts, NULL).reasons, 0);
    facts.recipient = SLICE_LIT("<bob@example.net>");
    CHECK_INT(decide(&f, facts, NULL).action, CONF_BLACKLIST);
    CHECK_INT(decide(&f, facts, NULL).reasons, 0);
    fixture_free(&f);
}

static void nolog_leaves_its_number(void)
{
    struct fixture f = fixture_new("racl whitelist addr 192.0.2.0/24 nolog\n");
    CHECK_INT(decide(&f, facts_new(), NULL).reasons, REASON_ADDR | REASON_ACL);
    fixture_free(&f);
}

/* ---- groups ---- */

static void groups_of_the_last_clause_first(void)
{
    struct fixture f = fixture_new("extendedregex\n"
                                   "racl blacklist rcpt /none(x)/\n"
                                   "racl blacklist from /<(j)(oe)@/ domain /^(mail)/ rcpt /<ann@([a-z]+)/\n");
    struct policy_facts facts = facts_new();
    struct policy_verdict v = decide(&f, facts, NULL);
    CHECK_SLICE(v.groups[0], "<ann@example");
    CHECK_SLICE(v.groups[1], "example");
    CHECK_SLICE(v.groups[2], "mail");
    CHECK_SLICE(v.groups[3], "j");
    CHECK_SLICE(v.groups[4], "oe");
    CHECK(!v.groups[5].ptr);
    CHECK(v.groups[4].ptr == facts.sender.ptr + 2); /* into the facts */
    fixture_free(&f);
}

static void groups_of_a_bare_address(void)
{
    struct fixture f = fixture_new("extendedregex\nracl blacklist from /^(<joe)@(.*>)$/\n");
    struct policy_facts facts = facts_new();
    facts.sender = SLICE_LIT("joe@example.org");
    struct policy_verdict v = decide(&f, facts, NULL);
    CHECK_SLICE(v.groups[1], "joe");
    CHECK_SLICE(v.groups[2], "example.org");
    CHECK(v.groups[1].ptr == facts.sender.ptr);
    fixture_free(&f);
}

static void groups_do_not_outlive_their_line(void)
{
    struct fixture f = fixture_new("extendedregex\nracl continue from /(joe)/\n"
                                   "racl blacklist from /(joe)/ rcpt /nobody/\nracl greylist default\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK(!v.groups[0].ptr && !v.groups[1].ptr);
    fixture_free(&f);
}

/* A group that takes no part keeps its number, and so do those behind it. */
static void groups_without_part(void)
{
    struct fixture f = fixture_new("extendedregex\nracl blacklist from /<(joe)@/ rcpt /<ann([+][a-z]+)?@/\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK(!v.groups[1].ptr);
    CHECK_SLICE(v.groups[2], "joe");
    fixture_free(&f);
}

/* Ten are kept; those of the first clauses fall off the end. */
static void groups_too_many(void)
{
    struct fixture f = fixture_new("extendedregex\nracl blacklist from /(j)(o)(e)(@)(e)(x)(a)/ "
                                   "rcpt /(a)(n)(n)(@)(e)(x)(a)(m)/\n");
    struct policy_verdict v = decide(&f, facts_new(), NULL);
    CHECK_SLICE(v.groups[0], "ann@exam");
    CHECK_SLICE(v.groups[8], "m");
    CHECK_SLICE(v.groups[9], "j");
    fixture_free(&f);
}

/* ---- the other tests of the language ---- */

static void each_test(void)
{
    static const struct {
        const char *clauses;
        bool matches;
    } rows[] = {
        {"s25r", false},
        {"not s25r", true},
        {"remote", true},
        {"not remote", false},
        {"unauthenticated", true},
        {"not authenticated", true},
        {"authenticated", false},
        {"stress", false},
        {"not stress not trusted", true},
        {"unknown_client", false},
        {"time \"* * * * *\"", true},
        {"not time \"* * * * *\"", false},
        {"macro \"{x}\"", false},
        {"not macro \"{x}\"", true}, /* it may come with DATA, which is too late here */
        {"mine", true},
        {"not \"mine\"", false},
        {"mine not helo \"x\" from /joe/", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[300];
        snprintf(text, sizeof(text),
                 "condition \"mine\" { remote and not macro \"i\" }\nracl whitelist %s\nracl greylist default\n",
                 rows[i].clauses);
        struct fixture f = fixture_new(text);
        struct policy_verdict v = decide(&f, facts_new(), NULL);
        if (!CHECK_INT(v.action == CONF_WHITELIST, rows[i].matches))
            printf("# %s\n", rows[i].clauses);
        fixture_free(&f);
    }
}

/* A line says which facts it lacks, all others of its tests first, and goes on where it stood. */
static void lacks_facts(void)
{
    struct fixture f = fixture_new("dnsrbl \"a\" a.example\ndnsrbl \"b\" b.example\n"
                                   "racl whitelist tarpit 5s dnsrbl \"b\" not dnsbl \"a\" rcpt /\\(ann\\)/\n"
                                   "racl blacklist dnsrbl \"a\" addr 198.51.100.1\nracl greylist default\n");
    static const struct grey_answer look = {.state = GREY_NEW, .left_sec = -1};
    uint8_t listed[] = {LISTED_NOT_ASKED, LISTED_NOT_ASKED};
    struct policy_session_facts more = {.listed = listed};
    struct policy_facts facts = facts_new();
    struct policy_cursor cursor;
    struct policy_verdict v;
    uint64_t missing;
    facts.more = &more;
    policy_begin(f.policy, &cursor);
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &missing), POLICY_NEED);
    CHECK_INT(missing, POLICY_FACT_LIST(1));
    listed[1] = LISTED_YES;
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &missing), POLICY_NEED);
    CHECK_INT(missing, POLICY_FACT_LIST(0));
    listed[0] = LISTED_ERROR;
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &missing), POLICY_NEED);
    CHECK_INT(missing, POLICY_FACT_LOOK);
    facts.look = &look;
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &missing), POLICY_VERDICT);
    CHECK_INT(missing, 0);
    CHECK_INT(v.tarpit, TARPIT_HOLD);
    CHECK_SLICE(v.groups[1], "ann");
    listed[0] = LISTED_YES; /* the line does not match, and of the next one the address is enough */
    CHECK_INT(decide(&f, facts, NULL).action, CONF_GREYLIST);
    fixture_free(&f);
}

/* ---- a regex that comes to its limit ---- */

static void regex_limit(void)
{
    static const char *const texts[] = {
        "extendedregex\nracl whitelist helo /^(a|aa)+$/\nracl greylist default\n",
        "extendedregex\nracl whitelist not helo /^(a|aa)+$/\nracl greylist default\n", /* undecided: no match either */
    };
    char helo[400];
    memset(helo, 'a', sizeof(helo));
    helo[sizeof(helo) - 1] = '!';
    for (size_t i = 0; i < 2; i++) {
        struct fixture f = fixture_new(texts[i]);
        struct policy_facts facts = facts_new();
        struct policy_cursor cursor;
        struct policy_verdict v;
        struct regex_effort effort = {.step_left = REGEX_STEP_EFFORT};
        facts.helo = slice_of(helo, sizeof(helo));
        facts.effort = &effort;
        policy_begin(f.policy, &cursor);
        CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &(uint64_t){0}), POLICY_VERDICT);
        CHECK_INT(v.action, CONF_GREYLIST);
        CHECK_INT(effort.unknown, 1);
        fixture_free(&f);
    }
    /* the next clause is not undecided because that one was */
    struct fixture next = fixture_new("extendedregex\nracl whitelist helo /^(a|aa)+$/\n"
                                      "racl blacklist not addr 198.51.100.0/24\n");
    struct policy_facts same = facts_new();
    same.helo = slice_of(helo, sizeof(helo));
    CHECK_INT(decide(&next, same, NULL).action, CONF_BLACKLIST);
    fixture_free(&next);
    /* an item that is decided settles a list whatever the others say */
    struct fixture f = fixture_new("extendedregex\nlist \"l\" helo { /^(a|aa)+$/ /!$/ }\nracl whitelist list \"l\"\n");
    struct policy_facts facts = facts_new();
    facts.helo = slice_of(helo, sizeof(helo));
    CHECK_INT(decide(&f, facts, NULL).action, CONF_WHITELIST);
    fixture_free(&f);
}

/* ---- whom no line is asked for ---- */

static void implicit_rules(void)
{
    struct fixture f = fixture_new("racl blacklist default\n");
    struct policy_facts facts = facts_new();
    facts.auth_type = SLICE_LIT("PLAIN"); /* alone it tells nobody's name */
    CHECK_INT(decide(&f, facts, NULL).action, CONF_BLACKLIST);
    facts.auth_authen = SLICE_LIT("joe");
    struct policy_verdict v = decide(&f, facts, NULL);
    CHECK_INT(v.action, CONF_WHITELIST);
    CHECK_INT(v.reasons, REASON_AUTH);
    CHECK(!v.acl);

    facts = facts_new();
    facts.verify = SLICE_LIT("OK");
    CHECK_INT(decide(&f, facts, NULL).action, CONF_BLACKLIST);
    facts.cert_subject = SLICE_LIT("/CN=mail.example.org");
    CHECK_INT(decide(&f, facts, NULL).reasons, REASON_STARTTLS);
    facts.verify = SLICE_LIT("FAIL");
    CHECK_INT(decide(&f, facts, NULL).action, CONF_BLACKLIST);

    facts = facts_new();
    facts.client_is_local = true;
    CHECK_INT(decide(&f, facts, NULL).reasons, REASON_NONIP);
    fixture_free(&f);

    f = fixture_new("noauth\nracl blacklist default\n");
    facts.auth_authen = SLICE_LIT("joe");
    facts.verify = SLICE_LIT("OK");
    facts.cert_subject = SLICE_LIT("/CN=mail.example.org");
    CHECK_INT(decide(&f, facts, NULL).reasons, REASON_NONIP);
    facts.client_is_local = false;
    CHECK_INT(decide(&f, facts, NULL).action, CONF_BLACKLIST);
    fixture_free(&f);
}

/* ---- long lists ---- */

static void a_list_of_100000(void)
{
    enum { N = 100000 };
    struct buf b = {0};
    buf_put_cstr(&b, "list \"nets\" addr {");
    for (unsigned i = 0; i < N; i++)
        buf_printf(&b, " 10.%u.%u.%u/%u", i >> 13 & 255, i >> 5 & 255, (i & 31) << 3, 29 + i % 4);
    buf_put_cstr(&b, " }\nlist \"names\" domain {");
    for (unsigned i = 0; i < N; i++)
        buf_printf(&b, " host%u.example.net", i);
    buf_put_cstr(&b, " }\nlist \"people\" rcpt {");
    for (unsigned i = 0; i < N; i++)
        buf_printf(&b, " user%u@example.net", i);
    buf_put_cstr(&b, " }\nracl blacklist list \"nets\"\nracl blacklist list \"names\"\nracl blacklist list \"people\"\n"
                     "racl greylist default\n");
    struct fixture f = fixture_new(buf_cstr(&b));
    buf_fini(&b);
    unsigned wrong = 0;
    for (unsigned i = 0; i < N; i += 7) {
        char name[64];
        struct policy_facts facts = facts_new();
        wrong += decide(&f, facts, NULL).action != CONF_GREYLIST;
        facts.client = (struct ip){IP_V4, {10, (uint8_t)(i >> 13), (uint8_t)(i >> 5), (uint8_t)((i & 31) << 3)}};
        wrong += decide(&f, facts, NULL).acl != &f.conf->acls[0];
        facts = facts_new();
        snprintf(name, sizeof(name), "a.HOST%u.example.net", i);
        facts.host = slice_cstr(name);
        wrong += decide(&f, facts, NULL).acl != &f.conf->acls[1];
        facts = facts_new();
        snprintf(name, sizeof(name), "<User%u@example.net>", i);
        facts.recipient = slice_cstr(name);
        wrong += decide(&f, facts, NULL).acl != &f.conf->acls[2];
    }
    CHECK_INT(wrong, 0);
    fixture_free(&f);
}

int main(void)
{
    TEST(each_clause);
    TEST(domainexact_of_each_file);
    TEST(helo_absent);
    TEST(sender_is_the_rewritten_one);
    TEST(first_match_decides);
    TEST(behind_default_nothing_matches);
    TEST(no_line_matches);
    TEST(options_of_the_line);
    TEST(nothing_given);
    TEST(continue_lines_persist);
    TEST(continue_reaches_no_line);
    TEST(reasons_are_a_whitelistings);
    TEST(nolog_leaves_its_number);
    TEST(groups_of_the_last_clause_first);
    TEST(groups_of_a_bare_address);
    TEST(groups_do_not_outlive_their_line);
    TEST(groups_without_part);
    TEST(groups_too_many);
    TEST(each_test);
    TEST(lacks_facts);
    TEST(regex_limit);
    TEST(implicit_rules);
    TEST(a_list_of_100000);
    return TEST_END();
}
