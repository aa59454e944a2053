/* statistics.c - one line a session and one a child and message, for graphs: the form is documented in tarsierd(8). */
#include "session/chain.h"

static const char *const words[] = {
    [VERDICT_ACCEPT] = "accept", [VERDICT_CONTINUE] = "pass",   [VERDICT_TEMPFAIL] = "tempfail",
    [VERDICT_REJECT] = "reject", [VERDICT_DISCARD] = "discard",
};

static void put_seconds(struct buf *line, struct mono since, struct mono now)
{
    int64_t ms = now.ms - since.ms;
    buf_printf(line, " seconds=%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void put_session(struct buf *line, const struct session *s)
{
    buf_put_cstr(line, " session=");
    dialogue_put_connection(&s->d, line);
}

static void write_line(const struct session *s, struct buf *line)
{
    effects_log_line(s->d.sh->out, s->d.client.owner, LOG_LEVEL_INFO, buf_slice(line));
    buf_fini(line);
}

static enum registry_result result_of(const struct filter *f)
{
    static const enum registry_result results[] = {
        [VERDICT_ACCEPT] = REGISTRY_ACCEPT, [VERDICT_CONTINUE] = REGISTRY_PASS,   [VERDICT_TEMPFAIL] = REGISTRY_TEMPFAIL,
        [VERDICT_REJECT] = REGISTRY_REJECT, [VERDICT_DISCARD] = REGISTRY_DISCARD,
    };
    if (f->outcome == OUTCOME_FALLBACK)
        return REGISTRY_FAILED;
    if (f->outcome != OUTCOME_FINAL || f->stopped)
        return REGISTRY_STOP;
    if (f->quarantines && f->verdict <= VERDICT_CONTINUE)
        return REGISTRY_QUARANTINE;
    return results[f->verdict];
}

/* For whoever asks for numbers; of milters, by name, whatever becomes of the session. */
static void count(const struct session *s, const struct filter *f)
{
    if (!f->conf->connect)
        return;
    struct registry_record *r = registry_record(s->d.sh->registry, f->conf->name, f->conf->connect);
    r->results[result_of(f)]++;
    histogram_add(&r->seconds, &registry_seconds_bounds, s->d.sh->now.mono.ms - f->ops->position(f).since.ms);
}

void chain_log_filter(const struct session *s, const struct filter *f)
{
    struct buf line = {0};
    count(s, f);
    if (!s->d.plan->set->statistics)
        return;
    buf_put_cstr(&line, "statistics: filter");
    put_session(&line, s);
    buf_printf(&line, " message=%u stage=%s status=%s", s->d.transcript->messages, stage_name(f->last),
               registry_result_word(result_of(f)));
    put_seconds(&line, f->ops->position(f).since, s->d.sh->now.mono);
    buf_printf(&line, " evaluation=%s name=\"%s\"", f->conf->set.evaluation ? "yes" : "no", f->conf->name);
    write_line(s, &line);
}

void chain_log_session(const struct session *s)
{
    const struct transcript *t = s->d.transcript;
    const struct chain *ch = s->chain;
    struct buf line = {0};
    char address[IP_TEXT_MAX];
    if (!s->d.plan->set->statistics || !t->connect.body.ptr)
        return;
    buf_put_cstr(&line, "statistics: session");
    put_session(&line, s);
    buf_printf(&line, " messages=%u stage=%s status=%s", t->messages, ch->last_place ? ch->last_place : "connect",
               words[ch->last_status]);
    put_seconds(&line, ch->since, s->d.sh->now.mono);
    buf_printf(&line, " client=%s", s->d.flags & DIALOGUE_LOCAL ? "local" : ip_format(&s->d.client.ends.remote, address));
    write_line(s, &line);
}
