/*
 * policy.c - any bytes as a configuration and the facts of a mail: never a crash, every verdict makes sense, and one that had to
 * ask the memory of tuples on its way is the same as one that knew from the start; what a condition has once said stays said.
 *
 * Input: the configuration, then host, reverse name, HELO, sender, recipient, address and six bytes of choices, parted by NULs.
 */
#include "base/mem.h"
#include "policy/policy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so)
{
    if (!so)
        PANIC("policy broke a promise");
}

static uint8_t choice(struct slice choices, size_t i)
{
    return i < choices.len ? (uint8_t)choices.ptr[i] : 0;
}

static struct policy_facts take_facts(struct slice *rest, struct grey_answer *look)
{
    struct policy_facts f = {.stage = STAGE_RCPT, .now = {1795485418}};
    f.host = slice_cut(rest, '\0');
    f.client_ptr = slice_cut(rest, '\0');
    f.helo = slice_cut(rest, '\0');
    f.sender = slice_cut(rest, '\0');
    f.recipient = slice_cut(rest, '\0');
    if (ip_parse(slice_cut(rest, '\0'), &f.client) != ERR_NONE)
        f.client_is_local = choice(*rest, 0) & 1;
    f.resolve = (enum policy_resolve)(choice(*rest, 1) % (RESOLVE_FAIL + 1));
    f.temp_again = choice(*rest, 1) & 128;
    f.no_hold = (enum policy_no_hold)(choice(*rest, 2) % (HOLD_STRESS + 1));
    f.waited_ms = choice(*rest, 3) * 1000;
    f.longest_ms = f.waited_ms / 2;
    look->state = (enum grey_state)(choice(*rest, 4) % (GREY_AUTO + 1));
    look->failed = choice(*rest, 4) & 128;
    look->patient = choice(*rest, 4) & 64;
    look->left_sec = (int8_t)choice(*rest, 5);
    return f;
}

static bool lies_in(struct slice group, struct slice text)
{
    return group.ptr >= text.ptr && group.ptr + group.len <= text.ptr + text.len;
}

static void check_verdict(const struct policy_verdict *v, const struct policy_facts *f)
{
    expect(v->action != CONF_CONTINUE);
    expect((v->action == CONF_WHITELIST) == (v->reasons != 0));
    expect((v->tarpit == TARPIT_HOLD) == (v->hold_ms > 0));
    expect(v->tarpit == TARPIT_NONE || v->acl);
    expect(v->tarpit != TARPIT_HOLD || f->no_hold == HOLD_POSSIBLE);
    expect(v->n_headers <= POLICY_HEADERS_MAX);
    for (size_t i = 0; i < REGEX_GROUPS_MAX; i++) {
        struct slice g = v->groups[i];
        expect(!g.ptr || lies_in(g, f->host) || lies_in(g, f->helo) || lies_in(g, f->sender) || lies_in(g, f->recipient) ||
               g.len == 0);
    }
}

static void check_same(const struct policy_verdict *a, const struct policy_verdict *b)
{
    expect(a->action == b->action && a->acl == b->acl && a->reasons == b->reasons);
    expect(a->tarpit == b->tarpit && a->tarpit_sec == b->tarpit_sec && a->hold_ms == b->hold_ms);
    expect(a->delay_sec == b->delay_sec && a->autowhite_sec == b->autowhite_sec && a->nolog == b->nolog);
    expect(a->msg == b->msg && a->report == b->report && a->id == b->id);
    expect(a->code.ptr == b->code.ptr && a->ecode.ptr == b->ecode.ptr && a->n_headers == b->n_headers);
    expect(a->skipped == b->skipped && a->left_sec == b->left_sec);
    for (size_t i = 0; i < REGEX_GROUPS_MAX; i++)
        expect(a->groups[i].ptr == b->groups[i].ptr && a->groups[i].len == b->groups[i].len);
}

static void evaluate(const struct policy *p, struct policy_facts facts, const struct grey_answer *look)
{
    struct policy_cursor cursor;
    struct policy_verdict asked, told;
    struct regex_effort first = {.step_left = REGEX_STEP_EFFORT}, second = first;
    facts.effort = &first;
    policy_begin(p, &cursor);
    if (policy_step(p, &cursor, &facts, &asked, &(uint64_t){0}) == POLICY_NEED) {
        expect(policy_needs(p) & POLICY_NEEDS_STORE);
        facts.look = look;
        expect(policy_step(p, &cursor, &facts, &asked, &(uint64_t){0}) == POLICY_VERDICT);
    }
    check_verdict(&asked, &facts);
    expect(asked.action != CONF_GREYLIST || (policy_needs(p) & POLICY_NEEDS_STORE));
    expect(asked.tarpit != TARPIT_HOLD || (policy_needs(p) & POLICY_NEEDS_HOLD));
    facts.look = look;
    facts.effort = &second;
    policy_begin(p, &cursor);
    expect(policy_step(p, &cursor, &facts, &told, &(uint64_t){0}) == POLICY_VERDICT);
    check_same(&asked, &told);

    struct format_facts words = {.sender = facts.sender,
                                 .recipient = facts.recipient,
                                 .client = facts.client,
                                 .host = facts.host,
                                 .helo = facts.helo,
                                 .now = facts.now,
                                 .groups = told.groups};
    struct buf out = {0};
    if (told.msg)
        format_expand(told.msg, &words, &out);
    for (unsigned i = 0; i < told.n_headers; i++)
        format_expand(told.headers[i], &words, &out);
    buf_fini(&out);
}

/* ---- conditions ---- */

/* The session around the mail, made of the same texts. */
static struct slice any_macro(const void *ctx, struct slice name)
{
    const struct policy_facts *f = ctx;
    return name.len % 2 ? f->client_ptr : SLICE_NONE;
}

static bool one_header(const void *ctx, size_t n, struct slice *name, struct slice *value)
{
    const struct policy_facts *f = ctx;
    *name = n ? SLICE_LIT("Subject") : f->host;
    *value = f->client_ptr;
    return n < 2;
}

static bool two_recipients(const void *ctx, size_t n, struct slice *address)
{
    const struct policy_facts *f = ctx;
    *address = n ? f->sender : f->recipient;
    return n < 2;
}

/*
 * What a stage has settled no later one may change, as long as the facts that it knew stay; at the last one nothing is open; and
 * DNS is asked only about what is open.
 */
static void ask_when(const struct policy *p, size_t filter, const struct policy_facts *facts)
{
    enum policy_truth before = POLICY_LATER;
    bool unknown =
        false; /* what is judged before it differs from stage to stage, and so what is left of the effort for it */
    for (int stage = STAGE_CONNECT; stage <= STAGE_EOM; stage++) {
        struct policy_why why;
        uint64_t lists;
        struct policy_facts f = *facts;
        struct regex_effort effort = {.step_left = REGEX_STEP_EFFORT};
        f.stage = (enum stage)stage;
        f.effort = &effort;
        enum policy_truth now = policy_filter_when(p, filter, &f, &why, &lists);
        unknown |= effort.unknown > 0;
        expect(before == POLICY_LATER || now == before || unknown);
        expect(lists == 0 || now == POLICY_LATER);
        before = now;
    }
    expect(before != POLICY_LATER);
}

static void ask_filters(const struct policy *p, struct policy_facts facts, struct slice choices)
{
    uint8_t listed[CONF_DNSBLS_MAX], standing[CONF_FILTERS_MAX];
    bool quarantined[CONF_FILTERS_MAX];
    size_t n = policy_filter_count(p);
    for (size_t i = 0; i < CONF_DNSBLS_MAX; i++)
        listed[i] = (choice(choices, 4) >> i % 6) % (LISTED_ERROR + 1);
    for (size_t i = 0; i < CONF_FILTERS_MAX; i++) {
        standing[i] = (choice(choices, 5) + i) % (FILTER_FAILED + 1);
        quarantined[i] = standing[i] != FILTER_PENDING && (choice(choices, 3) + i) % 2;
    }
    struct policy_session_facts more = {
        .stressed = choice(choices, 0) & 2,
        .open_sessions = choice(choices, 3),
        .listed = choice(choices, 0) & 4 ? listed : NULL,
        .standing = standing,
        .quarantined = quarantined,
        .macro = any_macro,
        .header = one_header,
        .recipient = two_recipients,
        .ctx = &facts,
        .body = facts.helo,
        .body_complete = choice(choices, 0) & 8,
        .size_bytes = (uint64_t)choice(choices, 1) << choice(choices, 2) % 32,
    };
    facts.more = choice(choices, 0) & 16 ? NULL : &more;
    for (size_t i = 0; i < (n ? n : 1); i++)
        ask_when(p, i, &facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size), text = slice_cut(&rest, '\0');
    struct conf_source source = conf_source_text(&text);
    struct diags diags;
    diags_init(&diags);
    struct conf *conf = conf_load(&source, "fuzz.conf", &diags);
    struct policy *policy = policy_compile(conf, &diags);
    if (diags.errors == 0) {
        struct grey_answer look = {0};
        struct policy_facts facts = take_facts(&rest, &look);
        ask_filters(policy, facts, rest);
        evaluate(policy, facts, &look);
    }
    policy_free(policy);
    conf_free(conf);
    diags_fini(&diags);
    return 0;
}
