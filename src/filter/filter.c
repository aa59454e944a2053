/* filter.c - what is true of every filter. */
#include "filter/filter.h"
#include "base/mem.h"

mail_view filter_view(const struct filter *f)
{
    return f->conf->sees_original ? MAIL_ORIGINAL : (mail_view)f->number;
}

bool filter_is_settled(const struct filter *f)
{
    return f->asked == POLICY_NO || f->outcome != OUTCOME_PENDING || f->connection_over;
}

bool filter_waits(const struct filter *f)
{
    return f->state >= STATE_FACTS;
}

enum filter_state filter_state_now(const struct filter *f)
{
    if (f->outcome == OUTCOME_FALLBACK)
        return STATE_FAILED;
    return filter_is_settled(f) ? STATE_DONE : (enum filter_state)f->state;
}

const char *filter_state_word(enum filter_state state)
{
    static const char *const words[STATE_MAX_] = {
        [STATE_IDLE] = "idle",
        [STATE_DONE] = "done",
        [STATE_FAILED] = "failed",
        [STATE_FACTS] = "facts of others (DNS)",
        [STATE_STORE] = "the store",
        [STATE_HELD] = "the end of the hold",
        [STATE_CONNECTS] = "its milter's connection",
        [STATE_ASKED] = "its milter's answer",
        [STATE_FULL] = "its milter to read",
        [STATE_SPOOL] = "the body's file",
    };
    return words[state];
}

bool filter_only_evaluates(const struct filter *f)
{
    return f->conf && f->conf->set.evaluation;
}

void filter_pass_by(struct filter *f)
{
    f->passed_now |= !f->passed_by;
    f->passed_by = true;
}

void filter_lose_passed(struct filter *f)
{
    if (f->passed_now)
        f->passed_by = false;
    f->passed_now = false;
}

enum policy_truth filter_condition(struct dialogue *d, size_t number, const struct policy_facts *facts,
                                   struct policy_why *why, uint64_t *missing)
{
    enum policy_truth truth = policy_filter_when(d->plan->policy, number, facts, why, missing);
    dialogue_note_effort(d);
    return truth;
}

struct filter_note *filter_note(struct filter_common *common, unsigned number)
{
    while (common->n_notes <= number) {
        common->notes = mem_grow(common->notes, &common->cap_notes, common->n_notes + 1, sizeof(*common->notes));
        common->notes[common->n_notes++] = (struct filter_note){.shown = UINT32_MAX};
    }
    return &common->notes[number];
}
