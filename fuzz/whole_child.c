/*
 * whole_child.c - the children of whole.c: what they are told is parsed and held against the promises, and they answer, change the
 * message, lie and die.
 */
#include "whole.h"

#include <string.h>

/* ---- what a child is told ---- */

static const struct rule {
    uint8_t cmd, rank;
    bool again;
    uint32_t off, silent;
} rules[] = {
    {SMFIC_CONNECT, 1, false, SMFIP_NOCONNECT, SMFIP_NR_CONN},
    {SMFIC_HELO, 2, true, SMFIP_NOHELO, SMFIP_NR_HELO},
    {SMFIC_MAIL, 3, false, SMFIP_NOMAIL, SMFIP_NR_MAIL},
    {SMFIC_RCPT, 4, true, SMFIP_NORCPT, SMFIP_NR_RCPT},
    {SMFIC_DATA, 5, false, SMFIP_NODATA, SMFIP_NR_DATA},
    {SMFIC_HEADER, 6, true, SMFIP_NOHDRS, SMFIP_NR_HDR},
    {SMFIC_EOH, 7, false, SMFIP_NOEOH, SMFIP_NR_EOH},
    {SMFIC_BODY, 8, true, SMFIP_NOBODY, SMFIP_NR_BODY},
    {SMFIC_BODYEOB, 9, false, 0, 0},
    {SMFIC_UNKNOWN, 0, true, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN},
};

uint32_t whole_off_step(uint8_t cmd)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (rules[i].cmd == cmd)
            return rules[i].off;
    return 0;
}

struct peer *whole_peer(struct world *w, child_id id)
{
    for (size_t i = 0; i < PEERS; i++)
        if (w->peers[i].id == id && id)
            return &w->peers[i];
    return NULL;
}

static void peer_new_message(struct peer *p)
{
    p->rank = 2;
    p->in_message = p->skips = false;
    buf_clear(&p->body);
}

static void check_arguments(struct slice esmtp)
{
    whole_expect(esmtp.len == 0 || esmtp.ptr[esmtp.len - 1] == '\0', "arguments without the last NUL");
    whole_expect(slice_find(esmtp, ' ') == esmtp.len, "arguments that are not cut");
}

static void check_recipient(struct conn *c, struct slice address)
{
    bool is_asked_now = c->owed && c->last == SMFIC_RCPT && slice_eq(address, c->recipient);
    c->told_now |= is_asked_now; /* by now it may be let in, even if it was put off before */
    whole_expect(is_asked_now || !whole_has_line(&c->refused, address) || whole_has_line(&c->let_in, address),
                 "a recipient is told that the greylist filter has refused");
}

/* The message is put off then, or all have seen what is delivered: that is looked at in its end. */
static bool any_surprises(const struct conn *c)
{
    bool any = false;
    for (int i = 0; i < LETTERS; i++)
        any |= c->filters[i].surprises;
    return any;
}

static void told_command(struct world *w, struct peer *p, const struct milter_command *m)
{
    const struct rule *r = NULL;
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (rules[i].cmd == m->cmd)
            r = &rules[i];
    struct conn *c = whole_conn(w, p->session);
    whole_expect(r && c, "a command that no child knows, or of no session");
    whole_expect(!p->owed, "a command while an answer is owed");
    whole_expect(!(p->got.steps & r->off), "a command that was switched off");
    whole_expect(!r->rank || r->rank > p->rank || (r->again && r->rank == p->rank), "a command out of order");
    p->rank = r->rank ? r->rank : p->rank;
    p->in_message |= r->rank >= 3;
    if (m->cmd == SMFIC_MAIL || m->cmd == SMFIC_RCPT)
        check_arguments(m->u.envelope.esmtp);
    if (m->cmd == SMFIC_RCPT)
        check_recipient(c, m->u.envelope.address);
    if (m->cmd == SMFIC_BODY || m->cmd == SMFIC_BODYEOB)
        buf_put_slice(&p->body, m->u.body);
    whole_expect(m->cmd != SMFIC_BODY || !p->skips, "more of a body after SKIP");
    if (m->cmd == SMFIC_BODYEOB && !p->skips && !(p->got.steps & SMFIP_NOBODY)) {
        struct filter *f = &c->filters[p->letter - 'a'];
        whole_expect(any_surprises(c) || whole_same_bytes(buf_slice(&p->body), whole_body_view(c, p->letter)),
                     "another body than those before it have made");
        f->has_judged = true;
        buf_clear(&f->judged);
        buf_put_slice(&f->judged, buf_slice(&p->body));
    }
    if (!(p->got.steps & r->silent))
        p->owed = m->cmd;
}

void whole_told(struct world *w, struct peer *p, struct slice bytes)
{
    struct wire_packet packet;
    whole_expect(p != NULL && p->connected, "bytes for a child that is not there");
    while (wire_next(&bytes, WIRE_PACKET_MAX_BYTES, &packet) == WIRE_OK) {
        struct milter_command m;
        struct milter_options o;
        whole_expect(!p->quit, "bytes behind QUIT");
        if (packet.cmd == SMFIC_OPTNEG) {
            whole_expect(!p->negotiated && !p->owed && milter_parse_options(packet.body, &o) == ERR_NONE, "a bad offer");
            p->owed = SMFIC_OPTNEG;
            continue;
        }
        whole_expect(milter_parse_command(&packet, &m) == ERR_NONE, "a malformed command");
        p->quit = m.cmd == SMFIC_QUIT;
        if (m.cmd == SMFIC_ABORT) {
            p->late += p->owed != 0;
            p->owed = 0;
            peer_new_message(p);
        } else if (m.cmd != SMFIC_QUIT && m.cmd != SMFIC_MACRO) {
            whole_expect(p->negotiated, "a command before the negotiation");
            if (m.cmd == SMFIC_HELO && p->rank > 2)
                whole_expect(!p->in_message, "HELO within a message");
            told_command(w, p, &m);
        }
    }
    whole_expect(bytes.len == 0, "half a packet for a child");
}

void whole_opened(struct world *w, const struct effect *e)
{
    for (size_t i = 0; i < PEERS; i++)
        if (!w->peers[i].id) {
            w->peers[i] = (struct peer){.id = e->u.child.id, .session = e->owner, .letter = e->u.child.path[1]};
            return;
        }
    PANIC("more children are open than there can be");
}

/* ---- what a child says ---- */

static void child_event(struct world *w, const struct peer *p, enum child_news news, struct slice bytes)
{
    struct event e = {.kind = EVENT_CHILD};
    e.u.child.id = p->id;
    e.u.child.news = news;
    e.u.child.error = news == CHILD_LOST ? 111 : 0;
    e.u.child.bytes = bytes;
    whole_step(w, &e);
}

static void put_options(struct peer *p, uint8_t how, struct buf *out)
{
    static const uint32_t actions[] = {SMFIF_ALL & ~SMFIF_SETSYMLIST, 0, SMFIF_ADDHDRS,
                                       SMFIF_ALL & ~SMFIF_SETSYMLIST & ~SMFIF_CHGBODY};
    static const uint32_t steps[] = {0, SMFIP_NR_HDR | SMFIP_NR_BODY, SMFIP_NOBODY | SMFIP_NOHELO,
                                     SMFIP_NOHDRS | SMFIP_NR_RCPT};
    p->got = (struct milter_options){.version = 6, .actions = actions[how % 4], .steps = steps[how / 4 % 4]};
    p->negotiated = true;
    milter_put_options(out, &p->got);
}

static void put_address(struct buf *out, uint8_t code, struct slice address, struct slice esmtp)
{
    milter_put_reply(out, &(struct milter_reply){.code = code, .u.address = {address, esmtp}});
}

static void put_edits(struct world *w, struct filter *f, struct buf *out)
{
    uint8_t which = whole_take(w);
    if (which & 1)
        milter_put_header(out, SMFIR_CHGHEADER, 1 + (which >> 6), SLICE_LIT("Subject"), SLICE_LIT("changed"));
    if (which & 2)
        milter_put_header(out, SMFIR_INSHEADER, which >> 6, SLICE_LIT("X-Top"), SLICE_LIT("v"));
    if (which & 4)
        put_address(out, SMFIR_ADDRCPT_PAR, SLICE_LIT("<wz@b>"), SLICE_LIT("NOTIFY=NEVER  ORCPT=x"));
    if (which & 8)
        put_address(out, SMFIR_CHGFROM, SLICE_LIT("<y@example.net>"),
                    which & 4 ? SLICE_LIT("SIZE=1 BODY=7BIT") : SLICE_NONE);
    if (which & 16)
        put_address(out, SMFIR_DELRCPT, which & 2 ? SLICE_LIT("<wb@b>") : SLICE_LIT("<nobody@b>"), SLICE_NONE);
    for (unsigned i = which & 32 ? 1 + which / 64 * 3u : 0; i > 0; i--) {
        size_t at = f->body.len;
        f->has_body = true;
        for (size_t n = i % 2 ? 10 : 65000; n > 0; n--)
            buf_put_byte(&f->body, (char)('A' + i));
        milter_put_reply(out, &(struct milter_reply){.code = SMFIR_REPLBODY, .u.body = slice_from(buf_slice(&f->body), at)});
    }
}

static uint8_t code_for(const struct peer *p, uint8_t how)
{
    static const uint8_t codes[] = {SMFIR_CONTINUE, SMFIR_CONTINUE, SMFIR_CONTINUE, SMFIR_CONTINUE,
                                    SMFIR_CONTINUE, SMFIR_ACCEPT,   SMFIR_REJECT,   SMFIR_TEMPFAIL,
                                    SMFIR_DISCARD,  SMFIR_SKIP,     SMFIR_SKIP,     SMFIR_CONTINUE};
    uint8_t code = codes[how % COUNT_OF(codes)];
    bool of_connection = p->owed == SMFIC_CONNECT || p->owed == SMFIC_HELO || p->owed == SMFIC_UNKNOWN;
    return code == SMFIR_DISCARD && of_connection ? SMFIR_CONTINUE : code;
}

static void child_answers(struct world *w, struct peer *p, uint8_t how)
{
    struct buf out = {0};
    struct conn *c = whole_conn(w, p->session);
    uint8_t cmd = p->owed;
    if (p->late > 0) {
        p->late--;
        milter_put_code(&out, SMFIR_CONTINUE);
    } else if (cmd == SMFIC_OPTNEG) {
        p->owed = 0;
        put_options(p, how ? how : w->options, &out);
    } else {
        uint8_t code = code_for(p, how);
        struct filter *f = c && p->letter <= 'z' ? &c->filters[p->letter - 'a'] : NULL;
        p->owed = 0;
        p->skips |= code == SMFIR_SKIP && cmd == SMFIC_BODY;
        if (cmd == SMFIC_BODYEOB) {
            put_edits(w, f, &out);
            f->surprises = f->has_body && !(p->got.actions & SMFIF_CHGBODY);
            f->answered = code == SMFIR_CONTINUE || code == SMFIR_ACCEPT || code == SMFIR_SKIP;
            peer_new_message(p);
        }
        milter_put_code(&out, code);
    }
    child_event(w, p, CHILD_BYTES, buf_slice(&out));
    buf_fini(&out);
}

void whole_child(struct world *w, struct peer *p, uint8_t how)
{
    if (!p->id || p->lost || p->bad || p->quit)
        return;
    if (!p->connected && how % 16 != 15) {
        p->connected = true;
        child_event(w, p, CHILD_CONNECTED, SLICE_NONE);
    } else if (how % 16 == 15) {
        p->lost = true;
        child_event(w, p, CHILD_LOST, SLICE_NONE);
    } else if (how % 16 == 14) {
        p->bad = true;
        child_event(w, p, CHILD_BYTES, slice_of("\0\0\0\1Z", 5));
    } else if (how % 16 == 13 && p->owed) {
        child_event(w, p, CHILD_BYTES, slice_of("\0\0\0\1p", 5));
    } else if (p->owed || p->late > 0) {
        child_answers(w, p, how % 16 == 12 ? whole_take(w) : 0);
    }
}

void whole_children(struct world *w)
{
    for (size_t i = 0; i < PEERS; i++)
        whole_child(w, &w->peers[i], 0);
}
