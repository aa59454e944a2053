/*
 * decisions.c - what is decided in a dialogue, for the journal, a trace and the log. A filter tells its own decisions here; those that
 * are no filter's (the client is gone, the gate is not asked, the MTA breaks the protocol) have their lines here.
 */
#include "dialogue/dialogue.h"
#include "port/journal.h"

#include <stdio.h>

static enum journal_suspicion suspicion_of(const struct dialogue *d)
{
    return d->suspicion == SUSPICION_NONE       ? JOURNAL_NOT_SUSPECTED
           : d->suspicion >= SUSPICION_POINTS   ? JOURNAL_GENERIC_RDNS
           : d->suspicion == SUSPICION_NAMELESS ? JOURNAL_UNKNOWN_CLIENT
                                                : JOURNAL_S25R;
}

struct slice dialogue_suspicion_text(const struct dialogue *d, char room[24])
{
    if (d->suspicion == SUSPICION_NONE)
        return SLICE_NONE;
    if (d->suspicion == SUSPICION_NAMELESS)
        return SLICE_LIT("no verified name");
    bool points = d->suspicion >= SUSPICION_POINTS;
    int n = snprintf(room, 24, points ? "generic_rdns %d" : "S25R rule %d",
                     d->suspicion - (points ? SUSPICION_POINTS : SUSPICION_S25R));
    return slice_of(room, (size_t)n);
}

/* Also for lines with nolog: they keep something out of the log, not out of the numbers. */
const struct journal_entry *dialogue_decide(struct dialogue *d, const struct journal_entry *told)
{
    struct journal_entry entry = *told;
    struct buf connection = {0};
    char address[IP_TEXT_MAX];
    dialogue_put_connection(d, &connection);
    entry.at = d->sh->now.wall;
    entry.suspicion = suspicion_of(d);
    entry.connection = buf_slice(&connection);
    entry.queue_id = d->queue_id;
    entry.address = d->flags & DIALOGUE_LOCAL ? SLICE_LIT("local") : slice_cstr(ip_format(&d->client.ends.remote, address));
    entry.name = d->host;
    entry.helo = d->helo;
    entry.sender = d->sender;
    entry.recipient = d->recipient;
    trace_line(d, "decision: %s%s%.*s%s%.*s", journal_word(entry.what), entry.line.len ? ", line " : "",
               SLICE_ARG(entry.line), entry.why.len ? ", " : "", SLICE_ARG(entry.why));
    const struct journal_entry *kept = effects_journal(d->sh->out, d->client.owner, &entry);
    buf_fini(&connection);
    return kept;
}

void dialogue_write_about(const struct dialogue *d, const struct journal_entry *about, struct buf *line)
{
    dialogue_write_line(d, LOG_LEVEL_INFO, line);
    effects_about(d->sh->out, about);
}

/* ---- the gate is not asked ---- */

/* What is true of the client: "not remote", "authenticated" (for unauthenticated is what it is not), "not s25r (no rule hits)". */
static void put_why(const struct dialogue *d, struct buf *line, const struct policy_why *why)
{
    if (!why) {
        buf_put_cstr(line, "decided at CONNECT");
        return;
    }
    if (!why->condition) {
        buf_put_cstr(line, "no filter asks about it");
        return;
    }
    struct slice name = slice_cstr(why->condition);
    if (!why->holds && slice_eq_cstr(name, "unauthenticated"))
        name = SLICE_LIT("authenticated");
    else if (!why->holds)
        buf_put_cstr(line, "not ");
    buf_put_visible(line, name);
    if (slice_eq_cstr(name, "helo_confirmed")) {
        buf_put_cstr(line, " (");
        buf_put_visible(line, d->helo);
        buf_put_byte(line, ')');
    }
    if (slice_eq_cstr(name, "generic_rdns"))
        buf_printf(line, " (%d point%s)", why->generic_points, why->generic_points == 1 ? "" : "s");
    if (!slice_eq_cstr(name, "s25r"))
        return; /* what s25r said is in why as well, but settled nothing */
    if (why->s25r_list)
        buf_printf(line, " (listed as %s)", why->s25r_list);
    else if (why->s25r_temp)
        buf_put_cstr(line, " (the reverse look-up failed for now)");
    else if (why->s25r_rule >= 0)
        buf_printf(line, " (rule %d)", why->s25r_rule);
    else
        buf_put_cstr(line, " (no rule hits)");
}

static void put_from(const struct dialogue *d, struct buf *line)
{
    buf_put_cstr(line, " from ");
    buf_put_visible(line, d->sender);
}

void dialogue_log_passed(struct dialogue *d, const struct policy_why *why, bool evaluation)
{
    struct buf line = {0}, reason = {0};
    put_why(d, &reason, why);
    const struct journal_entry *about = dialogue_decide(
        d, &(struct journal_entry){.what = JOURNAL_PASSED, .sec = -1, .evaluation = evaluation, .why = buf_slice(&reason)});
    if (!d->plan->set->log_passes) {
        buf_fini(&reason);
        return;
    }
    dialogue_put_client(d, &line);
    if (d->recipient.ptr || d->sender.ptr)
        put_from(d, &line);
    if (d->recipient.ptr) {
        buf_put_cstr(&line, " to ");
        buf_put_visible(&line, d->recipient);
    }
    buf_put_cstr(&line, " passes: ");
    buf_put_slice(&line, buf_slice(&reason));
    buf_fini(&reason);
    dialogue_write_about(d, about, &line);
}

/* ---- what is no filter's ---- */

void dialogue_log_gone(struct dialogue *d, const char *how)
{
    struct buf line = {0};
    const struct journal_entry *about =
        dialogue_decide(d, &(struct journal_entry){.what = JOURNAL_GONE, .sec = -1, .why = slice_cstr(how)});
    dialogue_put_client(d, &line);
    buf_printf(&line, " refused with 421: the client was %s", how);
    dialogue_write_about(d, about, &line);
}

void dialogue_log_protocol(struct dialogue *d, const char *what)
{
    struct buf line = {0};
    dialogue_put_client(d, &line);
    buf_printf(&line, ": connection closed: %s", what);
    if (d->owed)
        buf_printf(&line, " (while %s is answered)", milter_command_name(d->owed));
    dialogue_write_line(d, LOG_LEVEL_WARNING, &line);
}

void dialogue_log_queue_id(struct dialogue *d)
{
    struct buf line = {0};
    bool in_statistics = d->transcript && d->plan->set->statistics;
    const struct journal_entry *about = dialogue_decide(d, &(struct journal_entry){.what = JOURNAL_QUEUE_ID, .sec = -1});
    if (!(d->flags & DIALOGUE_NAMED) && !in_statistics)
        return;
    dialogue_put_connection(d, &line);
    buf_put_cstr(&line, ": addr ");
    dialogue_put_host(d, &line);
    if (d->sender.ptr)
        put_from(d, &line);
    buf_put_cstr(&line, " has queue id ");
    buf_put_visible(&line, d->queue_id);
    dialogue_write_about(d, about, &line);
}
