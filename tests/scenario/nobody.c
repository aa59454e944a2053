/* nobody.c - the whole of a built-in filter. It awaits nothing, so it needs no event and no deadline. */
#include "nobody.h"

#include "base/mem.h"
#include "milter/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nobody {
    struct filter f;
    struct filter_common *common;
    struct mail_edits edits;
    struct filter_position at;
};

static struct nobody *nobody_of(struct filter *f)
{
    return CONTAINER_OF(f, struct nobody, f);
}

/* Is this recipient one of those that it is asked about? */
static bool is_due(struct nobody *n, unsigned number)
{
    const struct transcript *t = n->f.d->transcript;
    if (number < t->n_recipients && (t->recipients[number].refused || t->recipients[number].rejected))
        return false;
    return !policy_filter_is_per_recipient(n->f.d->plan->policy, n->f.number) ||
           (filter_note(n->common, number)->shown & (1u << n->f.number));
}

static void judge_present(struct nobody *n)
{
    static const char text[] = "550 5.1.1 Nobody lives here";
    const struct transcript *t = n->f.d->transcript;
    struct mail_cursor c = {0};
    struct slice address, esmtp;
    unsigned number;
    while (mail_next_recipient(t->mail, MAIL_ORIGINAL, &c, &address, &esmtp, &number)) {
        if (number + 1 != t->present || !is_due(n, number) || !slice_has_prefix(address, "<nobody@"))
            continue;
        n->f.rcpt_verdict = VERDICT_REJECT;
        n->f.reply = slice_of(text, sizeof(text) - 1);
    }
}

static unsigned count_recipients(struct nobody *n)
{
    struct mail_cursor c = {0};
    struct slice address, esmtp;
    unsigned number, count = 0;
    while (mail_next_recipient(n->f.d->transcript->mail, filter_view(&n->f), &c, &address, &esmtp, &number))
        count += is_due(n, number);
    return count;
}

static void judge_message(struct nobody *n)
{
    char value[16];
    unsigned count = count_recipients(n);
    if (count == 0) { /* none is left of it: it has no say */
        n->f.asked = POLICY_NO;
        n->f.without_recipient = true;
        return;
    }
    snprintf(value, sizeof(value), " %u", count);
    if ((n->f.d->transcript->granted.actions & SMFIF_ADDHDRS) &&
        mail_edits_add(&n->edits, MAIL_ADD_HEADER, 0, SLICE_LIT("X-Nobody"), slice_cstr(value)) != ERR_NONE)
        PANIC("one header is too much");
    n->f.outcome = OUTCOME_FINAL;
    n->f.verdict = VERDICT_CONTINUE;
}

static enum filter_state advance(struct filter *f, const struct filter_place *place)
{
    struct nobody *n = nobody_of(f);
    enum stage goal = (enum stage)f->d->transcript->goal;
    if (!f->counted)
        n->at.since = f->d->sh->now.mono;
    f->counted = true;
    f->last = (uint8_t)goal;
    /* headers and body do not interest it; but where it could not have seen them yet, it stands before them */
    n->at.next = goal > STAGE_HEADER && place->is_blocked ? STAGE_HEADER : goal;
    n->at.has_begun = n->at.next > STAGE_HEADER;
    if (goal == STAGE_RCPT)
        judge_present(n);
    if (goal >= STAGE_EOM && !place->is_blocked && !place->recipients_open)
        judge_message(n);
    f->state = STATE_IDLE;
    return filter_state_now(f);
}

static void on_event(struct filter *f, const struct filter_place *place, const struct event *event)
{
    (void)f, (void)place, (void)event;
}

static const struct mail_edits *edits_of(struct filter *f)
{
    return &nobody_of(f)->edits;
}

static struct body *new_body(struct filter *f)
{
    (void)f;
    return NULL;
}

static bool may_edit(const struct filter *f)
{
    return !f->conf->set.evaluation;
}

static struct filter_position position(const struct filter *f)
{
    return CONTAINER_OF(f, const struct nobody, f)->at;
}

static int64_t deadline_ms(const struct filter *f)
{
    (void)f;
    return 0;
}

static void clear(struct filter *f, enum filter_scope scope)
{
    struct nobody *n = nobody_of(f);
    f->rcpt_verdict = VERDICT_CONTINUE;
    if (scope == FILTER_MESSAGE) {
        mail_edits_fini(&n->edits);
        n->at = (struct filter_position){0};
    }
}

/* It keeps nothing of the envelope, has nothing open, and has told nobody of the message. */
static void nothing(struct filter *f)
{
    (void)f;
}

static void end(struct filter *f)
{
    mail_edits_fini(&nobody_of(f)->edits);
    free(nobody_of(f));
}

static const struct filter_ops ops = {
    .advance = advance,
    .event = on_event,
    .edits = edits_of,
    .new_body = new_body,
    .may_edit = may_edit,
    .position = position,
    .deadline_ms = deadline_ms,
    .rewind = nothing,
    .clear = clear,
    .hang_up = nothing,
    .abort = nothing,
    .end = end,
};

static bool is_nobody(const struct conf_filter *conf)
{
    return conf->connect && !strcmp(conf->connect, "unix:/nobody");
}

static struct filter *make(struct dialogue *d, struct filter_common *common, const struct conf_filter *conf, unsigned number)
{
    struct nobody *n = mem_zalloc(sizeof(*n));
    n->f = (struct filter){.ops = &ops, .d = d, .conf = conf, .number = (uint8_t)number, .asked = POLICY_LATER};
    n->common = common;
    return &n->f;
}

static const struct child_requirements required = {
    .known = true,
    .options = {.version = MILTER_VERSION,
                .actions = SMFIF_ADDHDRS,
                .steps = SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOBODY |
                         SMFIP_NOUNKNOWN},
};

const struct filter_kind nobody_kind = {.is = is_nobody, .make = make, .required = &required};
