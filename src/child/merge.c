/*
 * merge.c - what is asked of the MTA for all filters together, and what all of them together say. Knows numbers, names and
 * verdicts; which filter is which, and when it is asked, is the session's.
 */
#include "child/merge.h"
#include "base/mem.h"

/* ---- names of macros ---- */

/* libmilter's lists have blanks between the names, Postfix's settings commas too. */
static bool is_separator(char c)
{
    return c == ' ' || c == ',' || c == '\t' || c == '\r' || c == '\n';
}

/* The next name off *rest as it stands there; false at the end. */
static bool next_name(struct slice *rest, struct slice *name)
{
    size_t from = 0;
    while (from < rest->len && is_separator(rest->ptr[from]))
        from++;
    size_t to = from;
    while (to < rest->len && !is_separator(rest->ptr[to]))
        to++;
    *name = slice_of(rest->ptr + from, to - from);
    *rest = slice_from(*rest, to);
    return to > from;
}

/* "{i}" and "i" are one name. */
static struct slice without_braces(struct slice name)
{
    if (name.len >= 2 && name.ptr[0] == '{' && name.ptr[name.len - 1] == '}')
        return slice_of(name.ptr + 1, name.len - 2);
    return name;
}

bool merge_names_have(struct slice names, struct slice name)
{
    struct slice wanted = without_braces(name), have;
    while (names.len > 0 && next_name(&names, &have))
        if (slice_eq(without_braces(have), wanted))
            return true;
    return false;
}

void merge_filter_macros(struct slice pairs, struct slice names, struct buf *out)
{
    struct slice name, value;
    while (milter_next_macro(&pairs, &name, &value)) {
        if (!merge_names_have(names, name))
            continue;
        wire_put_string(out, name);
        wire_put_string(out, value);
    }
}

/* ---- negotiation ---- */

static const struct {
    uint32_t action;
    const char *what;
} edits[] = {
    {SMFIF_ADDHDRS, "adding headers"},      {SMFIF_CHGBODY, "changing the body"},
    {SMFIF_ADDRCPT, "adding recipients"},   {SMFIF_DELRCPT, "deleting recipients"},
    {SMFIF_CHGHDRS, "changing headers"},    {SMFIF_QUARANTINE, "quarantine"},
    {SMFIF_CHGFROM, "changing the sender"}, {SMFIF_ADDRCPT_PAR, "adding recipients with arguments"},
};

/* All NO… bits that these options mean. */
static uint32_t unwanted_steps(const struct milter_options *o)
{
    uint32_t steps = 0;
    size_t n;
    const struct milter_command_kind *kinds = milter_command_kinds(&n);
    for (size_t i = 0; i < n; i++)
        if ((o->steps & kinds[i].no_step) ||
            o->version < kinds[i].since_version) /* an older child cannot be told it at all */
            steps |= kinds[i].no_step;
    return steps;
}

/* Seven lists of this size and their frame fit into one packet, however much children ask for. */
enum { NAMES_MAX_BYTES = 8 * 1024 };

static void add_names(struct buf *list, struct slice names)
{
    struct slice name;
    while (names.len > 0 && next_name(&names, &name)) {
        if (list->len + 1 + name.len > NAMES_MAX_BYTES || merge_names_have(buf_slice(list), name))
            continue;
        if (list->len > 0)
            buf_put_byte(list, ' ');
        buf_put_slice(list, name);
    }
}

static struct slice merge_names(unsigned stage, const struct milter_options *own, const struct child_requirements *required,
                                size_t n, const char *const defaults[SMFIM_STAGES], struct arena *arena)
{
    struct buf list = {0};
    add_names(&list, own->symlist[stage]); /* first: what we need is never crowded out */
    for (size_t i = 0; i < n; i++) {
        struct slice names = required[i].known ? required[i].options.symlist[stage] : SLICE_NONE;
        add_names(&list, names.ptr ? names : slice_cstr(defaults[stage]));
    }
    struct slice merged = list.len > 0 ? arena_slice(arena, buf_slice(&list)) : SLICE_NONE;
    buf_fini(&list);
    return merged;
}

struct milter_options merge_requirements(const struct milter_options *mta_offer, const struct milter_options *own,
                                         const struct child_requirements *required, size_t n,
                                         const char *const defaults[SMFIM_STAGES], struct arena *arena)
{
    /* of our own steps only the NO… bits and what is asked for more count */
    const struct milter_options own_steps = {.version = MILTER_VERSION, .steps = own->steps};
    uint32_t actions = own->actions, unwanted = unwanted_steps(&own_steps);
    uint32_t wanted = SMFIP_SKIP | SMFIP_NR_HDR | (own->steps & (SMFIP_RCPT_REJ | SMFIP_HDR_LEADSPC));
    for (size_t i = 0; i < n; i++) {
        const struct child_requirements *w = &required[i];
        actions |= w->known ? w->options.actions : SMFIF_ALL;
        unwanted &= w->known ? unwanted_steps(&w->options) : 0;
        wanted |= SMFIP_HDR_LEADSPC | (w->known ? w->options.steps & SMFIP_RCPT_REJ : SMFIP_RCPT_REJ);
    }
    struct milter_options o = {
        .version = mta_offer->version < MILTER_VERSION ? mta_offer->version : MILTER_VERSION,
        .actions = actions & mta_offer->actions,
        .steps = (unwanted | wanted) & mta_offer->steps,
    };
    for (unsigned stage = 0; stage < SMFIM_STAGES && (mta_offer->actions & SMFIF_SETSYMLIST); stage++) {
        o.symlist[stage] = merge_names(stage, own, required, n, defaults, arena);
        if (o.symlist[stage].ptr)
            o.actions |= SMFIF_SETSYMLIST;
    }
    return o;
}

const char *merge_action_name(uint32_t actions)
{
    for (size_t i = 0; i < COUNT_OF(edits); i++)
        if (actions & edits[i].action)
            return edits[i].what;
    return "no change";
}

const char *merge_wants_more(const struct milter_options *granted, const struct milter_options *chosen)
{
    uint32_t missing = unwanted_steps(granted) & ~unwanted_steps(chosen);
    size_t n;
    const struct milter_command_kind *kinds = milter_command_kinds(&n);
    for (size_t i = 0; i < n; i++)
        if (missing & kinds[i].no_step)
            return kinds[i].what;
    for (size_t i = 0; i < COUNT_OF(edits); i++)
        if (chosen->actions & ~granted->actions & edits[i].action)
            return edits[i].what;
    uint32_t more = chosen->steps & ~granted->steps;
    if (more & SMFIP_RCPT_REJ)
        return "rejected recipients";
    if (more & SMFIP_HDR_LEADSPC)
        return "leading blanks of headers";
    return NULL;
}

/* ---- verdicts ---- */

struct merged merge_verdicts(const struct child_vote *votes, size_t n)
{
    struct merged strongest = {VERDICT_ACCEPT, -1}, fallback = {VERDICT_ACCEPT, -1};
    bool undecided = false;
    for (size_t i = 0; i < n; i++) {
        const struct child_vote *v = &votes[i];
        if (v->standing == STANDING_NOT_ASKED)
            continue;
        if (v->standing == STANDING_UNDECIDED) {
            undecided = true;
            continue;
        }
        enum verdict verdict = v->standing == STANDING_FAILED ? v->fallback : v->verdict;
        bool silent = v->standing == STANDING_FAILED && verdict == VERDICT_ACCEPT;
        struct merged *m = silent ? &fallback : &strongest;
        if (m->by < 0 || verdict > m->verdict)
            *m = (struct merged){verdict, (int)i};
    }
    if (strongest.by < 0)
        strongest = fallback;
    if (undecided && strongest.verdict == VERDICT_ACCEPT)
        return (struct merged){VERDICT_CONTINUE, -1};
    return strongest;
}

enum verdict verdict_of_code(uint8_t code, int status)
{
    switch (code) {
    case SMFIR_ACCEPT:
        return VERDICT_ACCEPT;
    case SMFIR_CONTINUE:
    case SMFIR_SKIP:
        return VERDICT_CONTINUE;
    case SMFIR_REJECT:
        return VERDICT_REJECT;
    case SMFIR_DISCARD:
        return VERDICT_DISCARD;
    case SMFIR_REPLYCODE:
        return status >= 500 ? VERDICT_REJECT : VERDICT_TEMPFAIL;
    default: /* TEMPFAIL; no other one comes from a link */
        return VERDICT_TEMPFAIL;
    }
}
