/* top.c - the daemon's answers, the counts of a minute, who is selected, and the keys. */
#include "top/top.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

/* Fields of a row `hold`, tarsier-control(7). */
enum {
    HOLD_LEFT = 2,
    HOLD_NAME = 4,
    HOLD_ADDRESS,
    HOLD_SENDER,
    HOLD_RECIPIENT,
    HOLD_WHY,
    HOLD_LINE,
    HOLD_HELO,
    HOLD_CONNECTION
};

void top_init(struct top *t)
{
    memset(t, 0, sizeof(*t));
    arena_init(&t->arena);
}

void top_fini(struct top *t)
{
    arena_fini(&t->arena);
    free(t->holds);
    buf_fini(&t->lost);
    buf_fini(&t->only);
    buf_fini(&t->said);
    buf_fini(&t->chosen);
}

void top_begin(struct top *t)
{
    arena_clear(&t->arena);
    t->n_holds = 0;
    t->mode = SLICE_LIT("");
    t->held = t->held_max = t->sessions = t->sessions_max = 0;
    memset(t->count, 0, sizeof(t->count));
}

static uint64_t number(struct slice text)
{
    uint64_t n;
    return slice_to_u64(text, &n) == ERR_NONE ? n : 0;
}

void top_take_status(void *ctx, const struct ctl_line *row)
{
    struct top *t = ctx;
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {{"holds", &t->held},
                   {"holds_max", &t->held_max},
                   {"sessions", &t->sessions},
                   {"mta_sessions_max", &t->sessions_max}};
    if (slice_eq_cstr(ctl_field(row, 0), "mode"))
        t->mode = arena_slice(&t->arena, ctl_field(row, 1));
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (slice_eq_cstr(ctl_field(row, 0), numbers[i].name))
            *numbers[i].to = number(ctl_field(row, 1));
}

void top_take_count(void *ctx, const struct ctl_line *row)
{
    /* Who was let in because the same client has waited beside has stayed, too: as `tarsier status` has it. */
    static const struct {
        const char *name;
        enum top_count count;
    } counts[] = {{"passed", TOP_PASSED}, {"held", TOP_HELD},      {"left", TOP_LEFT},
                  {"stayed", TOP_STAYED}, {"sibling", TOP_STAYED}, {"deferred", TOP_DEFERRED}};
    struct top *t = ctx;
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        if (slice_eq_cstr(ctl_field(row, 0), counts[i].name))
            t->count[counts[i].count] += number(ctl_field(row, 1));
}

void top_take_hold(void *ctx, const struct ctl_line *row)
{
    struct top *t = ctx;
    if (!slice_eq_cstr(ctl_field(row, 0), "hold"))
        return;
    if (t->n_holds == t->cap_holds) {
        t->cap_holds = t->cap_holds ? 2 * t->cap_holds : 64;
        t->holds = mem_realloc(t->holds, t->cap_holds * sizeof(t->holds[0]));
    }
    struct top_hold *h = &t->holds[t->n_holds++];
    const struct {
        int field;
        struct slice *to;
    } texts[] = {{HOLD_LEFT, &h->left},     {HOLD_NAME, &h->name},           {HOLD_ADDRESS, &h->address},
                 {HOLD_SENDER, &h->sender}, {HOLD_RECIPIENT, &h->recipient}, {HOLD_WHY, &h->why},
                 {HOLD_LINE, &h->line},     {HOLD_HELO, &h->helo},           {HOLD_CONNECTION, &h->connection}};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i].to = arena_slice(&t->arena, ctl_field(row, (size_t)texts[i].field));
}

static struct top_sample *sample(struct top *t, size_t i)
{
    return &t->samples[(t->first_sample + i) % TOP_SAMPLES];
}

static void drop_first_sample(struct top *t)
{
    t->first_sample = (t->first_sample + 1) % TOP_SAMPLES;
    t->n_samples--;
}

/* Keeps those of the last minute, and the newest that is older: the minute begins there. */
static void take_sample(struct top *t, struct mono now)
{
    for (size_t i = 0; i < TOP_COUNTS && t->n_samples > 0; i++)
        if (t->count[i] < sample(t, t->n_samples - 1)->count[i])
            t->n_samples = 0; /* another daemon, which counts anew */
    if (t->n_samples == TOP_SAMPLES)
        drop_first_sample(t);
    struct top_sample *s = sample(t, t->n_samples++);
    s->at = now;
    memcpy(s->count, t->count, sizeof(s->count));
    while (t->n_samples > 1 && now.ms - sample(t, 1)->at.ms >= MINUTE_MS)
        drop_first_sample(t);
}

static void set(struct buf *to, struct slice text)
{
    buf_clear(to);
    buf_put_slice(to, text);
}

static void choose(struct top *t, size_t at)
{
    t->at = at;
    set(&t->chosen, t->n_holds ? t->holds[at].connection : SLICE_NONE);
}

/* The same one as before; where it is gone, who is at its place now. */
static void choose_again(struct top *t)
{
    for (size_t i = 0; i < t->n_holds && t->chosen.len > 0; i++)
        if (slice_eq(t->holds[i].connection, buf_slice(&t->chosen))) {
            t->at = i;
            return;
        }
    if (t->is_asking)
        set(&t->said, SLICE_LIT("it is not held any more"));
    t->is_asking = false;
    choose(t, t->at < t->n_holds ? t->at : t->n_holds ? t->n_holds - 1 : 0);
}

void top_answered(struct top *t, struct mono now, struct slice why_no_list)
{
    if (t->lost.len > 0)
        t->n_samples = 0; /* nobody counted in between */
    buf_clear(&t->lost);
    set(&t->only, why_no_list);
    if (why_no_list.len > 0)
        t->n_holds = 0;
    take_sample(t, now);
    choose_again(t);
}

void top_lost(struct top *t, struct slice why)
{
    top_begin(t);
    set(&t->lost, why.len > 0 ? why : SLICE_LIT("no answer"));
    buf_clear(&t->said);
    t->is_asking = false;
    choose(t, 0);
}

static enum top_act answer(struct top *t, enum top_key key)
{
    t->is_asking = false;
    if (key == TOP_KEY_Y)
        return TOP_RELEASE;
    set(&t->said, SLICE_LIT("not released"));
    return TOP_NOTHING;
}

enum top_act top_press(struct top *t, enum top_key key)
{
    size_t last = t->n_holds ? t->n_holds - 1 : 0;
    buf_clear(&t->said);
    if (t->is_asking)
        return answer(t, key);
    switch (key) {
    case TOP_KEY_UP:
        choose(t, t->at > 0 ? t->at - 1 : 0);
        break;
    case TOP_KEY_DOWN:
        choose(t, t->at < last ? t->at + 1 : last);
        break;
    case TOP_KEY_FIRST:
        choose(t, 0);
        break;
    case TOP_KEY_LAST:
        choose(t, last);
        break;
    case TOP_KEY_R:
        t->is_asking = t->n_holds > 0;
        break;
    case TOP_KEY_Q:
        return TOP_QUIT;
    case TOP_KEY_Y:
    case TOP_KEY_OTHER:
        break;
    }
    return TOP_NOTHING;
}

void top_released(struct top *t, struct slice why)
{
    buf_clear(&t->said);
    if (why.len > 0)
        buf_printf(&t->said, "not released: %.*s", SLICE_ARG(why));
    else
        buf_printf(&t->said, "released %.*s", SLICE_ARG(buf_slice(&t->chosen)));
}
