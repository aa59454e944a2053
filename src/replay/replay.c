/* replay.c - each delivery through the three worlds, and the counts. */
#include "replay/replay.h"

#include "base/mem.h"

#include <stdlib.h>

/* A delivery that is earlier than the one before it by more is no late one: the log's clock was wrong for a while. */
enum { LATE_SEC = 3600 };

/* Addresses that users have written to, as hashes: a bloom filter. One in a thousand others is taken for one at a million. */
enum { KNOWN_BITS = 1 << 24, KNOWN_HASHES = 4 };

struct replay {
    struct plan *plan;
    struct replay_options options;
    struct world_rules rules[REPLAY_WORLDS];
    struct world *worlds[REPLAY_WORLDS]; /* made with the first delivery, whose time they need */
    struct replay_counts counts;
    struct senders *senders;
    struct arena arena;
    uint64_t known[KNOWN_BITS / 64];
};

struct replay *replay_new(struct plan *plan, const struct replay_options *options)
{
    struct replay *r = mem_zalloc(sizeof(*r));
    bool certain = options->is_certain;
    r->plan = plan;
    for (size_t i = 0; i < plan->conf->n_filters; i++)
        plan->conf->filters[i].set.evaluation = false; /* what is only evaluated is what is asked about here */
    r->options = *options;
    r->senders = senders_new();
    r->rules[REPLAY_LOW] = (struct world_rules){.waits = true, .confirms = !certain, .spares = !certain};
    r->rules[REPLAY_ONCE].is_let_in = true;
    r->rules[REPLAY_LOW].names_all = r->rules[REPLAY_ONCE].names_all = true;
    for (int i = 0; i < REPLAY_WORLDS; i++) {
        r->rules[i].retry_sec = options->retry_sec;
        r->rules[i].allows = options->allows;
        r->rules[i].records_max = options->records_max ? options->records_max : REPLAY_RECORDS_MAX;
    }
    return r;
}

void replay_free(struct replay *r)
{
    if (!r)
        return;
    for (int i = 0; i < REPLAY_WORLDS; i++)
        world_free(r->worlds[i]);
    senders_free(r->senders);
    arena_fini(&r->arena);
    free(r);
}

/* ---- whom users write to ---- */

static void hashes_of(struct slice address, uint64_t out[KNOWN_HASHES])
{
    char folded[256];
    size_t n = address.len < sizeof(folded) ? address.len : sizeof(folded);
    for (size_t i = 0; i < n; i++)
        folded[i] = ascii_lower(address.ptr[i]);
    uint64_t a = siphash64(&(struct siphash_key){{5}}, slice_of(folded, n)), b = (a >> 32) | 1;
    for (unsigned i = 0; i < KNOWN_HASHES; i++)
        out[i] = (a + i * b) % KNOWN_BITS;
}

void replay_correspondent(struct replay *r, struct slice address)
{
    uint64_t hash[KNOWN_HASHES];
    hashes_of(address, hash);
    for (unsigned i = 0; i < KNOWN_HASHES; i++)
        r->known[hash[i] / 64] |= (uint64_t)1 << hash[i] % 64;
}

static bool is_correspondent(const void *ctx, struct slice address)
{
    const struct replay *r = ctx;
    uint64_t hash[KNOWN_HASHES];
    bool all = address.len > 0;
    hashes_of(address, hash);
    for (unsigned i = 0; i < KNOWN_HASHES; i++)
        all = all && (r->known[hash[i] / 64] >> hash[i] % 64 & 1);
    return all;
}

/* ---- who is a suspect, and why ---- */

const char *replay_rule_name(enum replay_rule rule)
{
    static const char *const names[] = {"unknown_client", "generic_rdns", "s25r", "other"};
    return names[rule];
}

/* Whether the filter is asked, or would be where DNS says nothing good. */
static bool judge(struct replay *r, const struct delivery *d, enum replay_rule *rule, int *points)
{
    struct policy_why why;
    struct explain_facts f = world_facts(d, &r->rules[REPLAY_HIGH], &r->arena);
    struct policy_facts facts = explain_policy_facts(&f, &r->arena);
    enum policy_truth truth = policy_when(r->plan->policy, &facts, &why);
    *points = why.is_generic ? why.generic_points : 0;
    *rule = why.is_nameless      ? REPLAY_RULE_UNKNOWN_CLIENT
            : why.is_generic     ? REPLAY_RULE_GENERIC
            : why.s25r_rule >= 0 ? REPLAY_RULE_S25R
                                 : REPLAY_RULE_OTHER;
    arena_clear(&r->arena);
    return truth != POLICY_NO;
}

/* ---- deliveries ---- */

static void begin(struct replay *r, struct wall now)
{
    r->counts.first = r->counts.last = now;
    for (int i = 0; i < REPLAY_WORLDS; i++)
        r->worlds[i] = world_new(r->plan, &r->rules[i], now);
}

static void add(struct replay_part *part, const struct world_result results[REPLAY_WORLDS])
{
    part->suspects++;
    for (int i = 0; i < REPLAY_WORLDS; i++) {
        part->held[i] += results[i].held;
        part->deferred[i] += results[i].deferred;
    }
}

static void count(struct replay *r, const struct delivery *d, const struct world_result results[REPLAY_WORLDS])
{
    struct replay_counts *c = &r->counts;
    const struct world_result *high = &results[REPLAY_HIGH];
    enum replay_rule rule;
    int points;
    bool corresponds = is_correspondent(r, d->sender);
    c->deliveries++;
    c->from_correspondents += corresponds;
    if (!high->asked)
        return;
    (void)judge(r, d, &rule, &points);
    add(&c->all, results);
    add(&c->by_rule[rule], results);
    if (corresponds)
        add(&c->correspondents, results);
    c->rejected += high->rejected;
    c->helo_known += d->helo.len > 0;
    c->perhaps_temp += d->perhaps_temp;
    c->unnamed += d->is_unnamed;
    if (high->held || high->deferred || high->rejected)
        senders_note(r->senders, d, replay_rule_name(rule), points, corresponds);
}

void replay_delivery(struct replay *r, const struct delivery *given)
{
    struct delivery d = *given;
    struct world_result results[REPLAY_WORLDS];
    enum replay_rule rule;
    int points;
    if (!r->worlds[0])
        begin(r, d.time);
    if (d.time.sec < r->counts.last.sec && r->counts.last.sec - d.time.sec <= LATE_SEC)
        d.time = r->counts.last;
    r->counts.last = d.time;
    bool counts = d.time.sec - r->counts.first.sec >= r->options.warm_up_sec;
    if (d.refused) {
        r->counts.refused += counts ? d.times : 0;
        r->counts.refused_suspects += counts && !d.is_unnamed && judge(r, &d, &rule, &points) ? d.times : 0;
        return;
    }
    for (int i = 0; i < REPLAY_WORLDS; i++)
        results[i] = world_deliver(r->worlds[i], &d, counts);
    if (counts)
        count(r, &d, results);
    else
        r->counts.warm_up++;
}

void replay_finish(struct replay *r)
{
    for (int i = 0; i < REPLAY_WORLDS && r->worlds[i]; i++)
        world_finish(r->worlds[i]);
    senders_mark(r->senders, is_correspondent, r);
}

const struct replay_counts *replay_counts(const struct replay *r)
{
    return &r->counts;
}

const struct senders *replay_senders(const struct replay *r)
{
    return r->senders;
}

const struct world_delays *replay_delays(const struct replay *r)
{
    return r->worlds[REPLAY_HIGH] ? world_delays(r->worlds[REPLAY_HIGH]) : NULL;
}

bool replay_was_full(const struct replay *r)
{
    bool any = false;
    for (int i = 0; i < REPLAY_WORLDS && r->worlds[i]; i++)
        any = any || world_was_full(r->worlds[i]);
    return any;
}
