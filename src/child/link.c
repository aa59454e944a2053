/*
 * link.c - one connection to a child milter. Two tables say what there is: what the link knows of each command, and which
 * reply may answer which command under which condition. The rest takes packets off the stream and holds them against these.
 */
#include "child/link.h"
#include "base/mem.h"

#include <errno.h>

/* ---- the tables ---- */

/* The stages at which a reply may come, as bits; STAGE_END stands for UNKNOWN. */
enum {
    AT_CONNECT = STAGE_BIT(STAGE_CONNECT),
    AT_EOM = STAGE_BIT(STAGE_EOM),
    AT_ALL = STAGE_BIT(STAGE_END + 1) - 1,
    AT_MESSAGE = AT_ALL & ~(AT_CONNECT | STAGE_BIT(STAGE_HELO) | STAGE_BIT(STAGE_END)),
};

/*
 * DISCARD: of a message, so not before there is one (Postfix warns there, libmilter forbids it). CONNFAIL: of a connection.
 * SKIP is meant for BODY, and to be negotiated (SMFIP_SKIP). Postfix and Sendmail take it for every command, and look at no
 * negotiation. Nor do they where a change is made: Sendmail logs "lied about …, honoring request anyway". So an action is held
 * only against what the MTA has offered. Lists of macros stand in the negotiation, never in a SETSYMLIST of their own. PROGRESS
 * is not here: it has no command of its own.
 */
static const struct reply_rule {
    uint8_t code;
    bool final;
    uint16_t at;
    uint32_t action; /* SMFIF_*: what the MTA has to offer; 0: nothing */
    uint8_t edit;    /* enum mail_edit_kind; not for final ones and REPLBODY */
} reply_rules[] = {
    {SMFIR_CONTINUE, true, AT_ALL, 0, 0},
    {SMFIR_ACCEPT, true, AT_ALL, 0, 0},
    {SMFIR_REJECT, true, AT_ALL, 0, 0},
    {SMFIR_TEMPFAIL, true, AT_ALL, 0, 0},
    {SMFIR_REPLYCODE, true, AT_ALL, 0, 0},
    {SMFIR_SHUTDOWN, true, AT_ALL, 0, 0},
    {SMFIR_CONNFAIL, true, AT_CONNECT, 0, 0},
    {SMFIR_DISCARD, true, AT_MESSAGE, 0, 0},
    {SMFIR_SKIP, true, AT_ALL, 0, 0},
    {SMFIR_ADDHEADER, false, AT_EOM, SMFIF_ADDHDRS, MAIL_ADD_HEADER},
    {SMFIR_INSHEADER, false, AT_EOM, SMFIF_ADDHDRS, MAIL_INSERT_HEADER},
    {SMFIR_CHGHEADER, false, AT_EOM, SMFIF_CHGHDRS, MAIL_CHANGE_HEADER},
    {SMFIR_ADDRCPT, false, AT_EOM, SMFIF_ADDRCPT, MAIL_ADD_RECIPIENT},
    {SMFIR_ADDRCPT_PAR, false, AT_EOM, SMFIF_ADDRCPT_PAR, MAIL_ADD_RECIPIENT},
    {SMFIR_DELRCPT, false, AT_EOM, SMFIF_DELRCPT, MAIL_DELETE_RECIPIENT},
    {SMFIR_CHGFROM, false, AT_EOM, SMFIF_CHGFROM, MAIL_CHANGE_SENDER},
    {SMFIR_QUARANTINE, false, AT_EOM, SMFIF_QUARANTINE, MAIL_QUARANTINE},
    {SMFIR_REPLBODY, false, AT_EOM, SMFIF_CHGBODY, 0},
};

static const struct milter_command_kind *kind_of(uint8_t cmd)
{
    const struct milter_command_kind *k = milter_command_kind(cmd);
    if (!k || cmd == SMFIC_MACRO)
        PANIC("not a command for a child");
    return k;
}

static const struct reply_rule *reply_rule(uint8_t code)
{
    for (size_t i = 0; i < COUNT_OF(reply_rules); i++)
        if (reply_rules[i].code == code)
            return &reply_rules[i];
    return NULL;
}

/* ---- states ---- */

void link_init(struct link *l, const struct link_limits *limits)
{
    *l = (struct link){.state = LINK_NEW, .limits = limits};
}

void link_fini(struct link *l)
{
    buf_fini(&l->in);
    mail_edits_fini(&l->edits);
    arena_fini(&l->arena);
    *l = (struct link){.state = LINK_NEW};
}

static enum link_news fail(struct link *l, const char *why)
{
    l->state = LINK_FAILED;
    l->why = why;
    l->deadline.ms = 0;
    buf_fini(&l->in);
    mail_edits_fini(&l->edits);
    return LINK_BROKEN;
}

static void go_idle(struct link *l)
{
    l->state = LINK_IDLE;
    l->deadline.ms = 0;
}

/* ---- clocks ---- */

static int64_t limit_ms(const struct link *l)
{
    if (l->state == LINK_CONNECTING || l->state == LINK_NEGOTIATING)
        return l->limits->connect_ms; /* for both together */
    switch (kind_of(l->asked)->stage) {
    case STAGE_HEADER:
    case STAGE_EOH:
    case STAGE_BODY:
        return l->limits->message_ms;
    case STAGE_EOM:
        return l->limits->eom_ms;
    default:
        break;
    }
    return l->limits->command_ms;
}

static void start_clock(struct link *l, struct mono now)
{
    l->asked_at = now;
    l->deadline.ms = now.ms + limit_ms(l);
}

/* It is at work. Never beyond what one command may take, never less than it had. */
static void restart_clock(struct link *l, struct mono now)
{
    int64_t end_ms = now.ms + limit_ms(l), last_ms = l->asked_at.ms + l->limits->progress_max_ms;
    if (end_ms > last_ms)
        end_ms = last_ms;
    if (end_ms > l->deadline.ms)
        l->deadline.ms = end_ms;
}

bool link_check_deadline(struct link *l, struct mono now)
{
    if (l->deadline.ms == 0 || now.ms < l->deadline.ms)
        return false;
    if (l->state == LINK_CONNECTING)
        fail(l, "no connection in time");
    else
        fail(l, l->deadline.ms > l->asked_at.ms + limit_ms(l) ? "no answer in time, after it said that it was at work"
                                                              : "no answer in time");
    return true;
}

void link_lost(struct link *l, int error)
{
    if (l->state == LINK_FAILED || l->quit)
        return;
    switch (error) {
    case 0:
        fail(l, "it closed the connection");
        break;
    case ENOENT:
        fail(l, "its socket does not exist");
        break;
    case ECONNREFUSED:
        fail(l, "connection refused");
        break;
    case EACCES:
    case EPERM:
        fail(l, "no permission to connect");
        break;
    case ENETUNREACH:
    case EHOSTUNREACH:
        fail(l, "its host cannot be reached");
        break;
    case ETIMEDOUT:
        fail(l, "the connection timed out");
        break;
    case EPIPE:
    case ECONNRESET:
        fail(l, "it broke the connection");
        break;
    default:
        fail(l, l->state == LINK_CONNECTING ? "it cannot be connected to" : "the connection failed");
        break;
    }
}

/* ---- asking ---- */

void link_connecting(struct link *l, struct mono now)
{
    if (l->state != LINK_NEW)
        PANIC("a link that is connected twice");
    l->state = LINK_CONNECTING;
    start_clock(l, now);
}

void link_connected(struct link *l, const struct milter_options *offer, struct mono now, struct buf *out)
{
    if (l->state != LINK_CONNECTING && l->state != LINK_NEW)
        PANIC("a link that negotiates twice");
    bool runs = l->state == LINK_CONNECTING;
    l->state = LINK_NEGOTIATING;
    l->offer = (struct milter_options){.version = offer->version, .actions = offer->actions, .steps = offer->steps};
    milter_put_options(out, &l->offer);
    if (!runs)
        start_clock(l, now);
}

static bool knows(const struct link *l, const struct milter_command_kind *k)
{
    return l->got.version >= k->since_version;
}

bool link_wants(const struct link *l, uint8_t cmd)
{
    const struct milter_command_kind *k = kind_of(cmd);
    return knows(l, k) && !(l->got.steps & k->no_step);
}

bool link_answers(const struct link *l, uint8_t cmd)
{
    const struct milter_command_kind *k = kind_of(cmd);
    return k->is_answered && !(l->got.steps & k->nr_step);
}

static void put_macros(struct buf *out, uint8_t cmd, struct slice pairs)
{
    if (pairs.len > 0)
        milter_put_command(out, &(struct milter_command){.cmd = SMFIC_MACRO, .u.macro = {.for_cmd = cmd, .pairs = pairs}});
}

static void put_command(const struct link *l, struct buf *out, const struct milter_command *c)
{
    struct milter_command as_negotiated = *c;
    if (c->cmd == SMFIC_HEADER) {
        struct slice *value = &as_negotiated.u.header.value;
        /* Sendmail and Postfix eat one space there, not a tab */
        if (!(l->got.steps & SMFIP_HDR_LEADSPC) && value->len > 0 && value->ptr[0] == ' ')
            *value = slice_from(*value, 1);
    }
    milter_put_command(out, &as_negotiated);
}

/* ABORT and QUIT. */
static void tell(struct link *l, const struct milter_command *c, struct buf *out)
{
    if ((l->state != LINK_IDLE && l->state != LINK_ASKED) || l->quit)
        return;
    milter_put_command(out, c);
    if (l->state == LINK_ASKED)
        l->late++;
    mail_edits_fini(&l->edits);
    go_idle(l);
    l->quit = c->cmd == SMFIC_QUIT;
}

void link_ask(struct link *l, const struct milter_command *c, struct slice macros, struct mono now, struct buf *out)
{
    const struct milter_command_kind *k = kind_of(c->cmd);
    if (!k->is_answered) {
        tell(l, c, out);
        return;
    }
    if (l->state != LINK_IDLE || l->quit)
        PANIC("a child is asked that cannot be asked now");
    bool wants = link_wants(l, c->cmd);
    if (wants || (k->has_macros_anyway && knows(l, k)))
        put_macros(out, c->cmd, macros);
    if (!wants)
        return;
    mail_edits_fini(&l->edits);
    put_command(l, out, c);
    if (!link_answers(l, c->cmd))
        return;
    l->asked = c->cmd;
    l->state = LINK_ASKED;
    start_clock(l, now);
}

/* ---- what it says ---- */

/* Far beyond what any filter names; Sendmail takes 50 names a stage. */
enum { NAMES_MAX_BYTES = 4096 };

static enum link_news take_options(struct link *l, const struct wire_packet *p)
{
    struct milter_options o;
    if (p->cmd != SMFIC_OPTNEG)
        return fail(l, "it answers the negotiation with something else");
    if (milter_parse_options(p->body, &o) != ERR_NONE)
        return fail(l, "a malformed answer to the negotiation");
    if (o.version < MILTER_VERSION_MIN || o.version > l->offer.version)
        return fail(l, "it wants a version of the protocol that was not offered");
    if (o.actions & ~l->offer.actions)
        return fail(l, "it wants to change more than was offered");
    if (o.steps & ~l->offer.steps)
        return fail(l, "it wants steps of the protocol that were not offered");
    for (unsigned stage = 0; stage < SMFIM_STAGES; stage++) {
        if (o.symlist[stage].ptr && !(l->offer.actions & SMFIF_SETSYMLIST))
            return fail(l, "it names macros, which was not offered");
        if (o.symlist[stage].len > NAMES_MAX_BYTES)
            return fail(l, "it names too many macros");
    }
    l->got = o;
    for (unsigned stage = 0; stage < SMFIM_STAGES; stage++)
        l->got.symlist[stage] = arena_slice(&l->arena, o.symlist[stage]);
    go_idle(l);
    return LINK_NEGOTIATED;
}

static enum err add_header(struct link *l, enum mail_edit_kind kind, const struct milter_reply *r)
{
    struct slice name = r->u.header.name, value = r->u.header.value;
    bool deletes = kind == MAIL_CHANGE_HEADER && value.len == 0;
    if (deletes || (l->got.steps & SMFIP_HDR_LEADSPC))
        return mail_edits_add(&l->edits, kind, r->u.header.index, name, value);
    struct buf canonical = {0};
    buf_put_byte(&canonical, ' ');
    buf_put_slice(&canonical, value);
    enum err e = mail_edits_add(&l->edits, kind, r->u.header.index, name, buf_slice(&canonical));
    buf_fini(&canonical);
    return e;
}

static enum err add_edit(struct link *l, enum mail_edit_kind kind, const struct milter_reply *r)
{
    switch (kind) {
    case MAIL_ADD_HEADER:
    case MAIL_INSERT_HEADER:
    case MAIL_CHANGE_HEADER:
        return add_header(l, kind, r);
    case MAIL_ADD_RECIPIENT:
    case MAIL_DELETE_RECIPIENT:
    case MAIL_CHANGE_SENDER:
        return mail_edits_add(&l->edits, kind, 0, r->u.address.address, r->u.address.esmtp);
    case MAIL_QUARANTINE:
        break;
    }
    return mail_edits_add(&l->edits, kind, 0, r->u.reason, SLICE_NONE);
}

static enum link_news take_edit(struct link *l, const struct reply_rule *rule, const struct milter_reply *r, struct mono now,
                                struct link_answer *answer)
{
    restart_clock(l, now);
    if (r->code == SMFIR_REPLBODY) {
        answer->code = SMFIR_REPLBODY;
        answer->text = r->u.body;
        return LINK_BODY;
    }
    return add_edit(l, (enum mail_edit_kind)rule->edit, r) == ERR_NONE ? LINK_NOTHING : fail(l, "too many changes");
}

static enum link_news take_final(struct link *l, const struct milter_reply *r, struct link_answer *answer)
{
    answer->code = r->code;
    if (r->code == SMFIR_SHUTDOWN || r->code == SMFIR_CONNFAIL) {
        answer->code = SMFIR_REPLYCODE;
        answer->status = 421;
        answer->text = SLICE_LIT("421 4.3.2 Service not available, try again later");
    } else if (r->code == SMFIR_REPLYCODE) {
        answer->status = r->u.replycode.status;
        answer->text = r->u.replycode.text;
    }
    go_idle(l);
    return LINK_ANSWERED;
}

static bool is_progress(const struct wire_packet *p)
{
    return p->cmd == SMFIR_PROGRESS && p->body.len == 0;
}

static enum link_news take_packet(struct link *l, const struct wire_packet *p, struct mono now, struct link_answer *answer)
{
    bool owed = l->state == LINK_NEGOTIATING || l->state == LINK_ASKED;
    if (is_progress(p)) {
        if (owed)
            restart_clock(l, now);
        return owed ? LINK_PROGRESS : LINK_NOTHING;
    }
    if (l->state == LINK_NEGOTIATING)
        return take_options(l, p);
    const struct reply_rule *rule = reply_rule(p->cmd);
    struct milter_reply r;
    if (!rule)
        return fail(l, "it says what no filter says");
    if (milter_parse_reply(p, &r) != ERR_NONE)
        return fail(l, "a malformed reply");
    if (l->late > 0) {
        l->late -= rule->final;
        return LINK_NOTHING;
    }
    if (!owed)
        return fail(l, r.code == SMFIR_SHUTDOWN ? "it shuts down" : "it speaks without being asked");
    if (!(rule->at & STAGE_BIT(kind_of(l->asked)->stage)))
        return fail(l, "a reply that this command cannot have");
    if (rule->action & ~l->offer.actions)
        return fail(l, "a change that the MTA does not offer");
    l->unnegotiated |= rule->action & ~l->got.actions;
    return rule->final ? take_final(l, &r, answer) : take_edit(l, rule, &r, now, answer);
}

/* ---- the stream ---- */

enum { HEAD_BYTES = 5 }; /* length and command */

/* Whether a packet begins here (its command has come) that cannot be PROGRESS. */
static bool begins_other(struct slice s)
{
    return s.len >= HEAD_BYTES && (uint8_t)s.ptr[HEAD_BYTES - 1] != SMFIR_PROGRESS;
}

/*
 * The next packet: out of *bytes where all of it is there, else put together in l->in, which never holds more than one and
 * gives its memory back when that has been used.
 */
static enum wire_result next_packet(struct link *l, struct slice *bytes, struct wire_packet *p)
{
    struct slice kept = buf_slice(&l->in);
    if (wire_next(&kept, WIRE_PACKET_MAX_BYTES, p) == WIRE_OK)
        buf_fini(&l->in); /* the one that was given out by the call before */
    if (l->in.len == 0) {
        enum wire_result whole = wire_next(bytes, WIRE_PACKET_MAX_BYTES, p);
        if (whole != WIRE_MORE)
            return whole;
    }
    for (;;) {
        kept = buf_slice(&l->in);
        struct slice rest = kept;
        uint32_t length = 0;
        enum wire_result r = wire_next(&rest, WIRE_PACKET_MAX_BYTES, p);
        if (r != WIRE_MORE || bytes->len == 0)
            return r;
        size_t whole = wire_take_u32(&kept, &length) ? (size_t)4 + length : 4;
        struct slice part = slice_upto(*bytes, whole - l->in.len);
        buf_put_slice(&l->in, part);
        *bytes = slice_from(*bytes, part.len);
    }
}

/* Behind an answer: whether more has come with it that nobody asked for. PROGRESS is taken off. */
static bool has_surplus(struct slice *bytes)
{
    struct wire_packet p;
    enum wire_result r;
    while ((r = wire_next(bytes, WIRE_PACKET_MAX_BYTES, &p)) == WIRE_OK)
        if (!is_progress(&p))
            return true;
    return r == WIRE_BAD || begins_other(*bytes);
}

enum link_news link_take(struct link *l, struct slice *bytes, struct mono now, struct link_answer *answer)
{
    *answer = (struct link_answer){0};
    enum link_news news = LINK_NOTHING;
    while (news == LINK_NOTHING && l->state != LINK_FAILED && !l->quit) {
        struct wire_packet p;
        enum wire_result r = next_packet(l, bytes, &p);
        if (r == WIRE_OK)
            news = take_packet(l, &p, now, answer);
        else if (r == WIRE_BAD)
            news = fail(l, "a packet of impossible length");
        else if (l->state == LINK_IDLE && l->late == 0 && begins_other(buf_slice(&l->in)))
            news = fail(l, "it speaks without being asked");
        else
            return LINK_NOTHING;
    }
    if ((news == LINK_ANSWERED || news == LINK_NEGOTIATED) && has_surplus(bytes)) {
        l->state = news == LINK_ANSWERED ? LINK_ASKED : LINK_NEGOTIATING; /* where it failed */
        news = fail(l, "it says more than it was asked");
    }
    if (l->state != LINK_FAILED && !l->quit)
        return news;
    *bytes = slice_from(*bytes, bytes->len);
    *answer = (struct link_answer){0};
    return l->quit ? LINK_NOTHING : LINK_BROKEN;
}
