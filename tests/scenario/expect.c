/* expect.c - what a script wants, and what is said when it is not so. */
#include "world.h"

#include "base/mem.h"
#include "client/client.h"
#include "grey/clean.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The words of a line from `at` on, with blanks between. */
static const char *join(struct world *w, const struct script_line *l, unsigned at)
{
    return script_join(&w->arena, l->words, at, l->n_words);
}

static const char *shown(const struct conn *c)
{
    if (c->reply)
        return c->reply;
    if (c->closed)
        return "(closed without a reply)";
    return c->owed ? "(no reply yet)" : "(nothing was asked)";
}

/* ---- replies ---- */

static void want_reply(struct world *w, struct conn *c, const char *pattern)
{
    if (!c->reply || !script_glob(pattern, c->reply))
        world_fail(w, "%s: wanted the reply \"%s\", got \"%s\"", c->name, pattern, shown(c));
    c->unseen = false;
}

static void on_reply(struct world *w, struct conn *c, const char *arg)
{
    want_reply(w, c, arg);
}

static void on_continue(struct world *w, struct conn *c, const char *arg)
{
    (void)arg;
    want_reply(w, c, "continue");
}

static void on_accept(struct world *w, struct conn *c, const char *arg)
{
    (void)arg;
    want_reply(w, c, "accept");
}

static void on_held(struct world *w, struct conn *c, const char *arg)
{
    (void)arg;
    if (!c->open || !c->owed || c->owed_cmds[0] != SMFIC_RCPT || engine_stats(w->engine).held == 0)
        world_fail(w, "%s: wanted to be held, got \"%s\"", c->name, shown(c));
}

static void on_waiting(struct world *w, struct conn *c, const char *arg)
{
    (void)arg;
    if (!c->open || !c->owed)
        world_fail(w, "%s: wanted no reply yet, got \"%s\"", c->name, shown(c));
}

static void on_nothing(struct world *w, struct conn *c, const char *arg)
{
    (void)arg;
    if (c->sent_now || c->closed)
        world_fail(w, "%s: wanted nothing, got \"%s\"", c->name, shown(c));
}

static void on_closed(struct world *w, struct conn *c, const char *arg)
{
    (void)arg;
    if (!c->closed)
        world_fail(w, "%s: wanted to be closed by the engine, got \"%s\"", c->name, shown(c));
}

static void on_open(struct world *w, struct conn *c, const char *arg)
{
    (void)arg;
    if (!c->open)
        world_fail(w, "%s: wanted to be open still", c->name);
}

static bool has_header(struct world *w, const struct conn *c, const char *pattern)
{
    struct slice rest = buf_slice(&c->headers);
    while (rest.ptr && rest.len > 0) {
        struct slice line = slice_cut(&rest, '\n');
        if (script_glob(pattern, arena_cstr(&w->arena, line)))
            return true;
    }
    return false;
}

static void on_header(struct world *w, struct conn *c, const char *arg)
{
    if (!has_header(w, c, arg))
        world_fail(w, "%s: wanted the header \"%s\", got:\n%.*s", c->name, arg, SLICE_ARG(buf_slice(&c->headers)));
}

static void on_no_header(struct world *w, struct conn *c, const char *arg)
{
    if (has_header(w, c, *arg ? arg : "*"))
        world_fail(w, "%s: wanted no header \"%s\", got:\n%.*s", c->name, arg, SLICE_ARG(buf_slice(&c->headers)));
}

/* ---- counts of the present recipient ---- */

static void want_count(struct world *w, struct conn *c, const char *what, unsigned got, const char *arg)
{
    unsigned min = (unsigned)strtoul(arg, NULL, 10), max = min;
    const char *dots = strstr(arg, "..");
    if (dots)
        max = (unsigned)strtoul(dots + 2, NULL, 10);
    if (got < min || got > max)
        world_fail(w, "%s: wanted %s %s, got %u", c->name, what, arg, got);
}

static void on_progress(struct world *w, struct conn *c, const char *arg)
{
    want_count(w, c, "progress", c->progress, arg);
}

static void on_looks(struct world *w, struct conn *c, const char *arg)
{
    want_count(w, c, "looks", c->looks, arg);
}

static void on_alone(struct world *w, struct conn *c, const char *arg)
{
    want_count(w, c, "looks alone", c->alone_looks, arg);
}

static void on_asked(struct world *w, struct conn *c, const char *arg)
{
    want_count(w, c, "requests to the store", c->stores, arg);
}

/* ---- negotiation ---- */

static void on_steps(struct world *w, struct conn *c, const char *arg)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } steps[] = {{SMFIP_NOCONNECT, "connect"}, {SMFIP_NOHELO, "helo"}, {SMFIP_NOMAIL, "mail"},
                 {SMFIP_NORCPT, "rcpt"},       {SMFIP_NODATA, "data"}, {SMFIP_NOHDRS, "header"},
                 {SMFIP_NOEOH, "eoh"},         {SMFIP_NOBODY, "body"}, {SMFIP_NOUNKNOWN, "unknown"}};
    struct buf b = {0};
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (!(c->steps & steps[i].bit))
            buf_printf(&b, "%s%s", b.len ? " " : "", steps[i].name);
    if (strcmp(buf_cstr(&b), arg) != 0)
        world_fail(w, "%s: wanted the steps \"%s\", got \"%s\"", c->name, arg, buf_cstr(&b));
    buf_fini(&b);
}

/* "connect GLOB" */
static void on_macros(struct world *w, struct conn *c, const char *arg)
{
    static const char *const stages[SMFIM_STAGES] = {"connect", "helo", "mail", "rcpt", "data", "eom", "eoh"};
    for (int i = 0; i < SMFIM_STAGES; i++) {
        size_t n = strlen(stages[i]);
        if (strncmp(arg, stages[i], n) != 0 || arg[n] != ' ')
            continue;
        const char *names = c->symlist[i] ? c->symlist[i] : "";
        if (!script_glob(arg + n + 1, names))
            world_fail(w, "%s: wanted the macros \"%s\", got \"%s\"", c->name, arg, names);
        return;
    }
    world_fail(w, "no such stage: %s", arg);
}

/* ---- what needs no connection ---- */

static bool is_of_kind(int level, const char *kind)
{
    if (strcmp(kind, "journal") == 0)
        return level == WORLD_JOURNAL;
    return strcmp(kind, "error") == 0 ? level == LOG_LEVEL_ERROR : level != WORLD_JOURNAL;
}

static bool find_log(struct world *w, const char *pattern, const char *kind, bool take)
{
    for (size_t i = 0; i < w->n_logs; i++)
        if (!w->logs_used[i] && is_of_kind(w->log_levels[i], kind) && script_glob(pattern, w->logs[i])) {
            w->logs_used[i] = take;
            return true;
        }
    return false;
}

/* [no] log PATTERN, [no] error PATTERN, [no] journal PATTERN */
static bool want_log(struct world *w, const struct script_line *l, unsigned at)
{
    bool none = strcmp(l->words[at], "no") == 0;
    at += none;
    if (at >= l->n_words)
        return false;
    const char *kind = l->words[at];
    if (strcmp(kind, "error") != 0 && strcmp(kind, "log") != 0 && strcmp(kind, "journal") != 0)
        return false;
    const char *pattern = join(w, l, at + 1);
    if (find_log(w, pattern, kind, !none) == none)
        world_fail(w, "wanted %s line \"%s\" of the kind \"%s\"", none ? "no" : "a", pattern, kind);
    return true;
}

static void want_stats(struct world *w, const struct script_line *l, unsigned at)
{
    struct engine_stats s = engine_stats(w->engine);
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {{"sessions", s.sessions},
                  {"open", s.open},
                  {"held", s.held},
                  {"held_all", s.held_all},
                  {"served", s.served},
                  {"left", s.left},
                  {"cut", s.cut},
                  {"siblings", s.siblings},
                  {"released", s.released},
                  {"dropped", s.dropped},
                  {"unwatchable", s.unwatchable},
                  {"bound_max", s.bound_max},
                  {"bound_client", s.bound_client},
                  {"stressed", s.stressed},
                  {"passed", s.passed},
                  {"accepted", s.accepted},
                  {"deferred", s.deferred},
                  {"rejected", s.rejected},
                  {"gone", s.gone},
                  {"store_failures", s.store_failures},
                  {"regex_runs", s.regex_runs},
                  {"regex_limits", s.regex_limits},
                  {"protocol_errors", s.protocol_errors}};
    for (; at < l->n_words; at++) {
        struct slice value = slice_cstr(l->words[at]), name = slice_cut(&value, '=');
        size_t i = 0;
        while (i < COUNT_OF(values) && !slice_eq_cstr(name, values[i].name))
            i++;
        uint64_t wanted = 0;
        if (i == COUNT_OF(values) || slice_to_u64(value, &wanted) != ERR_NONE)
            world_fail(w, "no such counter: %s", l->words[at]);
        else if (values[i].value != wanted)
            world_fail(w, "wanted %s, got %" PRIu64, l->words[at], values[i].value);
    }
}

/* want hold NAME PATTERN | want no hold NAME: its row in the listing. */
static void want_hold(struct world *w, const struct script_line *l, unsigned at, bool none)
{
    struct conn *c = at + 1 < l->n_words ? world_conn(w, l->words[at + 1]) : NULL;
    struct held_client h = {0}, each = {0};
    bool found = c && engine_find_held(w->engine, c->id, &h), listed = false;
    for (owner_id after = OWNER_NOBODY; engine_next_held(w->engine, after, &each); after = each.owner)
        listed |= c && each.owner == c->id;
    if (!c || found == none || listed != found) {
        world_fail(w, "%s: wanted %s hold in the listing", l->words[at + 1], none ? "no" : "a");
        return;
    }
    if (none)
        return;
    char address[IP_TEXT_MAX];
    const char *row = arena_printf(&w->arena, "%.*s[%s] helo %.*s %.*s -> %.*s waited %lld left %lld %.*s line %.*s",
                                   SLICE_ARG(h.name), ip_format(&h.ends.remote, address), SLICE_ARG(h.helo),
                                   SLICE_ARG(h.sender), SLICE_ARG(h.recipient), (long long)(h.waited_ms / 1000),
                                   (long long)((h.left_ms + 999) / 1000), SLICE_ARG(h.why), SLICE_ARG(h.line));
    if (!script_glob(join(w, l, at + 2), row))
        world_fail(w, "wanted the hold \"%s\", got \"%s\"", join(w, l, at + 2), row);
}

static bool store_fact(struct world *w, const struct grey_answer *a, const char *fact)
{
    static const char *const states[] = {"new", "pending", "due", "auto"};
    for (int i = GREY_NEW; i <= GREY_AUTO; i++)
        if (strcmp(fact, states[i]) == 0)
            return a->state == (enum grey_state)i;
    long number = strchr(fact, '=') ? strtol(strchr(fact, '=') + 1, NULL, 10) : 0;
    if (strcmp(fact, "patient") == 0)
        return a->patient;
    if (strcmp(fact, "impatient") == 0)
        return !a->patient;
    if (strcmp(fact, "unmarked") == 0)
        return a->left_sec < 0;
    if (strncmp(fact, "left=", 5) == 0)
        return a->left_sec == number;
    if (strncmp(fact, "remaining=", 10) == 0)
        return a->remaining_sec == number;
    if (strncmp(fact, "expires-in=", 11) == 0)
        return a->expires.sec - world_now(w).wall.sec == number;
    world_fail(w, "no such fact: %s", fact);
    return true;
}

/* store ADDR <from> <rcpt> [domain=…] [delay=N] FACT… */
static void want_store(struct world *w, const struct script_line *l, unsigned at)
{
    if (at + 3 >= l->n_words) {
        world_fail(w, "store ADDR FROM RCPT FACT");
        return;
    }
    struct grey_tuple t = {0};
    if (ip_parse(slice_cstr(l->words[at]), &t.addr) != ERR_NONE)
        world_fail(w, "no address: %s", l->words[at]);
    const struct conf_settings *set = w->plan->set;
    t.addr_bits = (unsigned)(t.addr.family == IP_V6 ? set->subnetmatch6 : set->subnetmatch);
    t.sender = grey_clean_sender(&w->arena, slice_cstr(l->words[at + 1]));
    t.recipient = grey_clean_recipient(&w->arena, slice_cstr(l->words[at + 2]));
    int64_t delay_sec = set->greylist_sec;
    for (at += 3; at < l->n_words && !w->failed; at++) {
        const char *fact = l->words[at];
        if (strncmp(fact, "domain=", 7) == 0) {
            t.client_domain = slice_cstr(fact + 7);
            continue;
        }
        if (strncmp(fact, "delay=", 6) == 0) {
            delay_sec = strtol(fact + 6, NULL, 10);
            continue;
        }
        struct grey_answer a = outside_known(w, &t, delay_sec);
        static const char *const states[] = {"new", "pending", "due", "auto"};
        if (!store_fact(w, &a, fact))
            world_fail(
                w, "wanted %s of the store, which knows: %s%s left=%" PRId64 " remaining=%" PRId64 " expires-in=%" PRId64,
                fact, states[a.state], a.patient ? " patient" : "", a.left_sec, a.remaining_sec,
                a.expires.sec - world_now(w).wall.sec);
    }
}

/* ---- the line ---- */

static const struct {
    const char *word;
    void (*check)(struct world *w, struct conn *c, const char *arg);
} wants[] = {{"reply", on_reply},     {"continue", on_continue},   {"accept", on_accept},     {"held", on_held},
             {"waiting", on_waiting}, {"nothing", on_nothing},     {"closed", on_closed},     {"open", on_open},
             {"header", on_header},   {"no-header", on_no_header}, {"progress", on_progress}, {"looks", on_looks},
             {"alone", on_alone},     {"asked", on_asked},         {"steps", on_steps},       {"macros", on_macros}};

static bool want_of_conn(struct world *w, const struct script_line *l, const char *name, unsigned at)
{
    for (size_t i = 0; i < COUNT_OF(wants); i++) {
        if (at >= l->n_words || strcmp(l->words[at], wants[i].word) != 0)
            continue;
        struct conn *c = world_conn(w, name);
        if (!c)
            world_fail(w, "no connection \"%s\"", name);
        else
            wants[i].check(w, c, join(w, l, at + 1));
        return true;
    }
    return false;
}

void expect_line(struct world *w, const struct script_line *l)
{
    if (l->n_words < 2) {
        world_fail(w, "want what?");
        return;
    }
    const char *first = l->words[1];
    if (strcmp(first, "stats") == 0) {
        want_stats(w, l, 2);
    } else if (strcmp(first, "store") == 0) {
        want_store(w, l, 2);
    } else if (strcmp(first, "hold") == 0) {
        want_hold(w, l, 1, false);
    } else if (strcmp(first, "no") == 0 && l->n_words == 4 && strcmp(l->words[2], "hold") == 0) {
        want_hold(w, l, 2, true);
    } else if (strcmp(first, "stopped") == 0) {
        if (!w->stopped)
            world_fail(w, "wanted the engine to have stopped");
    } else if (!expect_outside(w, l) && !want_log(w, l, 1) && !want_of_conn(w, l, "mta", 1) &&
               !want_of_conn(w, l, first, 2)) {
        world_fail(w, "no such want: %s", first);
    }
}
