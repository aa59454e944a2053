/* dialogue.c - what is known of a dialogue, as policy asks for it, and small questions about it. */
#include "dialogue/dialogue.h"
#include "dialogue/facts.h"

bool dialogue_is_stressed(const struct dialogue *d)
{
    return (d->flags & DIALOGUE_MTA_STRESS) || shared_is_stressed(d->sh);
}

/* ---- facts for policy ---- */

static bool next_header(const void *ctx, size_t n, struct slice *name, struct slice *value)
{
    const struct dialogue *d = ctx;
    struct transcript *t = d->transcript;
    if (!t || !t->mail)
        return false;
    if (n == 0 || n != t->header_at) { /* asked in order, mostly: the cursor is where the last call left it */
        t->header_cursor = (struct mail_cursor){0};
        t->header_at = 0;
    }
    do {
        if (!mail_next_header(t->mail, MAIL_ORIGINAL, &t->header_cursor, name, value)) {
            t->header_at = 0;
            return false;
        }
    } while (t->header_at++ < n);
    return true;
}

static bool next_recipient(const void *ctx, size_t n, struct slice *address)
{
    const struct dialogue *d = ctx;
    struct transcript *t = d->transcript;
    struct slice esmtp;
    unsigned number;
    if (!t || !t->mail)
        return false;
    if (n == 0 || n != t->recipient_at) { /* as with headers: a thousand recipients are not gone through a thousand times */
        t->recipient_cursor = (struct mail_cursor){0};
        t->recipient_at = 0;
    }
    while (mail_next_recipient(t->mail, MAIL_ORIGINAL, &t->recipient_cursor, address, &esmtp, &number))
        if (transcript_recipient_counts(t, number) && t->recipient_at++ == n)
            return true;
    t->recipient_at = 0;
    return false;
}

static struct policy_session_facts more_facts(const struct dialogue *d)
{
    const struct transcript *t = d->transcript;
    struct policy_session_facts more = {
        .stressed = dialogue_is_stressed(d),
        .open_sessions = d->sh->stats.open,
        .macro = dialogue_macro,
        .header = next_header,
        .recipient = next_recipient,
        .ctx = d,
        .listed = d->facts ? d->facts->listed : NULL,
    };
    if (t) {
        more.standing = t->standing;
        more.quarantined = t->quarantined;
        more.body = slice_upto(buf_slice(&t->peek), POLICY_BODY_MAX_BYTES);
        more.body_complete = t->goal >= STAGE_EOM || t->peek.len >= POLICY_BODY_MAX_BYTES;
        more.size_bytes = t->size_bytes;
    }
    return more;
}

struct policy_facts dialogue_facts(struct dialogue *d, enum stage stage)
{
    d->sh->effort.spent = &d->effort_spent;
    d->sh->more = more_facts(d);
    return (struct policy_facts){
        .stage = stage,
        .client = d->client.ends.remote,
        .client_is_local = d->flags & DIALOGUE_LOCAL,
        .host = d->host,
        .client_ptr = d->client_ptr,
        .resolve = d->resolve,
        .temp_again = d->flags & DIALOGUE_TEMP_AGAIN,
        .helo = d->helo,
        .helo_proof = d->helo_proof,
        .sender = d->sender,
        .recipient = d->recipient,
        .auth_type = d->auth_type,
        .auth_authen = d->auth_authen,
        .verify = d->verify,
        .cert_subject = d->cert_subject,
        .now = d->sh->now.wall,
        .waited_ms = d->client.waited_ms,
        .longest_ms = d->client.longest_ms,
        .allows = d->sh->allows,
        .effort = &d->sh->effort,
        .more = &d->sh->more,
    };
}

void dialogue_note_effort(struct dialogue *d)
{
    struct regex_effort *effort = &d->sh->effort;
    d->sh->stats.regex_runs += effort->runs;
    effort->runs = 0;
    if (effort->unknown == 0)
        return;
    d->sh->stats.regex_limits += effort->unknown;
    effort->unknown = 0;
    if (d->flags & DIALOGUE_UNKNOWN_TOLD)
        return;
    d->flags |= DIALOGUE_UNKNOWN_TOLD;
    dialogue_log(d, LOG_LEVEL_WARNING,
                 "a regex took too long on this message's data: whether it matches is unknown; "
                 "a racl line does not match then, and a filter is asked");
}

bool dialogue_may_progress(const struct dialogue *d)
{
    switch ((enum conf_progress)d->plan->set->progress) {
    case CONF_PROGRESS_ALWAYS:
        return true;
    case CONF_PROGRESS_AUTO:
        /* milter-manager takes PROGRESS at end of message only; it sets {if_addr}, which Postfix never does */
        return (d->flags & DIALOGUE_POSTFIX) && !(d->flags & DIALOGUE_IF_ADDR);
    case CONF_PROGRESS_EOM: /* may_progress_at_end() */
    case CONF_PROGRESS_NEVER:
        break;
    }
    return false;
}
