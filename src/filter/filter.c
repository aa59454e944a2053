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

struct filter_note *filter_note(struct filter_common *common, unsigned number)
{
    while (common->n_notes <= number) {
        common->notes = mem_grow(common->notes, &common->cap_notes, common->n_notes + 1, sizeof(*common->notes));
        common->notes[common->n_notes++] = (struct filter_note){.shown = UINT32_MAX};
    }
    return &common->notes[number];
}
