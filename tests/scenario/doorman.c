/* doorman.c - the whole of a gate. */
#include "doorman.h"

#include "base/mem.h"
#include "milter/reply.h"

#include <stdio.h>

enum { DOORMAN_WAITS_MS = 1000 };

struct doorman {
    struct filter f;
    struct mail_edits edits;
    unsigned let_in;
    bool counted;         /* the present recipient is one of them */
    struct mono deadline; /* ms 0: it does not wait */
};
_Static_assert(sizeof(struct doorman) <= sizeof(union filter_gate), "a gate's room");

static struct doorman *doorman_of(struct filter *f)
{
    return CONTAINER_OF(f, struct doorman, f);
}

static void refuse(struct filter *f)
{
    struct buf packet = {0};
    milter_put_replycode(&packet, SLICE_LIT("450"), SLICE_LIT("4.7.1"), SLICE_LIT("The doorman does not know you"));
    f->rcpt_verdict = VERDICT_TEMPFAIL;
    f->reply = arena_slice(&f->d->rcpt.arena, buf_slice(&packet));
    buf_fini(&packet);
}

static void let_in(struct doorman *m)
{
    m->deadline.ms = 0;
    m->let_in++;
    m->counted = true;
}

static enum filter_state advance(struct filter *f, const struct filter_place *place)
{
    struct doorman *m = doorman_of(f);
    if (place->begins) {
        f->rcpt_verdict = VERDICT_CONTINUE;
        f->reply = SLICE_NONE;
    }
    if (place->begins && place->stage == STAGE_RCPT && slice_has_prefix(f->d->recipient, "<stranger@"))
        refuse(f);
    else if (place->begins && place->stage == STAGE_RCPT)
        m->deadline.ms = f->d->sh->now.mono.ms + DOORMAN_WAITS_MS;
    else if (m->deadline.ms != 0 && f->d->sh->now.mono.ms >= m->deadline.ms)
        let_in(m);
    return m->deadline.ms != 0 ? STATE_FACTS : STATE_IDLE;
}

/* Time: advance() looks at the clock. */
static void on_event(struct filter *f, const struct filter_place *place, const struct event *event)
{
    (void)f, (void)place, (void)event;
}

static const struct mail_edits *edits_of(struct filter *f)
{
    struct doorman *m = doorman_of(f);
    char value[16];
    snprintf(value, sizeof(value), " %u", m->let_in);
    if (m->let_in > 0 && m->edits.count == 0 && (f->d->actions & SMFIF_ADDHDRS) &&
        mail_edits_add(&m->edits, MAIL_ADD_HEADER, 0, SLICE_LIT("X-Doorman"), slice_cstr(value)) != ERR_NONE)
        PANIC("one header is too much");
    return &m->edits;
}

static bool may_edit(const struct filter *f)
{
    (void)f;
    return false; /* its header is known when the headers begin */
}

static int64_t deadline_ms(const struct filter *f)
{
    return CONTAINER_OF(f, const struct doorman, f)->deadline.ms;
}

static void lose_recipient(struct filter *f, unsigned number)
{
    struct doorman *m = doorman_of(f);
    (void)number;
    m->let_in -= m->counted;
    m->counted = false;
}

static void clear(struct filter *f, enum filter_scope scope)
{
    struct doorman *m = doorman_of(f);
    m->counted = false;
    m->deadline.ms = 0;
    f->reply = SLICE_NONE;
    if (scope != FILTER_MESSAGE)
        return;
    mail_edits_fini(&m->edits);
    m->let_in = 0;
    f->asked = POLICY_LATER;
    f->passed_by = false;
}

static void hang_up(struct filter *f)
{
    doorman_of(f)->deadline.ms = 0;
}

static void end(struct filter *f)
{
    mail_edits_fini(&doorman_of(f)->edits);
}

static bool is_open(const struct filter *f)
{
    return f->asked != POLICY_YES || f->passed_by || CONTAINER_OF(f, const struct doorman, f)->let_in > 0;
}

static struct slice holding_line(const struct filter *f, char room[16])
{
    (void)f, (void)room;
    return SLICE_NONE; /* it holds nobody */
}

static const struct gate_ops gate_ops = {.is_open = is_open, .client_left = hang_up, .holding_line = holding_line};

static const struct filter_ops ops = {
    .advance = advance,
    .event = on_event,
    .edits = edits_of,
    .may_edit = may_edit,
    .deadline_ms = deadline_ms,
    .lose_recipient = lose_recipient,
    .clear = clear,
    .hang_up = hang_up,
    .end = end,
    .gate = &gate_ops,
};

static bool is_doorman(const struct conf_filter *conf)
{
    return conf && conf->connect && slice_eq_cstr(slice_cstr(conf->connect), "unix:/doorman");
}

static void make_gate(union filter_gate *room, struct dialogue *d, const struct conf_filter *conf, unsigned number)
{
    *(struct doorman *)room =
        (struct doorman){.f = {.ops = &ops, .d = d, .conf = conf, .number = (uint8_t)number, .asked = POLICY_LATER}};
}

static const struct child_requirements required = {
    .known = true,
    .options = {.version = MILTER_VERSION,
                .actions = SMFIF_ADDHDRS,
                .steps = SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOBODY |
                         SMFIP_NOUNKNOWN},
};

const struct filter_kind doorman_kind = {.is = is_doorman, .make_gate = make_gate, .required = &required};
