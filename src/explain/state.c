/* state.c - "held 40 s and left", "first seen 31 min ago" made into records. */
#include "explain/state.h"

const char explain_state_help[] = "\"held 40 s and left\", \"held 40 s and left 5 min ago\", \"first seen 31 min ago\", "
                                  "\"waited 2 d ago\", \"waited without data 2 d ago\" or \"let in 3 d ago\"";

/* The next word; commas are blanks. */
static struct slice next_word(struct slice *rest)
{
    *rest = slice_trim(*rest, " \t,");
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] != ' ' && rest->ptr[end] != '\t' && rest->ptr[end] != ',')
        end++;
    struct slice word = slice_upto(*rest, end);
    *rest = slice_from(*rest, end);
    return word;
}

static bool take_words(struct slice *rest, const char *const *words)
{
    struct slice at = *rest;
    for (; *words; words++)
        if (!slice_eq_nocase(next_word(&at), slice_cstr(*words)))
            return false;
    *rest = at;
    return true;
}

static const struct {
    const char *name;
    int64_t sec;
} units[] = {
    {"s", 1},       {"sec", 1},      {"second", 1}, {"seconds", 1},   {"m", 60},         {"min", 60},
    {"minute", 60}, {"minutes", 60}, {"h", 3600},   {"hour", 3600},   {"hours", 3600},   {"d", 86400},
    {"day", 86400}, {"days", 86400}, {"w", 604800}, {"week", 604800}, {"weeks", 604800},
};

/* "40 s", "40s". */
static enum err take_duration(struct slice *rest, int64_t *sec)
{
    struct slice word = next_word(rest), unit;
    size_t digits = 0;
    while (digits < word.len && ascii_is_digit(word.ptr[digits]))
        digits++;
    uint64_t n;
    enum err e = slice_to_u64(slice_upto(word, digits), &n);
    if (e != ERR_NONE)
        return e;
    unit = digits < word.len ? slice_from(word, digits) : next_word(rest);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!slice_eq_nocase(unit, slice_cstr(units[i].name)))
            continue;
        if (n > (uint64_t)(INT32_MAX / units[i].sec))
            return ERR_RANGE;
        *sec = (int64_t)n * units[i].sec;
        return ERR_NONE;
    }
    return ERR_SYNTAX;
}

/* "5 min ago", or nothing at all: now. */
static enum err take_ago(struct slice *rest, bool optional, int64_t *sec)
{
    static const char *const ago[] = {"ago", NULL};
    *sec = 0;
    if (slice_trim(*rest, " \t,").len == 0)
        return optional ? ERR_NONE : ERR_SYNTAX;
    enum err e = take_duration(rest, sec);
    if (e != ERR_NONE)
        return e;
    return take_words(rest, ago) && slice_trim(*rest, " \t,").len == 0 ? ERR_NONE : ERR_SYNTAX;
}

static void remember(struct grey_memory *memory, struct grey_request *r, int64_t at_sec)
{
    struct grey_answer answer;
    r->now.sec = at_sec;
    r->first_seen.sec = at_sec - r->waited_sec;
    (void)grey_memory_run(memory, r, &answer);
}

enum err explain_state_apply(struct slice text, const struct plan *plan, const struct grey_tuple *tuple, struct wall now,
                             struct grey_memory *memory)
{
    static const char *const held[] = {"held", NULL}, *const left[] = {"and", "left", NULL},
                             *const seen[] = {"first", "seen", NULL}, *const waited[] = {"waited", NULL},
                             *const no_data[] = {"without", "data", NULL}, *const let_in[] = {"let", "in", NULL};
    struct grey_request r = plan_request(plan, GREY_LOOK, tuple, now);
    bool confirmed = false;
    int64_t ago = 0, seen_before_sec = 0; /* let in by greylisting: it was seen a delay before */
    enum err e;
    if (take_words(&text, held)) {
        r.kind = GREY_LEFT;
        e = take_duration(&text, &r.waited_sec);
        if (e == ERR_NONE)
            e = take_words(&text, left) ? take_ago(&text, true, &ago) : ERR_SYNTAX;
    } else if (take_words(&text, seen)) {
        r.kind = GREY_DECIDE;
        e = take_ago(&text, false, &ago);
    } else if (take_words(&text, let_in)) {
        r.kind = GREY_DECIDE;
        seen_before_sec = r.delay_sec;
        e = take_ago(&text, true, &ago);
    } else if (take_words(&text, waited)) {
        r.kind = GREY_PASS;
        r.pass = GREY_PASS_SERVED;
        confirmed = !take_words(&text, no_data);
        e = take_ago(&text, true, &ago);
    } else {
        e = ERR_SYNTAX;
    }
    if (e != ERR_NONE)
        return e;
    if (seen_before_sec > 0)
        remember(memory, &r, now.sec - ago - seen_before_sec);
    remember(memory, &r, now.sec - ago);
    if (confirmed) {
        r.kind = GREY_CONFIRM;
        remember(memory, &r, now.sec - ago);
    }
    return ERR_NONE;
}
