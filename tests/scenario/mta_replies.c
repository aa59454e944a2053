/*
 * mta_replies.c - what the engine says, as the MTA takes it: form, order, and the rules that no reply may break (a deferral is
 * committed before it is told, a suspicion is never refused for good); then what Postfix does about it.
 */
#include "world.h"

#include "base/mem.h"

#include <string.h>

static void paid(struct conn *c)
{
    c->owed_cmd = c->owed_cmds[0];
    c->owed--;
    memmove(c->owed_cmds, c->owed_cmds + 1, c->owed);
}

static void on_options(struct world *w, struct conn *c, const struct wire_packet *p)
{
    struct milter_options o;
    if (milter_parse_options(p->body, &o) != ERR_NONE) {
        world_fail(w, "%s: a negotiation that cannot be read", c->name);
        return;
    }
    if (o.version > c->version || (o.actions & ~c->offer) || (o.steps & ~c->offered_steps))
        world_fail(w, "%s: more was asked for than offered", c->name);
    c->steps = o.steps;
    c->actions = o.actions;
    for (int i = 0; i < SMFIM_STAGES; i++)
        if (o.symlist[i].len > 0)
            c->symlist[i] = arena_cstr(&w->arena, o.symlist[i]);
    c->negotiated = true;
    paid(c);
}

static const char *name_code(uint8_t code)
{
    switch (code) {
    case SMFIR_CONTINUE:
        return "continue";
    case SMFIR_ACCEPT:
        return "accept";
    case SMFIR_TEMPFAIL:
        return "tempfail";
    case SMFIR_REJECT:
        return "reject";
    case SMFIR_DISCARD:
        return "discard";
    case SMFIR_SKIP:
        return "skip";
    case SMFIR_SHUTDOWN:
        return "shutdown";
    default:
        return "another code";
    }
}

static bool same_tuple(const struct grey_tuple *a, const struct grey_tuple *b)
{
    return ip_eq(&a->addr, &b->addr) && slice_eq(a->sender, b->sender) && slice_eq(a->recipient, b->recipient);
}

static void note_answered(struct world *w, struct conn *c, const struct grey_tuple *tuple, bool deferred)
{
    struct tuple_copy *t = w->answered;
    while (t && !same_tuple(&t->tuple, tuple))
        t = t->next;
    if (!t) {
        t = outside_copy_tuple(w, tuple);
        t->next = w->answered;
        w->answered = t;
    }
    t->answered.sec = deferred ? world_now(w).wall.sec : 0;
    if (!deferred)
        return;
    struct grey_answer a = outside_known(w, tuple, w->plan->set->greylist_sec);
    if (a.state == GREY_NEW)
        world_fail(w, "%s is answered with a deferral that is not committed", c->name);
}

/* R2 and R4: a deferral is committed before it is told, and nothing but a blacklisting is refused for good. */
static void check_refusal(struct world *w, struct conn *c, int status)
{
    if (status >= 500 && !w->may_refuse)
        world_fail(w, "%s: a suspicion is answered with %d", c->name, status);
    if (c->owed_cmd == SMFIC_RCPT && c->now_tuple.decided && status != 421)
        note_answered(w, c, &c->now_tuple.tuple, true);
    if (c->owed_cmd == SMFIC_DATA && status != 421)
        for (struct tuple_copy *t = c->message_tuples; t; t = t->next)
            note_answered(w, c, &t->tuple, true);
}

static bool is_early(const struct conn *c)
{
    return c->owed_cmd == SMFIC_CONNECT || c->owed_cmd == SMFIC_HELO;
}

/* Postfix closes the milter's connection behind a refusal of the client; otherwise the next message is seen. */
static void on_refusal(struct world *w, struct conn *c)
{
    if (c->refuses && c->owed_cmd == SMFIC_RCPT) {
        c->unseen = false;
        return;
    }
    /* what has begun cannot be taken back when the disk fails within it */
    bool broken_off = c->mail && c->mail->body_is_new && slice_has_prefix(slice_cstr(c->reply), "451 4.3.1 ");
    if (c->owed_cmd == SMFIC_BODYEOB && c->mail && c->mail->changes && !broken_off)
        world_fail(w, "%s: %u edits of a mail that is refused", c->name, c->mail->changes);
    if (is_early(c)) {
        c->session_free = true;
        c->queue = mem_grow(c->queue, &c->cap_queue, 1, sizeof(*c->queue));
        c->n_queue = 1;
        c->queue[0] = (struct mta_step){.verb = "eof", .line = w->line};
    } else if (c->owed_cmd != SMFIC_RCPT && c->owed_cmd != SMFIC_UNKNOWN) {
        mta_drop_content(c);
        mta_forget_message(c);
    }
}

static void on_discard(struct world *w, struct conn *c)
{
    if (is_early(c))
        world_fail(w, "%s: a discard that no MTA understands at %s", c->name, milter_command_name(c->owed_cmd));
    if (c->mail && c->mail->changes)
        world_fail(w, "%s: %u edits of a mail that is discarded", c->name, c->mail->changes);
    c->discarded = c->message_free = true;
    if (c->owed_cmd == SMFIC_BODYEOB)
        mta_forget_message(c);
}

static void on_skip(struct world *w, struct conn *c)
{
    if (c->owed_cmd != SMFIC_BODY || !(c->steps & SMFIP_SKIP))
        world_fail(w, "%s: a skip where the MTA takes none", c->name);
    c->skips_body = true;
    c->unseen = false;
}

static void on_continue(struct world *w, struct conn *c)
{
    if (c->owed_cmd == SMFIC_RCPT && !c->refuses) {
        mta_recipient_passed(c);
        if (c->now_tuple.decided)
            note_answered(w, c, &c->now_tuple.tuple, false);
    }
    if (c->owed_cmd == SMFIC_BODYEOB) {
        children_check_accept(w, c, true);
        mta_let_in(w, c);
    }
}

static void on_replycode(struct world *w, struct conn *c, int status)
{
    check_refusal(w, c, status);
    if (status != 421) {
        on_refusal(w, c);
        return;
    }
    uint8_t cmd = c->owed_cmd;
    c->owed = c->n_queue = 0;
    c->hung_up = true;
    /* Postfix says "421", and ends; behind its own verdict at CONNECT there is no QUIT. */
    static const char *const after[] = {"abort", "abort", "quit"};
    c->queue = mem_grow(c->queue, &c->cap_queue, COUNT_OF(after), sizeof(*c->queue));
    if (cmd == SMFIC_CONNECT)
        c->queue[c->n_queue++] = (struct mta_step){.verb = "eof", .line = w->line};
    else
        for (size_t i = 0; i < COUNT_OF(after); i++)
            c->queue[c->n_queue++] = (struct mta_step){.verb = after[i], .line = w->line};
}

static void on_accept(struct world *w, struct conn *c)
{
    children_check_accept(w, c, c->owed_cmd == SMFIC_BODYEOB);
    if (is_early(c)) {
        c->session_free = true;
        c->queue = mem_grow(c->queue, &c->cap_queue, 1, sizeof(*c->queue));
        c->n_queue = 1;
        c->queue[0] = (struct mta_step){.verb = "quit", .line = w->line};
    } else if (c->owed_cmd == SMFIC_BODYEOB) {
        mta_let_in(w, c);
    } else {
        if (c->owed_cmd == SMFIC_RCPT && !c->refuses)
            mta_recipient_passed(c);
        c->message_free = true;
    }
}

static void on_reply(struct world *w, struct conn *c, const struct milter_reply *r)
{
    const char *text = r->code == SMFIR_REPLYCODE ? arena_cstr(&w->arena, r->u.replycode.text) : name_code(r->code);
    world_tell(w, "%s < %s", c->name, text);
    c->reply = text;
    paid(c);
    c->unseen = r->code != SMFIR_CONTINUE && !(r->code == SMFIR_ACCEPT && c->owed_cmd == SMFIC_BODYEOB);
    switch (r->code) {
    case SMFIR_REPLYCODE:
        on_replycode(w, c, r->u.replycode.status);
        break;
    case SMFIR_REJECT:
    case SMFIR_TEMPFAIL:
        on_replycode(w, c, r->code == SMFIR_REJECT ? 550 : 450);
        break;
    case SMFIR_ACCEPT:
        on_accept(w, c);
        break;
    case SMFIR_CONTINUE:
        on_continue(w, c);
        break;
    case SMFIR_DISCARD:
        on_discard(w, c);
        break;
    case SMFIR_SKIP:
        on_skip(w, c);
        break;
    default:
        world_fail(w, "%s: a reply that nobody here should give: %s", c->name, text);
        break;
    }
}

static void on_packet(struct world *w, struct conn *c, const struct wire_packet *p)
{
    c->heard_ms = w->now_ms;
    c->sent_now++;
    if (p->cmd == SMFIC_OPTNEG && c->owed && c->owed_cmds[0] == SMFIC_OPTNEG) {
        on_options(w, c, p);
        return;
    }
    struct milter_reply r;
    if (milter_parse_reply(p, &r) != ERR_NONE) {
        world_fail(w, "%s: a reply that an MTA cannot read (code %c)", c->name, p->cmd);
        return;
    }
    if (c->owed == 0) {
        world_fail(w, "%s: a reply that the MTA does not wait for (code %c)", c->name, p->cmd);
        return;
    }
    if (r.code != SMFIR_REPLBODY && c->mail && c->mail->body_is_new)
        c->mail->body_ended = true; /* Postfix 3.7.11, cleanup_milter.c: any other packet ends a replacement */
    switch (r.code) {
    case SMFIR_PROGRESS:
        c->progress++;
        world_tell(w, "%s < progress", c->name);
        break;
    case SMFIR_ADDHEADER:
    case SMFIR_INSHEADER:
    case SMFIR_CHGHEADER:
    case SMFIR_REPLBODY:
    case SMFIR_ADDRCPT:
    case SMFIR_ADDRCPT_PAR:
    case SMFIR_DELRCPT:
    case SMFIR_CHGFROM:
    case SMFIR_QUARANTINE:
        mta_edit(w, c, &r);
        break;
    default:
        on_reply(w, c, &r);
        break;
    }
}

void mta_receive(struct world *w, struct conn *c, struct slice bytes)
{
    buf_put_slice(&c->in, bytes);
    struct slice rest = buf_slice(&c->in);
    struct wire_packet p;
    enum wire_result r;
    while ((r = wire_next(&rest, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK)
        on_packet(w, c, &p);
    if (r == WIRE_BAD || rest.len > 0)
        world_fail(w, "%s: a write that is no whole number of packets", c->name);
    buf_clear(&c->in);
}
