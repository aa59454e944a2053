/* plan.c - a generation built out of a text, counted, and the tuple of a decision under each setting that makes it. */
#include "fixture.h"
#include "plan/plan.h"

static struct plan *build(const char *text, struct diags *diags)
{
    struct slice s = slice_cstr(text);
    struct conf_source source = conf_source_text(&s);
    diags_init(diags);
    return plan_build(&source, "test.conf", "mx.example.net", diags);
}

static void builds_and_counts(void)
{
    struct diags diags;
    char hostname[] = "mx.example.net";
    struct slice text = SLICE_LIT("greylist 20m\nracl greylist default\n");
    struct conf_source source = conf_source_text(&text);
    diags_init(&diags);
    struct plan *p = plan_build(&source, "test.conf", hostname, &diags);
    if (!CHECK(p != NULL))
        return;
    hostname[0] = 'x';
    CHECK_STR(p->hostname, "mx.example.net");
    CHECK_INT(p->references, 1);
    CHECK_INT(p->generation, 0);
    CHECK(p->set == &p->conf->set);
    CHECK_INT(p->set->greylist_sec, 1200);
    CHECK(plan_ref(p) == p);
    plan_unref(p);
    CHECK_INT(p->references, 1);
    CHECK_INT(policy_needs(p->policy) & POLICY_NEEDS_STORE, POLICY_NEEDS_STORE);
    plan_unref(p);
    plan_unref(NULL);
    diags_fini(&diags);
}

static void errors_give_no_plan(void)
{
    static const char *const texts[] = {
        "racl greylist defult\n",                              /* the language's error */
        "racl blacklist domain /[a/\nracl greylist default\n", /* the compiler's */
    };
    for (size_t i = 0; i < 2; i++) {
        struct diags diags;
        CHECK(!build(texts[i], &diags));
        CHECK(diags.errors > 0);
        diags_fini(&diags);
    }
    /* both are told at once */
    struct diags diags;
    CHECK(!build("racl greylist defult\nracl blacklist domain /[a/\n", &diags));
    CHECK_INT(diags.errors, 2);
    diags_fini(&diags);
}

/* Errors that were there before are not this file's. */
static void warnings_do_not_matter(void)
{
    struct diags diags;
    struct slice text = SLICE_LIT("racl whitelist tarpit 5s\n");
    struct conf_source source = conf_source_text(&text);
    diags_init(&diags);
    diags_add(&diags, DIAG_ERROR, (struct conf_where){0}, NULL, "another's");
    struct plan *p = plan_build(&source, "test.conf", "mx.example.net", &diags);
    CHECK(p != NULL);
    CHECK(diags.warnings > 0); /* a tarpit for everybody */
    plan_unref(p);
    diags_fini(&diags);
}

/* ---- the tuple ---- */

static struct grey_tuple tuple_of(const char *text, struct policy_facts facts, struct arena *arena)
{
    struct diags diags;
    struct plan *p = build(text, &diags);
    CHECK(p != NULL);
    struct grey_tuple tuple = plan_tuple(p, &facts, arena);
    plan_unref(p); /* the tuple does not rest on it */
    diags_fini(&diags);
    return tuple;
}

static void tuple_text_and_bits(void)
{
    struct arena arena = {0};
    struct policy_facts facts = facts_new();
    facts.sender = SLICE_LIT("<prvs=123=Joe@Example.org>");
    facts.recipient = SLICE_LIT("<Ann+a=b@Example.net>");
    struct grey_tuple t = tuple_of("subnetmatch /24\nsubnetmatch6 /64\n", facts, &arena);
    CHECK_SLICE(t.sender, "<joe@example.org>");
    CHECK_SLICE(t.recipient, "<ann+a=b@example.net>");
    CHECK(ip_eq(&t.addr, &facts.client)); /* whole */
    CHECK_INT(t.addr_bits, 24);
    CHECK(!t.client_domain.ptr);
    facts.client = ip_of("2001:db8::7");
    t = tuple_of("subnetmatch /24\nsubnetmatch6 /64\n", facts, &arena);
    CHECK_INT(t.addr_bits, 64);
    t = tuple_of("greylist 30m\n", facts, &arena);
    CHECK_INT(t.addr_bits, 128);
    facts.client = ip_of("192.0.2.7");
    t = tuple_of("greylist 30m\n", facts, &arena);
    CHECK_INT(t.addr_bits, 32);
    arena_fini(&arena);
}

static void tuple_domain(void)
{
    static const struct {
        const char *host;
        enum policy_resolve resolve;
        const char *domain;
    } rows[] = {
        {"MX1.Out.Example.com", RESOLVE_OK, "example.com"},
        {"mx1.out.example.com", RESOLVE_ABSENT, "example.com"},
        {"mx1.out.example.com", RESOLVE_TEMP, NULL},
        {"mx1.out.example.com", RESOLVE_FORGED, NULL},
        {"mx1.out.example.com", RESOLVE_FAIL, NULL},
        {"192-0-2-7.pool.example.com", RESOLVE_OK, NULL}, /* carries the address */
        {"[192.0.2.7]", RESOLVE_OK, NULL},
        {"unknown", RESOLVE_ABSENT, NULL},
        {"co.uk", RESOLVE_OK, NULL}, /* itself a suffix */
        {"mail.example.co.uk", RESOLVE_OK, "example.co.uk"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_facts facts = facts_new();
        facts.host = slice_cstr(rows[i].host);
        facts.resolve = rows[i].resolve;
        CHECK_SLICE(tuple_of("hostkey domain\n", facts, &arena).client_domain, rows[i].domain);
        CHECK(!tuple_of("hostkey address\n", facts, &arena).client_domain.ptr);
    }
    arena_fini(&arena);
}

int main(void)
{
    TEST(builds_and_counts);
    TEST(errors_give_no_plan);
    TEST(warnings_do_not_matter);
    TEST(tuple_text_and_bits);
    TEST(tuple_domain);
    return TEST_END();
}
