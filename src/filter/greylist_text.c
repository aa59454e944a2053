/*
 * greylist_text.c - what people read: SMTP replies and log lines, in the peer's form, so that log tools go on working.
 *
 * Text from outside is made harmless here: control bytes become `?` in log lines, and the codec and the formats see to
 * replies and headers.
 */
#include "filter/greylist.h"
#include "policy/xgreylist.h"
#include "port/journal.h"

#include <stdio.h>

/* ---- facts ---- */

/* Where text that exists only for a call is put. */
struct room {
    char acl[16], address[IP_TEXT_MAX];
};

/* id or line of an ACL line; the line's digits go to room. NONE for no line. */
static struct slice name_of_acl(const struct conf_acl *acl, const char *id, char room[16])
{
    if (id)
        return slice_cstr(id);
    if (!acl)
        return SLICE_NONE;
    return slice_of(room, (size_t)snprintf(room, 16, "%u", acl->line));
}

struct slice text_acl_name(const struct greylist *g, char room[16])
{
    return name_of_acl(g->decision.acl, g->decision.id, room);
}

static struct slice code_of(const struct decision *d)
{
    return slice_of(d->code, d->code_len);
}

static struct slice ecode_of(const struct decision *d)
{
    return slice_of(d->ecode, d->ecode_len);
}

static struct format_facts facts_of(const struct greylist *g, struct room *room)
{
    const struct decision *d = &g->decision;
    return (struct format_facts){
        .sender = g->f.d->sender,
        .recipient = g->f.d->recipient,
        .client = g->f.d->client.ends.remote,
        .host = g->f.d->host,
        .helo = g->f.d->helo,
        .now = g->f.d->sh->now.wall,
        .hostname = dialogue_hostname(g->f.d),
        .if_addr = dialogue_address(g->f.d, room->address),
        .code = code_of(d),
        .ecode = ecode_of(d),
        .acl_id = text_acl_name(g, room->acl),
        .acl_line = d->acl ? d->acl->line : 0,
        .elapsed_sec = g->elapsed_sec,
        .tarpit_sec = d->tarpit_sec,
        .groups = d->groups,
        .macro = dialogue_macro,
        .macro_ctx = g->f.d,
    };
}

void text_expand(const struct greylist *g, const struct format *format, struct buf *out)
{
    struct room room;
    struct format_facts facts = facts_of(g, &room);
    facts.verdict = "accept";
    format_expand(format, &facts, out);
}

/* ---- replies ---- */

void text_refusal(struct greylist *g, int64_t elapsed_sec, int64_t remaining_sec, bool blacklisted, struct buf *packet)
{
    const struct decision *d = &g->decision;
    struct slice code = d->code ? code_of(d) : blacklisted ? SLICE_LIT("551") : SLICE_LIT("451");
    struct slice ecode = d->ecode ? ecode_of(d) : blacklisted ? SLICE_LIT("5.7.1") : SLICE_LIT("4.7.1");
    if (!blacklisted && !slice_has_prefix(code, "4"))
        code = SLICE_LIT("451"); /* a suspicion is never an error for good (DESIGN, R4) */
    struct buf text = {0};
    if (d->msg) {
        struct room room;
        struct format_facts facts = facts_of(g, &room);
        facts.code = code;
        facts.ecode = ecode;
        facts.elapsed_sec = elapsed_sec;
        facts.remaining_sec = remaining_sec;
        facts.verdict = blacklisted && slice_has_prefix(code, "5") ? "reject" : "tempfail";
        format_expand(d->msg, &facts, &text);
    } else if (blacklisted) {
        buf_put_cstr(&text, "Go away!");
    } else if (g->f.d->plan->set->quiet) {
        buf_put_cstr(&text, "Greylisting in action, please come back later");
    } else {
        buf_put_cstr(&text, "Greylisting in action, please come back in ");
        xgreylist_put_duration(&text, remaining_sec);
    }
    milter_put_replycode(packet, code, ecode, buf_slice(&text));
    buf_fini(&text);
}

void text_x_greylist(const struct greylist *g, struct buf *out)
{
    enum conf_report report = (enum conf_report)g->f.d->plan->set->report;
    bool delayed = g->elapsed_sec > 0;
    if (report == CONF_REPORT_NONE || (report == CONF_REPORT_DELAYS && !delayed) ||
        (report == CONF_REPORT_NODELAYS && delayed))
        return;
    if (g->report && *g->report) {
        buf_put_cstr(out, g->report);
        return;
    }
    char address[IP_TEXT_MAX], acl[16];
    const struct xgreylist x = {
        .reasons = g->reasons,
        .elapsed_sec = g->elapsed_sec,
        .tarpit_sec = g->tarpit_sec,
        .acl = name_of_acl(g->header_acl, g->header_acl_id, acl),
        .with_acl = g->header_acl != NULL,
        .hostname = dialogue_hostname(g->f.d),
        .address = dialogue_address(g->f.d, address),
        .now = g->f.d->sh->now.wall,
    };
    xgreylist_put_header(out, &x);
}

/* ---- the journal ---- */

/* What the line tells of is not done; NULL: it is. */
static const char *why_not_done(const struct greylist *g, enum journal_what what)
{
    bool suspends = what == JOURNAL_HELD || what == JOURNAL_DEFERRED;
    return filter_only_evaluates(&g->f) ? "evaluation only" : suspends && shared_is_paused(g->f.d->sh) ? "paused" : NULL;
}

/*
 * sec: -1 where there is none. Returns what a line of the log may be about. Also for lines with nolog: they keep something out of
 * the log, not out of the numbers.
 */
static const struct journal_entry *note(struct greylist *g, enum journal_what what, int64_t sec, struct slice why)
{
    char room[16];
    return dialogue_decide(g->f.d, &(struct journal_entry){.what = what,
                                                           .sec = sec,
                                                           .evaluation = why_not_done(g, what) != NULL,
                                                           .line = text_acl_name(g, room),
                                                           .why = why});
}

/* ---- log lines ---- */

static void put_envelope(const struct greylist *g, struct buf *out)
{
    buf_put_cstr(out, " from ");
    buf_put_visible(out, g->f.d->sender);
    buf_put_cstr(out, " to ");
    buf_put_visible(out, g->f.d->recipient);
}

static void put_acl(const struct greylist *g, struct buf *out)
{
    char room[16];
    struct slice name = text_acl_name(g, room);
    if (name.ptr)
        buf_printf(out, " (ACL %.*s)", SLICE_ARG(name));
}

void text_log_accepted(struct greylist *g, unsigned reasons)
{
    const struct decision *d = &g->decision;
    struct buf line = {0}, text = {0};
    char room[16];
    struct slice acl = text_acl_name(g, room);
    xgreylist_put_reasons(&text, reasons, d->tarpit_sec, acl, false);
    const struct journal_entry *about = note(g, JOURNAL_ACCEPTED, -1, buf_slice(&text));
    if (d->nolog) {
        buf_fini(&text);
        return;
    }
    dialogue_put_key(g->f.d, &line);
    buf_put_cstr(&line, ": skipping greylist because ");
    buf_put_slice(&line, buf_slice(&text));
    buf_fini(&text);
    buf_put_cstr(&line, ", (from=");
    buf_put_visible(&line, g->f.d->sender);
    buf_put_cstr(&line, ", rcpt=");
    buf_put_visible(&line, g->f.d->recipient);
    buf_put_cstr(&line, ", addr=");
    dialogue_put_host(g->f.d, &line);
    buf_put_byte(&line, ')');
    if (acl.ptr)
        buf_printf(&line, " ACL %.*s", SLICE_ARG(acl));
    dialogue_write_about(g->f.d, about, &line);
}

static void put_suspicion(const struct greylist *g, struct buf *line)
{
    char room[24];
    struct slice text = dialogue_suspicion_text(g->f.d, room);
    if (text.ptr)
        buf_printf(line, ", %.*s", SLICE_ARG(text));
}

/* One line of the recipient's: "… from <a> to <b> TEXT (ACL n)". */
static void log_recipient(struct greylist *g, const struct journal_entry *about, const char *text, int64_t sec)
{
    const char *why = about ? why_not_done(g, about->what) : NULL;
    struct buf line = {0};
    dialogue_put_client(g->f.d, &line);
    put_envelope(g, &line);
    buf_put_byte(&line, ' ');
    buf_put_cstr(&line, text);
    if (sec >= 0)
        xgreylist_put_duration(&line, sec);
    put_acl(g, &line);
    put_suspicion(g, &line);
    if (why)
        buf_printf(&line, " (%s: let in)", why);
    dialogue_write_about(g->f.d, about, &line);
}

static void log_autowhite(struct greylist *g, const struct journal_entry *about)
{
    struct buf line = {0};
    char address[IP_TEXT_MAX];
    dialogue_put_key(g->f.d, &line);
    buf_printf(&line, ": addr %s from ", ip_format(&g->f.d->client.ends.remote, address));
    buf_put_visible(&line, g->f.d->sender);
    buf_put_cstr(&line, " rcpt ");
    buf_put_visible(&line, g->f.d->recipient);
    buf_put_cstr(&line, ": autowhitelisted for another ");
    xgreylist_put_duration(&line, g->decision.autowhite_sec);
    dialogue_write_about(g->f.d, about, &line);
}

void text_log_let_in(struct greylist *g, int64_t elapsed_sec)
{
    const struct journal_entry *about = note(g, JOURNAL_LET_IN, elapsed_sec, SLICE_NONE);
    if (g->decision.nolog)
        return;
    if (g->decision.autowhite_sec > 0)
        log_autowhite(g, about);
    else
        log_recipient(g, about, "let in after ", elapsed_sec); /* the peer says nothing here */
}

void text_log_deferred(struct greylist *g, int64_t remaining_sec)
{
    const struct journal_entry *about = note(g, JOURNAL_DEFERRED, remaining_sec, SLICE_NONE);
    if (!g->decision.nolog)
        log_recipient(g, about, "delayed for ", remaining_sec);
}

void text_log_rejected(struct greylist *g)
{
    const struct journal_entry *about = note(g, JOURNAL_REJECTED, -1, SLICE_NONE);
    if (!g->decision.nolog)
        log_recipient(g, about, "blacklisted", -1);
}

void text_log_held(struct greylist *g)
{
    int64_t sec = (g->decision.hold_ms + 999) / 1000;
    const struct journal_entry *about = note(g, JOURNAL_HELD, sec, SLICE_NONE);
    if (!g->decision.nolog)
        log_recipient(g, about, "held for ", sec);
}

void text_log_hold_end(struct greylist *g, enum journal_what how, int64_t waited_ms)
{
    const char *const words[JOURNAL_MAX_] = {
        [JOURNAL_STAYED] = "served",
        [JOURNAL_SIBLING] = "released with another connection",
        [JOURNAL_LEFT] = "left",
        [JOURNAL_CUT] = "cut",
        [JOURNAL_RELEASED] = shared_is_paused(g->f.d->sh) ? "ended by a pause" : "released by an administrator",
        [JOURNAL_DROPPED] = "dropped by an administrator",
    };
    struct buf what = {0};
    const struct journal_entry *about = note(g, how, waited_ms / 1000, SLICE_NONE);
    if (g->decision.nolog)
        return;
    buf_printf(&what, "hold %s after ", words[how]);
    log_recipient(g, about, buf_cstr(&what), waited_ms / 1000);
    buf_fini(&what);
}

void text_log_not_held(struct greylist *g, enum policy_no_hold why)
{
    static const char *const texts[] = {
        [HOLD_POSSIBLE] = "not held",
        [HOLD_UNWATCHABLE] = "not held: the client's connection cannot be watched",
        [HOLD_BOUND_MAX] = "not held: as many are held as `holds max` allows",
        [HOLD_BOUND_CLIENT] = "not held: as many of this client are held as `holds per-client` allows",
        [HOLD_STRESS] = "not held: the mail server is under stress",
        [HOLD_CALLOUT] = "not held: it has no sender, and may be a callout (`delayedreject`)",
    };
    const struct journal_entry *about = note(g, JOURNAL_NOT_HELD, -1, slice_cstr(texts[why]));
    log_recipient(g, about, texts[why], -1);
}

void text_log_left_before(struct greylist *g, int64_t left_sec)
{
    log_recipient(g, NULL, "not held: it has hung up before, after ", left_sec);
}

void text_log_confirmed(struct greylist *g)
{
    note(g, JOURNAL_REMEMBERED, -1, SLICE_NONE);
    if (g->f.d->plan->set->verbose)
        dialogue_log(g->f.d, LOG_LEVEL_INFO, "DATA has come after the hold: the client is remembered");
}

void text_log_unconfirmed(struct greylist *g)
{
    struct buf line = {0};
    const struct journal_entry *about = note(g, JOURNAL_NOT_REMEMBERED, -1, SLICE_NONE);
    dialogue_put_client(g->f.d, &line);
    buf_put_cstr(&line, " has waited, and no DATA has come: it is not remembered");
    dialogue_write_about(g->f.d, about, &line);
}
