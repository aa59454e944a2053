/* fixture.h - a policy out of a text, and facts to begin with. */
#ifndef TARSIER_TESTS_POLICY_FIXTURE_H
#define TARSIER_TESTS_POLICY_FIXTURE_H

#include "policy/policy.h"
#include "../test.h"

#include <string.h>

struct fixture {
    struct diags diags;
    struct conf *conf;
    struct policy *policy;
};

/* May have errors. */
static inline struct fixture fixture_of(const struct conf_source *source, const char *path)
{
    struct fixture f;
    diags_init(&f.diags);
    f.conf = conf_load(source, path, &f.diags);
    f.policy = policy_compile(f.conf, &f.diags);
    return f;
}

static inline struct fixture fixture_try(const char *text)
{
    struct slice s = slice_cstr(text);
    struct conf_source source = conf_source_text(&s);
    return fixture_of(&source, "test.conf");
}

static inline struct fixture fixture_new(const char *text)
{
    struct fixture f = fixture_try(text);
    if (!CHECK_INT(f.diags.errors, 0)) {
        struct buf b = {0};
        diags_print(&f.diags, &b);
        printf("# %s\n", buf_cstr(&b));
        buf_fini(&b);
    }
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    policy_free(f->policy);
    conf_free(f->conf);
    diags_fini(&f->diags);
}

static inline struct ip ip_of(const char *text)
{
    struct ip ip;
    CHECK_INT(ip_parse(slice_cstr(text), &ip), ERR_NONE);
    return ip;
}

/* An ordinary server's first recipient. */
static inline struct policy_facts facts_new(void)
{
    return (struct policy_facts){
        .stage = STAGE_RCPT,
        .client = ip_of("192.0.2.7"),
        .host = SLICE_LIT("mail.example.org"),
        .resolve = RESOLVE_OK,
        .helo = SLICE_LIT("mail.example.org"),
        .sender = SLICE_LIT("<joe@example.org>"),
        .recipient = SLICE_LIT("<ann@example.net>"),
        .now = {1795485418},
    };
}

/* Evaluate from the start; a look that is asked for is answered with what stands in look. */
static inline struct policy_verdict decide(const struct fixture *f, struct policy_facts facts,
                                           const struct grey_answer *look)
{
    struct policy_cursor cursor;
    struct policy_verdict v = {0};
    policy_begin(f->policy, &cursor);
    facts.look = NULL;
    if (policy_step(f->policy, &cursor, &facts, &v, &(uint64_t){0}) == POLICY_NEED) {
        CHECK(look != NULL);
        facts.look = look;
        CHECK_INT(policy_step(f->policy, &cursor, &facts, &v, &(uint64_t){0}), POLICY_VERDICT);
    }
    return v;
}

#endif
