/*
 * mail.h - a condition, given as text, around which a policy is built; and a mail of which each stage knows a part.
 *
 * The policy has two filters: "first", without a condition, and "second" with the one under test.
 */
#ifndef TARSIER_TESTS_POLICY_MAIL_H
#define TARSIER_TESTS_POLICY_MAIL_H

#include "base/mem.h"
#include "fixture.h"

/* ---- the policy ---- */

enum { FIRST, SECOND };

/* Both may be NULL. before: statements that the condition builds on. */
static inline struct fixture filters_new(const char *before, const char *when)
{
    struct buf b = {0};
    buf_put_cstr(&b, "extendedregex\n"
                     "dnsrbl \"open\" open.example\n"
                     "dnsrbl \"exact\" exact.example 127.0.0.2 127.0.0.16/28\n"
                     "list \"friends\" rcpt { ann@example.net /@friends[.]example>$/ }\n"
                     "filter \"first\" {\nconnect \"unix:/a\"\n}\n");
    buf_printf(&b, "%s\nfilter \"second\" {\nconnect \"unix:/b\"\n", before ? before : "");
    if (when)
        buf_printf(&b, "when %s\n", when);
    buf_put_cstr(&b, "}\n");
    struct fixture f = fixture_new(buf_cstr(&b));
    buf_fini(&b);
    return f;
}

/* ---- a mail ---- */

enum { MAIL_MAX = 4 };

struct mail_text {
    const char *name, *value;
};

/* All that will ever be known of a mail. */
struct mail {
    struct policy_facts facts; /* but what is below */
    const char *recipients[MAIL_MAX + 1];
    struct mail_text headers[MAIL_MAX + 1], macros[MAIL_MAX + 1];
    const char *body;
    uint64_t size_bytes;
    bool stressed;
    uint32_t open_sessions;
    uint8_t listed[2], standing[2];
    bool quarantined[2];
};

/* What a stage knows of it. */
struct mail_view {
    const struct mail *mail;
    size_t n_recipients, n_headers, n_macros;
    struct policy_session_facts more;
    struct policy_facts facts;
};

static inline struct slice view_macro(const void *ctx, struct slice name)
{
    const struct mail_view *v = ctx;
    for (size_t i = 0; i < v->n_macros; i++)
        if (slice_eq_cstr(name, v->mail->macros[i].name))
            return slice_cstr(v->mail->macros[i].value);
    return SLICE_NONE;
}

static inline bool view_header(const void *ctx, size_t n, struct slice *name, struct slice *value)
{
    const struct mail_view *v = ctx;
    if (n >= v->n_headers)
        return false;
    *name = slice_cstr(v->mail->headers[n].name);
    *value = slice_cstr(v->mail->headers[n].value);
    return true;
}

static inline bool view_recipient(const void *ctx, size_t n, struct slice *address)
{
    const struct mail_view *v = ctx;
    if (n >= v->n_recipients)
        return false;
    *address = slice_cstr(v->mail->recipients[n]);
    return true;
}

static inline size_t count_texts(const struct mail_text *texts)
{
    size_t n = 0;
    while (n < MAIL_MAX && texts[n].name)
        n++;
    return n;
}

static inline size_t count_recipients(const struct mail *m)
{
    size_t n = 0;
    while (n < MAIL_MAX && m->recipients[n])
        n++;
    return n;
}

/* The view lives at its place: it points into itself. Everything has come that can have come by the end of that stage. */
static inline void view_at(struct mail_view *v, const struct mail *m, enum stage stage)
{
    *v = (struct mail_view){.mail = m, .facts = m->facts};
    v->facts.stage = stage;
    v->facts.more = &v->more;
    v->n_macros = count_texts(m->macros);
    if (stage < STAGE_HELO)
        v->facts.helo = SLICE_NONE;
    if (stage < STAGE_MAIL)
        v->facts.sender = v->facts.auth_type = SLICE_NONE;
    v->facts.recipient = stage == STAGE_RCPT ? slice_cstr(m->recipients[0]) : SLICE_NONE;
    if (stage >= STAGE_DATA)
        v->n_recipients = count_recipients(m);
    if (stage >= STAGE_HEADER)
        v->n_headers = count_texts(m->headers);
    v->more = (struct policy_session_facts){
        .stressed = m->stressed,
        .open_sessions = m->open_sessions,
        .listed = m->listed,
        .standing = m->standing,
        .quarantined = m->quarantined,
        .macro = view_macro,
        .header = view_header,
        .recipient = view_recipient,
        .ctx = v,
    };
    if (stage >= STAGE_BODY) {
        v->more.body = slice_cstr(m->body);
        v->more.size_bytes = m->size_bytes;
    }
    v->more.body_complete = stage == STAGE_EOM;
}

static inline struct mail mail_new(void)
{
    struct mail m = {
        .facts = facts_new(),
        .recipients = {"<ann@example.net>", "<bob@friends.example>"},
        .headers = {{"From", "joe@example.org"}, {"Subject", "Cheap watches"}, {"X-Spam-Flag", " YES"}},
        .macros = {{"{daemon_name}", "smtp"}, {"j", "mx.example.net"}},
        .body = "Hello\r\nbuy this\r\nnow",
        .size_bytes = 5000,
    };
    return m;
}

#endif
