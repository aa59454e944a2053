/*
 * storm_oracle.c - can this reply be explained? From what children have said and how they have failed, by the rules of the manual:
 * discard > reject > tempfail > continue > accept; a failed filter's fallback counts; an evaluated filter never does; a recipient is
 * refused by itself while the MTA waits for it, and refuses the message later.
 */
#include "storm.h"

#include <stdio.h>
#include <string.h>

static bool is_b(const char *address)
{
    return address[1] == 'b';
}

static bool has_x(struct slice s)
{
    return slice_find(s, 'x') < s.len;
}

static bool subject_has_x(const struct storm *w)
{
    for (int i = 0; i < w->original.headers.n; i++)
        if (!strcmp(w->original.headers.at[i].name, "Subject") && has_x(slice_cstr(w->original.headers.at[i].value)))
            return true;
    return false;
}

bool storm_may_hear(const struct storm *w, const struct storm_filter *f, const char *recipient)
{
    (void)w;
    return f->when != WHEN_RCPT || is_b(recipient) || recipient[1] == 'z'; /* z: added by a filter */
}

bool storm_is_asked(const struct storm *w, const struct storm_filter *f)
{
    bool any_b = false, all_b = true;
    for (int i = 0; i < w->original.recipients.n; i++) {
        any_b |= is_b(w->original.recipients.at[i]);
        all_b &= is_b(w->original.recipients.at[i]);
    }
    switch (f->when) {
    case WHEN_REMOTE:
        return w->remote;
    case WHEN_RCPT:
        return any_b;
    case WHEN_EVERY:
        return all_b;
    case WHEN_SUBJECT:
        return subject_has_x(w);
    case WHEN_NO_SUBJECT:
        return !subject_has_x(w);
    case WHEN_BODY:
        return has_x(slice_upto(buf_slice(&w->original.body), 60000));
    default:
        return true;
    }
}

/* What the tests' built-in filter says of a message that it sees so: how many of its recipients are its own. */
static void edits_inside(struct storm *w, struct storm_filter *f, const struct storm_recipients *seen)
{
    int count = 0;
    for (int i = 0; i < seen->n; i++)
        count += storm_may_hear(w, f, seen->at[i]);
    f->edits = (struct storm_edits){.n = 1, .at = {{SMFIR_ADDHEADER, 0, "X-Nobody", ""}}};
    f->edits.counts = count > 0 && (w->granted.actions & SMFIF_ADDHDRS) && storm_is_asked(w, f);
    snprintf(f->edits.at[0].value, sizeof(f->edits.at[0].value), " %d", count);
}

void storm_view(struct storm *w, int f, struct storm_mail *out)
{
    storm_mail_copy(out, &w->original);
    for (int i = 0; i <= f && !(f < w->n_filters && w->filters[f].original); i++) {
        static struct storm_headers seen;
        static const struct storm_edits grey = {.n = 1, .at = {{SMFIR_ADDHEADER, 0, "X-Grey", " yes"}}};
        struct storm_filter *before = &w->filters[i];
        if (w->greylist && w->adds_header && i == w->greylist_at && w->original.recipients.n > 0)
            storm_apply(out, &w->original.headers, &grey, &w->next_id);
        if (i < f && before->inside)
            edits_inside(w, before, before->original ? &w->original.recipients : &out->recipients);
        if (i == f || before->evaluation || !before->edits.counts)
            continue;
        seen = before->original ? w->original.headers : out->headers;
        storm_apply(out, &seen, &before->edits, &w->next_id);
    }
}

/* ---- what is known of the filters ---- */

static void set(struct said *said, enum storm_verdict v, const char *text)
{
    said->verdict = v;
    strcpy(said->text, text);
}

void storm_answered(struct storm *w, struct storm_peer *p, uint8_t cmd, enum storm_verdict v, const char *text)
{
    struct storm_filter *f = &w->filters[p->filter];
    bool refuses = v == V_TEMPFAIL || v == V_REJECT;
    switch (cmd) {
    case SMFIC_CONNECT:
    case SMFIC_HELO:
        if (v != V_CONTINUE)
            set(&f->connection, v, text);
        break;
    case SMFIC_RCPT:
        if (storm_find_recipient(&w->rejected, p->recipient) >= 0)
            break;
        if (refuses && w->owed && w->command == SMFIC_RCPT && !strcmp(w->recipient, p->recipient)) {
            set(&f->recipient, v, text);
            f->refused_one = true;
        } else if (v != V_CONTINUE) {
            set(&f->message, v, text);
        }
        break;
    case SMFIC_UNKNOWN:
        set(&f->unknown, v, text);
        break;
    case SMFIC_BODYEOB:
        f->ended = true;
        f->edits.counts = v == V_CONTINUE || v == V_ACCEPT;
        set(&f->message, v, text);
        break;
    default:
        if (v != V_CONTINUE)
            set(&f->message, v, text);
        break;
    }
}

void storm_filter_failed(struct storm *w, struct storm_peer *p, bool was_asked)
{
    struct storm_filter *f = &w->filters[p->filter];
    if (f->breaker)
        f->vague = true;
    if (!p->of_session)
        return;
    f->may_fail = true;
    was_asked &= p->told_mail || p->opened_in == w->messages; /* else it may still be at what was asked before */
    f->failed |= was_asked && w->in_message && f->message.verdict == V_NONE && f->connection.verdict == V_NONE;
}

static void clear_edits(struct storm_filter *f)
{
    f->edits.counts = f->edits.has_body = false;
    f->edits.n = 0;
    buf_clear(&f->edits.body);
}

void storm_clear_message(struct storm *w)
{
    for (int i = 0; i < w->n_filters; i++) {
        struct storm_filter *f = &w->filters[i];
        f->message.verdict = f->recipient.verdict = f->unknown.verdict = V_NONE;
        f->failed = f->ended = f->refused_one = false;
        clear_edits(f);
    }
    w->refused.n = w->rejected.n = 0;
}

void storm_clear_connection(struct storm *w)
{
    storm_clear_message(w);
    for (int i = 0; i < w->n_filters; i++) {
        w->filters[i].connection.verdict = V_NONE;
        w->filters[i].may_fail = false;
    }
}

/* ---- judging ---- */

static bool is_same(const struct said *said, const struct said *reply)
{
    return said->verdict == reply->verdict && !strcmp(said->text, reply->text);
}

static bool said_by(const struct storm *w, const struct storm_filter *f, const struct said *reply)
{
    if (f->evaluation)
        return false;
    if ((f->may_fail || f->vague) && f->fallback == reply->verdict && !reply->text[0])
        return true;
    if (w->command == SMFIC_UNKNOWN)
        return is_same(&f->unknown, reply);
    return is_same(&f->connection, reply) || is_same(&f->message, reply) ||
           (w->command == SMFIC_RCPT && is_same(&f->recipient, reply));
}

static void explain(struct storm *w, const struct said *reply)
{
    for (int i = 0; i < w->n_filters; i++)
        if (said_by(w, &w->filters[i], reply))
            return;
    if (w->greylist && strstr(reply->text, "grey says no") && w->command == SMFIC_RCPT && w->recipient[1] == 'x')
        return;
    if (w->gone && strstr(reply->text, "Client is gone"))
        return;
    if (w->spool_failed && strstr(reply->text, "Out of room"))
        return;
    storm_fail(w, "reply %d \"%s\" to %c, which nobody has said", reply->verdict, reply->text, w->command);
}

/* Its word counts for all recipients of a message that it is in. */
static bool counts(const struct storm_filter *f)
{
    return !f->evaluation && f->when != WHEN_RCPT;
}

/* The weakest reply that can be given now. */
static enum storm_verdict strongest(const struct storm *w, int *by)
{
    enum storm_verdict most = V_ACCEPT;
    *by = -1;
    for (int i = 0; i < w->n_filters; i++) {
        const struct storm_filter *f = &w->filters[i];
        enum storm_verdict v = V_ACCEPT;
        if (!counts(f))
            continue;
        if (f->message.verdict != V_NONE)
            v = f->message.verdict;
        else if (f->failed)
            v = f->fallback;
        if (w->command == SMFIC_RCPT && f->recipient.verdict != V_NONE && f->recipient.verdict > v)
            v = f->recipient.verdict;
        if (!w->reloaded && f->connection.verdict != V_NONE && f->connection.verdict > v)
            v = f->connection.verdict;
        if (v > most) {
            most = v;
            *by = i;
        }
    }
    return most;
}

/* No filter that counts has anything to say about this message any more. */
static void judge_accept(struct storm *w)
{
    if (w->in_message && w->command != SMFIC_MAIL && w->command != SMFIC_RCPT && w->original.recipients.n == 0)
        return; /* there is nothing that it could be asked about */
    for (int i = 0; i < w->n_filters; i++) {
        const struct storm_filter *f = &w->filters[i];
        bool over = f->message.verdict == V_ACCEPT || f->connection.verdict == V_ACCEPT || f->may_fail || f->vague;
        if (counts(f) && f->when == WHEN_ALWAYS && !over)
            storm_fail(w, "\"accept\" to %c, but filter %c has not accepted", w->command, 'a' + i);
    }
}

/* Earlier filters have left one that it is to judge. */
static bool has_recipient(struct storm *w, int f)
{
    static struct storm_mail view;
    bool any = false;
    storm_view(w, f, &view);
    for (int i = 0; i < view.recipients.n; i++)
        any |= storm_may_hear(w, &w->filters[f], view.recipients.at[i]);
    storm_mail_fini(&view);
    view.body = (struct buf){0};
    return any;
}

/* One that sees the original says where a header stands in it; but the MTA shows it to nobody, so this is nowhere in particular. */
static bool headers_are_vague(const struct storm *w)
{
    bool any = false;
    for (int i = 0; i < w->n_filters; i++)
        any |= w->filters[i].original;
    return any && (w->granted.steps & SMFIP_NOHDRS);
}

static void judge_delivery(struct storm *w)
{
    static struct storm_mail want;
    for (int i = 0; i < w->n_filters; i++) {
        const struct storm_filter *f = &w->filters[i];
        bool over = f->ended || f->message.verdict == V_ACCEPT || f->connection.verdict == V_ACCEPT || f->may_fail ||
                    f->vague || f->refused_one;
        if (!f->evaluation && !f->inside && !over && storm_is_asked(w, f) && has_recipient(w, i))
            storm_fail(w, "the message goes through, and filter %c was not asked", 'a' + i);
    }
    storm_view(w, w->n_filters, &want);
    const char *differs = storm_headers_differ(&want.headers, &w->mail.headers, true);
    if (headers_are_vague(w))
        differs = NULL;
    if (differs)
        storm_log_headers(w, "want", &want.headers), storm_log_headers(w, "have", &w->mail.headers);
    if (differs)
        storm_fail(w, "the MTA has another header %s", differs);
    if (strcmp(want.sender, w->mail.sender) != 0)
        storm_fail(w, "the MTA has sender %s, not %s", w->mail.sender, want.sender);
    if (strcmp(want.quarantine, w->mail.quarantine) != 0)
        storm_fail(w, "the MTA has quarantine %s, not %s", w->mail.quarantine, want.quarantine);
    if (!storm_recipients_have(&want.recipients, &w->mail.recipients) ||
        !storm_recipients_have(&w->mail.recipients, &want.recipients))
        storm_fail(w, "the MTA has other recipients");
    if (!slice_eq(buf_slice(&want.body), buf_slice(&w->mail.body)))
        storm_fail(w, "the MTA has another body");
    storm_mail_fini(&want);
    memset(&want, 0, sizeof(want));
    w->delivered++;
}

void storm_judge(struct storm *w, const struct said *reply)
{
    int by;
    bool of_message = w->in_message && w->command != SMFIC_UNKNOWN && w->command != SMFIC_HELO;
    if (w->gone)
        return;
    if (reply->verdict >= V_TEMPFAIL) {
        w->refusals++;
        explain(w, reply);
        if (reply->verdict == V_DISCARD && !w->in_message)
            storm_fail(w, "\"discard\" without a message");
    }
    if (w->recipient_rejected && w->command == SMFIC_RCPT)
        return;
    bool grey = strstr(reply->text, "grey says no") || strstr(reply->text, "Out of room");
    enum storm_verdict least = strongest(w, &by);
    if (of_message && least >= V_TEMPFAIL && reply->verdict < least && !grey)
        storm_fail(w, "reply %d to %c is weaker than what filter %c has said", reply->verdict, w->command, 'a' + by);
    if (reply->verdict == V_ACCEPT && w->command != SMFIC_BODYEOB && !w->whole_over)
        judge_accept(w);
    if (w->command == SMFIC_BODYEOB && reply->verdict <= V_CONTINUE && !w->whole_over && w->original.recipients.n > 0)
        judge_delivery(w);
}
