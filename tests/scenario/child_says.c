/*
 * child_says.c - what a scripted child answers: the steps of a rule become packets on their way. Nothing comes within the step
 * that asked.
 */
#include "child.h"

#include "world.h"

#include <string.h>

enum { SOON_MS = 100 };

void child_misbehaves(struct child_conn *cc)
{
    cc->misbehaved = true;
    if (cc->child)
        cc->child->failed_ever = true;
}

struct delivery *child_later(struct world *w, struct child_conn *cc, int64_t due_ms, enum child_news news)
{
    if (due_ms < cc->last_due_ms)
        due_ms = cc->last_due_ms;
    struct delivery *d = outside_later(w, DELIVER_CHILD, due_ms);
    if (due_ms == cc->last_due_ms && d->order <= cc->last_order)
        d->order = cc->last_order + 1;
    cc->last_due_ms = due_ms;
    cc->last_order = d->order;
    d->slow = due_ms - w->now_ms > SOON_MS; /* and so is all behind it: it comes no earlier */
    d->child = cc;
    d->news = news;
    return d;
}

/* One answer that is being put together. */
struct answer {
    struct world *w;
    struct child_conn *cc;
    uint8_t cmd; /* to what; 0: to nothing */
    unsigned ask;
    int64_t at_ms;
    struct buf out;
};

static struct delivery *flush(struct answer *a)
{
    if (a->out.len == 0)
        return NULL;
    struct delivery *d = child_later(a->w, a->cc, a->at_ms, CHILD_BYTES);
    d->bytes = arena_slice(&a->w->arena, buf_slice(&a->out));
    buf_clear(&a->out);
    return d;
}

/* "*N": so many bytes. */
static struct slice long_value(struct arena *arena, const char *text)
{
    uint64_t n;
    if (text[0] != '*' || slice_to_u64(slice_cstr(text + 1), &n) != ERR_NONE || n > 60000)
        return slice_cstr(text);
    char *bytes = arena_alloc(arena, (size_t)n);
    memset(bytes, 'x', (size_t)n);
    return slice_of(bytes, (size_t)n);
}

static void put_header_edit(struct answer *a, const struct child_step *s)
{
    bool as_is = a->cc->chosen.steps & SMFIP_HDR_LEADSPC;
    struct slice value = long_value(&a->w->arena, s->value);
    if (value.len > 0 && as_is)
        value = slice_cstr(arena_printf(&a->w->arena, " %.*s", (int)value.len, value.ptr));
    milter_put_header(&a->out, s->code, s->number, slice_cstr(s->name), value);
}

static void put_body(struct answer *a, const struct child_step *s)
{
    size_t length = message_body_length(s->value);
    for (size_t at = 0; at < length; at += WIRE_PACKET_MAX_BYTES - 1) {
        struct buf piece = {0};
        message_body_text(s->value, at, WIRE_PACKET_MAX_BYTES - 1, &piece);
        wire_put(&a->out, SMFIR_REPLBODY, buf_slice(&piece));
        buf_fini(&piece);
    }
}

static void put_garbage(struct answer *a)
{
    switch (world_random(a->w, 3)) {
    case 0:
        buf_put(&a->out, "\0\0\0\0", 4); /* a frame of length zero */
        break;
    case 1:
        buf_put(&a->out, "\0\0\0\1?", 5); /* no such code */
        break;
    default:
        buf_put(&a->out, "HTTP/1.1 400 Bad Request\r\n", 26); /* a frame above every limit */
        break;
    }
}

static void put_lie(struct answer *a)
{
    if (a->cmd == SMFIC_OPTNEG)
        milter_put_code(&a->out, SMFIR_CONTINUE);
    else if (a->cmd == SMFIC_BODYEOB)
        milter_put_code(&a->out, SMFIR_CONNFAIL);
    else
        milter_put_header(&a->out, SMFIR_ADDHEADER, 0, SLICE_LIT("X-Lie"), SLICE_LIT("yes"));
}

/* Its part of the negotiation. more: it asks for what it was not offered. */
static void put_options(struct answer *a, uint32_t version, bool more)
{
    const struct child *ch = a->cc->child;
    const struct milter_options *offered = &a->cc->offered;
    struct milter_options o = {.version = version < offered->version || more ? version : offered->version,
                               .actions = ch->actions & offered->actions,
                               .steps = ch->steps & offered->steps};
    if (more)
        o.actions |= 0x8000;
    for (int i = 0; i < SMFIM_STAGES && (offered->actions & SMFIF_SETSYMLIST); i++)
        if (ch->symlist[i]) {
            o.symlist[i] = slice_cstr(ch->symlist[i]);
            o.actions |= SMFIF_SETSYMLIST;
        }
    milter_put_options(&a->out, &o);
    a->cc->chosen = o;
}

static void progress(struct answer *a, const struct child_step *s)
{
    int64_t from = a->at_ms;
    if (s->ms == 0) {
        milter_put_code(&a->out, SMFIR_PROGRESS);
        flush(a);
    }
    for (int64_t t = s->every_ms; t < s->ms; t += s->every_ms) {
        a->at_ms = from + t;
        milter_put_code(&a->out, SMFIR_PROGRESS);
        flush(a);
    }
    a->at_ms = from + s->ms;
}

/* An answer that this command cannot have, or of a form that no MTA takes. */
static void check_answer(struct answer *a, uint8_t code, struct slice payload)
{
    struct milter_reply parsed;
    struct wire_packet p = {code, payload};
    if (code == SMFIR_CONNFAIL || code == SMFIR_SHUTDOWN || milter_parse_reply(&p, &parsed) != ERR_NONE)
        child_misbehaves(a->cc);
}

static void put_final(struct answer *a, uint8_t code, struct slice payload)
{
    if (code)
        check_answer(a, code, payload);
    if (a->cmd && a->cmd != SMFIC_OPTNEG && !a->ask) {
        flush(a); /* it has said that it does not answer this one */
        return;
    }
    if (world_random(a->w, 3) == 0) /* sometimes a write of its own */
        flush(a);
    if (a->cmd == SMFIC_OPTNEG && !code)
        put_options(a, a->cc->child->version, false);
    else
        wire_put(&a->out, code, payload);
    struct delivery *d = flush(a);
    d->cmd = a->cmd;
    d->code = a->cmd == SMFIC_OPTNEG ? SMFIC_OPTNEG : code;
    d->ask = a->ask;
}

/* An edit that it may not give here makes it a liar. */
static void check_edit(struct answer *a, uint8_t code)
{
    static const struct {
        uint8_t code;
        uint32_t action;
    } needs[] = {{SMFIR_ADDHEADER, SMFIF_ADDHDRS}, {SMFIR_INSHEADER, SMFIF_ADDHDRS}, {SMFIR_CHGHEADER, SMFIF_CHGHDRS},
                 {SMFIR_ADDRCPT, SMFIF_ADDRCPT},   {SMFIR_DELRCPT, SMFIF_DELRCPT},   {SMFIR_ADDRCPT_PAR, SMFIF_ADDRCPT_PAR},
                 {SMFIR_CHGFROM, SMFIF_CHGFROM},   {SMFIR_REPLBODY, SMFIF_CHGBODY},  {SMFIR_QUARANTINE, SMFIF_QUARANTINE}};
    uint32_t action = 0;
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
        if (needs[i].code == code)
            action = needs[i].action;
    if (a->cmd != SMFIC_BODYEOB || !(a->cc->offered.actions & action))
        child_misbehaves(a->cc);
}

/* False: this was the last step. */
static bool run_step(struct answer *a, const struct child_step *s)
{
    switch (s->kind) {
    case CHILD_STEP_SEND:
        check_edit(a, s->code);
        buf_put_slice(&a->out, s->payload);
        break;
    case CHILD_STEP_WAIT:
        flush(a);
        a->at_ms += s->ms;
        break;
    case CHILD_STEP_PROGRESS:
        flush(a);
        progress(a, s);
        break;
    case CHILD_STEP_HEADER:
        check_edit(a, s->code);
        put_header_edit(a, s);
        break;
    case CHILD_STEP_BODY:
        check_edit(a, SMFIR_REPLBODY);
        put_body(a, s);
        break;
    case CHILD_STEP_ANSWER:
        put_final(a, s->code, s->payload);
        return false;
    case CHILD_STEP_SILENT:
        child_misbehaves(a->cc);
        flush(a);
        return false;
    case CHILD_STEP_DIE:
        child_misbehaves(a->cc);
        flush(a);
        child_later(a->w, a->cc, a->at_ms, CHILD_LOST)->error = s->error;
        return false;
    case CHILD_STEP_GARBAGE:
        child_misbehaves(a->cc);
        put_garbage(a);
        flush(a);
        return false;
    case CHILD_STEP_LIE:
        child_misbehaves(a->cc);
        put_lie(a);
        flush(a);
        return false;
    case CHILD_STEP_MORE:
    case CHILD_STEP_VERSION:
        child_misbehaves(a->cc);
        put_options(a, s->kind == CHILD_STEP_MORE ? a->cc->child->version : s->number, true);
        flush(a);
        return false;
    }
    return true;
}

void child_run_steps(struct world *w, struct child_conn *cc, uint8_t cmd, const struct child_step *steps, size_t n)
{
    struct answer a = {.w = w, .cc = cc, .cmd = cmd, .ask = cc->owed == cmd && cmd ? cc->asked : 0};
    a.at_ms = w->now_ms + world_random(w, 3);
    if (a.at_ms < cc->last_due_ms)
        a.at_ms = cc->last_due_ms;
    bool open = true;
    for (size_t i = 0; i < n && open; i++)
        open = run_step(&a, &steps[i]);
    if (open && cmd)
        put_final(&a, cmd == SMFIC_OPTNEG ? 0 : SMFIR_CONTINUE, SLICE_NONE);
    else if (open)
        flush(&a);
    buf_fini(&a.out);
}
