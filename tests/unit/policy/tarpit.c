/* tarpit.c - a tarpit line, in each state of the memory and of this connection, with each action. */
#include "fixture.h"

#define N_SEC 125

struct tarpit_row {
    const char *what;
    struct grey_answer look; /* left_sec: 0 stands for no mark, so write 1 and more */
    enum policy_no_hold no_hold;
    int64_t waited_sec, longest_sec;
    /* the line's tarpit by action; TARPIT_NONE: it does not match */
    enum policy_tarpit whitelist, greylist, blacklist;
    int64_t hold_sec;            /* of TARPIT_HOLD */
    enum policy_no_hold skipped; /* where it does not match */
    int64_t left_sec;            /* the same; 0: none is told */
};

static const struct tarpit_row session_rows[] = {
    {"nothing known", .whitelist = TARPIT_HOLD, .greylist = TARPIT_HOLD, .blacklist = TARPIT_HOLD, .hold_sec = N_SEC},
    {"pending", .look.state = GREY_PENDING, .whitelist = TARPIT_HOLD, .greylist = TARPIT_HOLD, .blacklist = TARPIT_HOLD,
     .hold_sec = N_SEC},
    {"auto", .look.state = GREY_AUTO, .whitelist = TARPIT_AUTO, .greylist = TARPIT_AUTO, .blacklist = TARPIT_HOLD,
     .hold_sec = N_SEC},
    {"patient", .look.patient = true, .whitelist = TARPIT_PATIENT, .greylist = TARPIT_PATIENT, .blacklist = TARPIT_PATIENT},
    {"due", .look = {.state = GREY_DUE, .elapsed_sec = 1800}, .whitelist = TARPIT_DUE, .greylist = TARPIT_DUE,
     .blacklist = TARPIT_HOLD, .hold_sec = N_SEC},
    {"auto before patient", .look = {.state = GREY_AUTO, .patient = true}, .whitelist = TARPIT_AUTO, .greylist = TARPIT_AUTO,
     .blacklist = TARPIT_PATIENT},
    {"patient before due", .look = {.state = GREY_DUE, .elapsed_sec = 1800, .patient = true}, .whitelist = TARPIT_PATIENT,
     .greylist = TARPIT_PATIENT, .blacklist = TARPIT_PATIENT},
    {"auto although it left", .look = {.state = GREY_AUTO, .left_sec = 40}, .whitelist = TARPIT_AUTO,
     .greylist = TARPIT_AUTO, .blacklist = TARPIT_NONE, .left_sec = 40},
    {"patient although it left", .look = {.patient = true, .left_sec = 40}, .whitelist = TARPIT_PATIENT,
     .greylist = TARPIT_PATIENT, .blacklist = TARPIT_PATIENT},
    {"due although it left", .look = {.state = GREY_DUE, .elapsed_sec = 1800, .left_sec = 40}, .whitelist = TARPIT_DUE,
     .greylist = TARPIT_DUE, .blacklist = TARPIT_NONE, .left_sec = 40},
    {"left", .look.left_sec = 40, .whitelist = TARPIT_NONE, .greylist = TARPIT_NONE, .blacklist = TARPIT_NONE,
     .left_sec = 40},
    {"left, but stood as long as this line asks", .look.left_sec = N_SEC, .whitelist = TARPIT_HOLD, .greylist = TARPIT_HOLD,
     .blacklist = TARPIT_HOLD, .hold_sec = N_SEC},
    {"left a second too early", .look.left_sec = N_SEC - 1, .whitelist = TARPIT_NONE, .greylist = TARPIT_NONE,
     .blacklist = TARPIT_NONE, .left_sec = N_SEC - 1},
    {"left before unwatchable", .look.left_sec = 40, .no_hold = HOLD_UNWATCHABLE, .whitelist = TARPIT_NONE,
     .greylist = TARPIT_NONE, .blacklist = TARPIT_NONE, .left_sec = 40},
    {"left before served", .look.left_sec = 40, .waited_sec = N_SEC, .whitelist = TARPIT_NONE, .greylist = TARPIT_NONE,
     .blacklist = TARPIT_NONE, .left_sec = 40},
    {"unwatchable", .no_hold = HOLD_UNWATCHABLE, .whitelist = TARPIT_NONE, .greylist = TARPIT_NONE, .blacklist = TARPIT_NONE,
     .skipped = HOLD_UNWATCHABLE},
    {"bound of all", .no_hold = HOLD_BOUND_MAX, .whitelist = TARPIT_NONE, .greylist = TARPIT_NONE, .blacklist = TARPIT_NONE,
     .skipped = HOLD_BOUND_MAX},
    {"bound of the client", .no_hold = HOLD_BOUND_CLIENT, .whitelist = TARPIT_NONE, .greylist = TARPIT_NONE,
     .blacklist = TARPIT_NONE, .skipped = HOLD_BOUND_CLIENT},
    {"stress", .no_hold = HOLD_STRESS, .whitelist = TARPIT_NONE, .greylist = TARPIT_NONE, .blacklist = TARPIT_NONE,
     .skipped = HOLD_STRESS},
    {"auto although stress", .look.state = GREY_AUTO, .no_hold = HOLD_STRESS, .whitelist = TARPIT_AUTO,
     .greylist = TARPIT_AUTO, .blacklist = TARPIT_NONE, .skipped = HOLD_STRESS},
    {"patient although unwatchable", .look.patient = true, .no_hold = HOLD_UNWATCHABLE, .whitelist = TARPIT_PATIENT,
     .greylist = TARPIT_PATIENT, .blacklist = TARPIT_PATIENT},
    {"served", .waited_sec = N_SEC, .longest_sec = 50, .whitelist = TARPIT_SERVED, .greylist = TARPIT_SERVED,
     .blacklist = TARPIT_SERVED},
    {"served more", .waited_sec = 200, .whitelist = TARPIT_SERVED, .greylist = TARPIT_SERVED, .blacklist = TARPIT_SERVED},
    {"served, then a bound", .waited_sec = N_SEC, .no_hold = HOLD_BOUND_MAX, .whitelist = TARPIT_SERVED,
     .greylist = TARPIT_SERVED, .blacklist = TARPIT_SERVED},
    {"served, then stress", .waited_sec = N_SEC, .no_hold = HOLD_STRESS, .whitelist = TARPIT_SERVED,
     .greylist = TARPIT_SERVED, .blacklist = TARPIT_SERVED},
    {"served, then unwatchable", .waited_sec = N_SEC, .no_hold = HOLD_UNWATCHABLE, .whitelist = TARPIT_NONE,
     .greylist = TARPIT_NONE, .blacklist = TARPIT_NONE, .skipped = HOLD_UNWATCHABLE},
    {"served in part", .waited_sec = 100, .longest_sec = 100, .whitelist = TARPIT_HOLD, .greylist = TARPIT_HOLD,
     .blacklist = TARPIT_HOLD, .hold_sec = 25},
    {"served in part, then stress", .waited_sec = 100, .no_hold = HOLD_STRESS, .whitelist = TARPIT_NONE,
     .greylist = TARPIT_NONE, .blacklist = TARPIT_NONE, .skipped = HOLD_STRESS},
    {"the store failed", .look = {.failed = true, .state = GREY_AUTO, .patient = true, .left_sec = 3},
     .whitelist = TARPIT_HOLD, .greylist = TARPIT_HOLD, .blacklist = TARPIT_HOLD, .hold_sec = N_SEC},
};

static const struct tarpit_row command_rows[] = {
    {"nothing served", .whitelist = TARPIT_HOLD, .greylist = TARPIT_HOLD, .blacklist = TARPIT_HOLD, .hold_sec = N_SEC},
    {"the sum is enough, no single one", .waited_sec = 130, .longest_sec = 70, .whitelist = TARPIT_HOLD,
     .greylist = TARPIT_HOLD, .blacklist = TARPIT_HOLD, .hold_sec = N_SEC},
    {"a single one is enough", .waited_sec = 130, .longest_sec = N_SEC, .whitelist = TARPIT_SERVED,
     .greylist = TARPIT_SERVED, .blacklist = TARPIT_SERVED},
};

static unsigned reason_for(enum policy_tarpit tarpit)
{
    return tarpit == TARPIT_AUTO      ? REASON_AUTOWHITE
           : tarpit == TARPIT_DUE     ? REASON_ACL
           : tarpit == TARPIT_PATIENT ? REASON_PATIENT
                                      : REASON_TARPIT;
}

static void check_row(const struct tarpit_row *row, const char *options, enum conf_action action, enum policy_tarpit want)
{
    static const char *const words[] = {"greylist", "whitelist", "blacklist"};
    char text[256];
    snprintf(text, sizeof(text), "racl %s tarpit %ds %s\nracl greylist default\n", words[action], N_SEC, options);
    struct fixture f = fixture_new(text);
    struct policy_facts facts = facts_new();
    struct grey_answer look = row->look;
    if (look.left_sec == 0)
        look.left_sec = -1;
    facts.no_hold = row->no_hold;
    facts.waited_ms = row->waited_sec * 1000;
    facts.longest_ms = row->longest_sec * 1000;
    struct policy_verdict v = decide(&f, facts, &look);
    bool ok = CHECK_INT(v.tarpit, want);
    if (want == TARPIT_NONE) {
        ok &= CHECK(v.acl == &f.conf->acls[1]);
        ok &= CHECK_INT(v.skipped, row->skipped);
        ok &= CHECK_INT(v.left_sec, row->left_sec > 0 ? row->left_sec : -1);
        ok &= CHECK_INT(v.tarpit_sec, 0);
    } else {
        ok &= CHECK_INT(v.action, action);
        ok &= CHECK_INT(v.tarpit_sec, N_SEC);
        ok &= CHECK_INT(v.hold_ms, want == TARPIT_HOLD ? row->hold_sec * 1000 : 0);
        ok &= CHECK_INT(v.skipped, HOLD_POSSIBLE);
        ok &= CHECK_INT(v.left_sec, -1);
        ok &= CHECK_INT(v.reasons, action == CONF_WHITELIST ? reason_for(want) : 0);
    }
    if (!ok)
        printf("# %s: racl %s\n", row->what, words[action]);
    fixture_free(&f);
}

static void session_scope(void)
{
    for (size_t i = 0; i < sizeof(session_rows) / sizeof(session_rows[0]); i++) {
        check_row(&session_rows[i], "", CONF_WHITELIST, session_rows[i].whitelist);
        check_row(&session_rows[i], "", CONF_GREYLIST, session_rows[i].greylist);
        check_row(&session_rows[i], "", CONF_BLACKLIST, session_rows[i].blacklist);
    }
}

static void command_scope(void)
{
    for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++) {
        check_row(&command_rows[i], "tarpit_scope command", CONF_WHITELIST, command_rows[i].whitelist);
        check_row(&command_rows[i], "tarpit_scope command", CONF_GREYLIST, command_rows[i].greylist);
        check_row(&command_rows[i], "tarpit_scope command", CONF_BLACKLIST, command_rows[i].blacklist);
    }
}

/* The line's scope wins over the global one. */
static void scope_of_the_line(void)
{
    struct fixture f = fixture_new("tarpit_scope command\nracl whitelist from joe@example.org tarpit 10s\n"
                                   "racl whitelist tarpit 10s tarpit_scope session\n");
    struct policy_facts facts = facts_new();
    struct grey_answer look = {.left_sec = -1};
    facts.waited_ms = 10000;
    facts.longest_ms = 6000;
    CHECK_INT(decide(&f, facts, &look).hold_ms, 10000);
    facts.sender = SLICE_LIT("<ann@example.org>");
    CHECK_INT(decide(&f, facts, &look).tarpit, TARPIT_SERVED);
    fixture_free(&f);
}

/* `not tarpit N`: who left within less than N; never a hold. */
static void negated(void)
{
    static const struct {
        struct grey_answer look;
        bool match;
    } rows[] = {
        {{.left_sec = -1}, false},
        {{.left_sec = 0}, true},
        {{.left_sec = 124}, true},
        {{.left_sec = 125}, false},
        {{.left_sec = 40, .state = GREY_AUTO, .patient = true}, true},
        {{.left_sec = 40, .failed = true}, false},
        {{.left_sec = -1, .patient = true}, false},
    };
    struct fixture f = fixture_new("racl blacklist not tarpit 125s\nracl greylist default\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_facts facts = facts_new();
        facts.no_hold = HOLD_STRESS; /* says nothing here */
        struct policy_verdict v = decide(&f, facts, &rows[i].look);
        CHECK_INT(v.action, rows[i].match ? CONF_BLACKLIST : CONF_GREYLIST);
        CHECK_INT(v.tarpit, TARPIT_NONE);
        CHECK_INT(v.tarpit_sec, 0);
        CHECK_INT(v.hold_ms, 0);
        CHECK_INT(v.skipped, HOLD_POSSIBLE);
    }
    fixture_free(&f);
}

/* Lines are not added up: the next, longer line asks for what is missing; a shorter one takes whom the longer one lost. */
static void several_lines(void)
{
    struct fixture f = fixture_new("racl whitelist from joe@example.org tarpit 5s\nracl whitelist tarpit 2s\n"
                                   "racl greylist default\n");
    struct policy_facts facts = facts_new();
    struct grey_answer look = {.left_sec = -1};
    facts.waited_ms = 2000;
    CHECK_INT(decide(&f, facts, &look).hold_ms, 3000);
    look.left_sec = 3;
    struct policy_verdict v = decide(&f, facts, &look);
    CHECK_INT(v.tarpit, TARPIT_SERVED);
    CHECK_INT(v.tarpit_sec, 2);
    CHECK_INT(v.left_sec, 3); /* the first line did not match because of it */
    facts.waited_ms = 0;
    CHECK_INT(decide(&f, facts, &look).hold_ms, 2000);
    fixture_free(&f);
}

static void reasons_beside_the_tarpit(void)
{
    struct fixture f = fixture_new("racl whitelist addr 192.0.2.0/24 tarpit 5s delay 3m\n");
    struct grey_answer look = {.left_sec = -1};
    struct policy_verdict v = decide(&f, facts_new(), &look);
    CHECK_INT(v.reasons, REASON_ADDR | REASON_TARPIT);
    CHECK_INT(v.delay_sec, 180);
    look.state = GREY_AUTO;
    CHECK_INT(decide(&f, facts_new(), &look).reasons, REASON_ADDR | REASON_AUTOWHITE);
    fixture_free(&f);
}

/* ---- asking the store ---- */

/* Only when everything before the clause matched; and what came before is not done again. */
static void asks_only_when_it_must(void)
{
    struct fixture f = fixture_new("extendedregex\n"
                                   "racl continue rcpt /ann/ addheader \"X-A: 1\"\n"
                                   "racl whitelist rcpt bob@example.net tarpit 125s\n"
                                   "racl whitelist from /(joe)/ tarpit 125s addheader \"X-B: 2\"\n"
                                   "racl greylist default\n");
    struct policy_facts facts = facts_new();
    struct policy_cursor cursor;
    struct policy_verdict v = {0};
    policy_begin(f.policy, &cursor);
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &(uint64_t){0}), POLICY_NEED);
    CHECK_INT(cursor.acl, 2);
    CHECK_INT(cursor.clause, 1);
    /* asked again without an answer: the same question, nothing else has happened */
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &(uint64_t){0}), POLICY_NEED);
    CHECK_INT(cursor.acl, 2);
    struct policy_cursor copy = cursor; /* a session keeps it by value */
    struct grey_answer look = {.left_sec = -1};
    facts.look = &look;
    CHECK_INT(policy_step(f.policy, &copy, &facts, &v, &(uint64_t){0}), POLICY_VERDICT);
    CHECK_INT(v.tarpit, TARPIT_HOLD);
    CHECK_INT(v.n_headers, 2);
    CHECK_INT(v.reasons, REASON_FROM | REASON_TARPIT);
    CHECK_SLICE(v.groups[1], "joe");

    facts.look = NULL;
    facts.sender = SLICE_LIT("<eve@example.org>");
    policy_begin(f.policy, &cursor);
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &(uint64_t){0}), POLICY_VERDICT); /* nobody was asked */
    CHECK_INT(v.action, CONF_GREYLIST);
    CHECK_INT(v.n_headers, 1);
    fixture_free(&f);
}

static void asks_at_the_first_clause(void)
{
    struct fixture f = fixture_new("racl whitelist tarpit 125s from eve@example.org\nracl greylist default\n");
    struct grey_answer look = {.left_sec = -1};
    struct policy_verdict v = decide(&f, facts_new(), &look);
    CHECK_INT(v.action, CONF_GREYLIST); /* the line failed behind its tarpit: nothing of it is left */
    CHECK_INT(v.tarpit, TARPIT_NONE);
    CHECK_INT(v.hold_ms, 0);
    CHECK_INT(v.tarpit_sec, 0);
    fixture_free(&f);
    f = fixture_new("racl whitelist tarpit 125s from eve@example.org\n"); /* the same with no line behind it */
    v = decide(&f, facts_new(), &look);
    CHECK(!v.acl);
    CHECK_INT(v.tarpit, TARPIT_NONE);
    CHECK_INT(v.hold_ms, 0);
    fixture_free(&f);
}

/* What was settled before the question stays settled. */
static void implicit_rules_come_once(void)
{
    struct fixture f = fixture_new("racl whitelist tarpit 125s\n");
    struct policy_facts facts = facts_new();
    struct grey_answer look = {.left_sec = -1};
    struct policy_cursor cursor;
    struct policy_verdict v = {0};
    policy_begin(f.policy, &cursor);
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &(uint64_t){0}), POLICY_NEED);
    facts.look = &look;
    facts.auth_authen = SLICE_LIT("joe");
    CHECK_INT(policy_step(f.policy, &cursor, &facts, &v, &(uint64_t){0}), POLICY_VERDICT);
    CHECK_INT(v.tarpit, TARPIT_HOLD);
    fixture_free(&f);
}

int main(void)
{
    TEST(session_scope);
    TEST(command_scope);
    TEST(scope_of_the_line);
    TEST(negated);
    TEST(several_lines);
    TEST(reasons_beside_the_tarpit);
    TEST(asks_only_when_it_must);
    TEST(asks_at_the_first_clause);
    TEST(implicit_rules_come_once);
    return TEST_END();
}
