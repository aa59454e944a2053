/* shared.c - bounds, stress and the memory of failed look-ups. */
#include "dialogue/shared.h"
#include "base/mem.h"
#include "policy/allow.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLDS_MAX_DEFAULT = 50,                /* half of Postfix's default_process_limit */
    TEMP_AGAIN_MS = 60 * 60 * 1000,        /* TEMP for longer than this is no passing trouble */
    TEMP_FORGET_MS = 7 * 24 * 3600 * 1000, /* as long as a sender's queue keeps a mail */
    TEMP_WARN_MS = 60 * 60 * 1000,
    KEEP_TELL_MS = 60 * 1000,
    COMPLAINT_MS = 60 * 1000,
};

/*
 * Eight characters out of the process's secret, so that no two runs, however soon one follows the other, name a connection alike.
 * The secret cannot be found from them.
 */
static void name_boot(const struct siphash_key *key, char boot[SESSION_BOOT_MAX])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* 32, none of which is mistaken for another */
    uint64_t hash = siphash64(key, SLICE_LIT("name of this process"));
    for (int i = 0; i < SESSION_BOOT_MAX - 1; i++, hash >>= 5)
        boot[i] = digits[hash % 32];
    boot[SESSION_BOOT_MAX - 1] = '\0';
}

void shared_init(struct shared *sh, struct plan *plan, struct siphash_key key, struct instant now)
{
    *sh = (struct shared){.plan = plan, .key = key, .now = now};
    name_boot(&key, sh->boot);
    clients_init(&sh->clients, key, now);
    sh->temp = mem_zalloc(sizeof(*sh->temp));
    sh->bodies.max_bytes = BODY_BUDGET_MAX_BYTES;
    sh->keeps = (struct keep_budget){
        .what = "names, macros, recipients and replies",
        .free_bytes = KEEP_FREE_BYTES,
        .max_bytes = KEEP_BUDGET_MAX_BYTES,
    };
    sh->headers = (struct keep_budget){
        .what = "message headers",
        .free_bytes = HEADERS_FREE_BYTES,
        .max_bytes = HEADERS_BUDGET_MAX_BYTES,
    };
}

void shared_fini(struct shared *sh)
{
    macro_lists_unref(sh->lists);
    arena_fini(&sh->requirements.arena);
    clients_fini(&sh->clients);
    free(sh->temp);
    plan_unref(sh->plan);
    allows_unref(sh->allows);
}

uint64_t shared_complain(const struct shared *sh, struct complaint *c)
{
    uint64_t count = ++c->count;
    if (c->told.ms && sh->now.mono.ms - c->told.ms < COMPLAINT_MS)
        return 0;
    *c = (struct complaint){.told = sh->now.mono};
    return count;
}

static bool lists_are(const struct macro_lists *lists, const struct slice names[SMFIM_STAGES])
{
    for (int i = 0; i < SMFIM_STAGES; i++)
        if (!slice_eq(lists->names[i], names[i]) || !lists->names[i].ptr != !names[i].ptr)
            return false;
    return true;
}

struct macro_lists *shared_lists(struct shared *sh, const struct slice names[SMFIM_STAGES])
{
    if (!sh->lists || !lists_are(sh->lists, names)) {
        macro_lists_unref(sh->lists);
        sh->lists = mem_zalloc(sizeof(*sh->lists));
        sh->lists->references = 1;
        for (int i = 0; i < SMFIM_STAGES; i++)
            sh->lists->names[i] = arena_slice(&sh->lists->arena, names[i]);
    }
    sh->lists->references++;
    return sh->lists;
}

void macro_lists_unref(struct macro_lists *lists)
{
    if (!lists || --lists->references > 0)
        return;
    arena_fini(&lists->arena);
    free(lists);
}

/* ---- memory ---- */

/* What an item of so many bytes takes of the budget. */
static uint64_t counted(const struct keep_budget *b, uint64_t bytes)
{
    return bytes > b->free_bytes ? bytes - b->free_bytes : 0;
}

static void keep_refused(struct shared *sh, struct keep_budget *b)
{
    b->refused++;
    if (b->told.ms != 0 && sh->now.mono.ms - b->told.ms < KEEP_TELL_MS)
        return;
    effects_log(sh->out, 0, LOG_LEVEL_WARNING,
                "memory: all sessions together keep %llu KiB of %s, and may not keep more: "
                "who asked for more was told to come back (%llu times since the last line about it)",
                (unsigned long long)(b->used_bytes >> 10), b->what, (unsigned long long)b->refused);
    b->told = sh->now.mono;
    b->refused = 0;
}

static bool keep(struct shared *sh, struct keep_budget *b, uint64_t old_bytes, uint64_t new_bytes, uint64_t max_bytes)
{
    uint64_t more = counted(b, new_bytes) - counted(b, old_bytes);
    if (more > 0 && b->used_bytes + more > max_bytes) {
        keep_refused(sh, b);
        return false;
    }
    b->used_bytes += more;
    return true;
}

static void keep_less(struct keep_budget *b, uint64_t old_bytes, uint64_t new_bytes)
{
    b->used_bytes -= counted(b, old_bytes) - counted(b, new_bytes);
}

bool shared_keep_more(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes)
{
    return keep(sh, &sh->keeps, old_bytes, new_bytes, sh->keeps.max_bytes / 4 * 3);
}

bool shared_keep_input(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes)
{
    return keep(sh, &sh->keeps, old_bytes, new_bytes, sh->keeps.max_bytes);
}

void shared_keep_less(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes)
{
    keep_less(&sh->keeps, old_bytes, new_bytes);
}

bool shared_headers_more(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes)
{
    return keep(sh, &sh->headers, old_bytes, new_bytes, sh->headers.max_bytes);
}

void shared_headers_less(struct shared *sh, uint64_t old_bytes, uint64_t new_bytes)
{
    keep_less(&sh->headers, old_bytes, new_bytes);
}

/* ---- bounds ---- */

unsigned shared_holds_max(const struct shared *sh)
{
    int64_t max = sh->plan->set->holds_max;
    if (max >= 0)
        return (unsigned)max;
    return sh->mta_sessions ? sh->mta_sessions / 2 : HOLDS_MAX_DEFAULT;
}

bool shared_is_paused(const struct shared *sh)
{
    return sh->now.wall.sec < sh->paused_until.sec;
}

bool shared_is_stressed(const struct shared *sh)
{
    return sh->mta_sessions > 0 && (uint64_t)sh->stats.open * 4 >= (uint64_t)sh->mta_sessions * 3;
}

static void note_recent(struct temp_memory *t, bool temp)
{
    if (t->count == TEMP_RECENT)
        t->temps -= t->recent[t->next];
    else
        t->count++;
    t->recent[t->next] = temp;
    t->temps += temp;
    t->next = (t->next + 1) % TEMP_RECENT;
}

/* More than half of the last clients: then it is our resolver that is ill, not their name servers. */
static bool resolver_is_ill(struct shared *sh)
{
    struct temp_memory *t = sh->temp;
    if (t->count < TEMP_RECENT / 5 || t->temps * 2 <= t->count)
        return false;
    if (t->warned.ms == 0 || sh->now.mono.ms - t->warned.ms >= TEMP_WARN_MS) {
        t->warned = sh->now.mono;
        effects_log(sh->out, 0, LOG_LEVEL_WARNING,
                    "reverse look-ups failed for %u of the last %u clients: is the resolver ill? "
                    "Clients without a name are let pass until it is well",
                    t->temps, t->count);
    }
    return true;
}

bool shared_note_lookup(struct shared *sh, const struct ip *client, bool temp)
{
    struct temp_memory *t = sh->temp;
    uint64_t hash = siphash64(&sh->key, slice_of(client->bytes, sizeof(client->bytes)));
    size_t slot = hash % TEMP_SLOTS;
    note_recent(t, temp);
    if (!temp && ip_eq(&t->slots[slot].client, client))
        t->slots[slot].client = (struct ip){0}; /* it was a passing trouble */
    if (!temp || client->family == IP_NONE)
        return false;
    bool ill = resolver_is_ill(sh);
    int64_t age_ms = sh->now.mono.ms - t->slots[slot].first.ms;
    if (!ip_eq(&t->slots[slot].client, client) || age_ms > TEMP_FORGET_MS) {
        t->slots[slot].client = *client;
        t->slots[slot].first = sh->now.mono;
        return false;
    }
    return age_ms > TEMP_AGAIN_MS && !ill;
}

void shared_note_store(struct shared *sh, const struct grey_answer *answer)
{
    if (answer->failed)
        return;
    if (answer->commit == GREY_COMMIT_NONE) {
        sh->reads_late = false;
        return;
    }
    if (sh->writes_late)
        effects_log(sh->out, 0, LOG_LEVEL_NOTICE, "store: a commit has succeeded again");
    sh->writes_late = false;
    sh->writes_slow = answer->commit == GREY_COMMIT_SLOW;
}
