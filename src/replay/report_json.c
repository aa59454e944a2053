/*
 * report_json.c - one object. `held` and `deferred` are of the world where each memory is earned once (replay.h), `…_low` and
 * `…_bound` of the low and the high one.
 */
#include "replay/report.h"

static void put_part(const struct replay_part *p, struct buf *out)
{
    static const struct {
        const char *suffix;
        enum replay_world_name world;
    } worlds[] = {{"", REPLAY_ONCE}, {"_low", REPLAY_LOW}, {"_bound", REPLAY_HIGH}};
    buf_printf(out, "\"suspects\": %llu", (unsigned long long)p->suspects);
    for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
        buf_printf(out, ", \"held%s\": %llu, \"deferred%s\": %llu", worlds[i].suffix,
                   (unsigned long long)p->held[worlds[i].world], worlds[i].suffix,
                   (unsigned long long)p->deferred[worlds[i].world]);
}

static void put_delays(const struct world_delays *d, struct buf *out)
{
    if (!d)
        return;
    buf_printf(out, ",\n \"let_in_later\": %llu, \"never_let_in\": %llu, \"delay_p50_min\": %u, \"delay_p95_min\": %u",
               (unsigned long long)d->let_in, (unsigned long long)d->never, world_delay_percentile(d, 50),
               world_delay_percentile(d, 95));
}

void report_put_json(const struct replay *r, const struct replay_reading *reading, struct buf *out)
{
    const struct replay_counts *c = replay_counts(r);
    buf_printf(out, "{\"lines\": %llu, \"unread\": %llu, \"first\": %lld, \"last\": %lld,\n",
               (unsigned long long)reading->lines, (unsigned long long)reading->unread, (long long)c->first.sec,
               (long long)c->last.sec);
    buf_printf(out, " \"users\": %llu, \"local\": %llu, \"seen_before\": %llu, \"unfinished\": %llu,\n",
               (unsigned long long)reading->join.users, (unsigned long long)reading->join.local,
               (unsigned long long)reading->join.again, (unsigned long long)reading->join.unfinished);
    buf_printf(out, " \"warm_up_sec\": %lld, \"warm_up_deliveries\": %llu, \"retry_sec\": %lld,\n",
               (long long)reading->warm_up_sec, (unsigned long long)c->warm_up, (long long)reading->retry_sec);
    buf_printf(out, " \"deliveries\": %llu, ", (unsigned long long)c->deliveries);
    put_part(&c->all, out);
    buf_printf(out, ",\n \"rejected\": %llu, \"refused\": %llu, \"refused_suspects\": %llu", (unsigned long long)c->rejected,
               (unsigned long long)c->refused, (unsigned long long)c->refused_suspects);
    buf_printf(out, ", \"helo_known\": %llu, \"perhaps_temp\": %llu, \"unnamed\": %llu, \"memory_full\": %s",
               (unsigned long long)c->helo_known, (unsigned long long)c->perhaps_temp, (unsigned long long)c->unnamed,
               replay_was_full(r) ? "true" : "false");
    put_delays(replay_delays(r), out);
    buf_printf(out, ",\n \"correspondents\": {\"deliveries\": %llu, ", (unsigned long long)c->from_correspondents);
    put_part(&c->correspondents, out);
    buf_printf(out, "},\n \"by_rule\": {");
    for (int i = 0; i < REPLAY_RULES; i++) {
        buf_printf(out, "%s\n  \"%s\": {", i ? "," : "", replay_rule_name((enum replay_rule)i));
        put_part(&c->by_rule[i], out);
        buf_put_byte(out, '}');
    }
    buf_put_cstr(out, "}}\n");
}
