/* storm_child.c - played children: what each is told must be a milter dialogue in order; its answers are random. */
#include "storm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK_NONE, RANK_CONNECT, RANK_HELO, RANK_MAIL, RANK_RCPT, RANK_DATA, RANK_HEADER, RANK_EOH, RANK_BODY, RANK_EOM };

static const struct command {
    uint8_t cmd;
    int rank;
    uint32_t no, nr;
    uint32_t min_version;
} commands[] = {
    {SMFIC_CONNECT, RANK_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN, 2},
    {SMFIC_HELO, RANK_HELO, SMFIP_NOHELO, SMFIP_NR_HELO, 2},
    {SMFIC_MAIL, RANK_MAIL, SMFIP_NOMAIL, SMFIP_NR_MAIL, 2},
    {SMFIC_RCPT, RANK_RCPT, SMFIP_NORCPT, SMFIP_NR_RCPT, 2},
    {SMFIC_DATA, RANK_DATA, SMFIP_NODATA, SMFIP_NR_DATA, 4},
    {SMFIC_HEADER, RANK_HEADER, SMFIP_NOHDRS, SMFIP_NR_HDR, 2},
    {SMFIC_EOH, RANK_EOH, SMFIP_NOEOH, SMFIP_NR_EOH, 2},
    {SMFIC_BODY, RANK_BODY, SMFIP_NOBODY, SMFIP_NR_BODY, 2},
    {SMFIC_BODYEOB, RANK_EOM, 0, 0, 2},
    {SMFIC_UNKNOWN, RANK_NONE, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN, 3},
};

static const struct command *command_of(uint8_t cmd)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (commands[i].cmd == cmd)
            return &commands[i];
    return NULL;
}

static bool wants(const struct storm_peer *p, uint8_t cmd)
{
    const struct command *c = command_of(cmd);
    return p->version >= c->min_version && !(p->steps & c->no);
}

static struct storm_filter *filter_of(struct storm *w, const struct storm_peer *p)
{
    return &w->filters[p->filter];
}

static char letter(const struct storm_peer *p)
{
    return (char)('a' + p->filter);
}

struct storm_peer *storm_peer(struct storm *w, child_id id)
{
    for (int i = 0; i < PEERS_MAX; i++)
        if (w->peers[i].id == id && id)
            return &w->peers[i];
    return NULL;
}

static int64_t soon(struct storm *w)
{
    unsigned how = storm_random(w, 100);
    return w->now.mono.ms + (how < 75 ? 0 : how < 98 ? storm_random(w, 3000) : storm_random(w, 20000));
}

void storm_child_open(struct storm *w, const struct effect *e)
{
    for (int i = 0; i < PEERS_MAX; i++) {
        struct storm_peer *p = &w->peers[i];
        if (p->id)
            continue;
        *p = (struct storm_peer){.id = e->u.child.id, .filter = e->u.child.path[1] - 'a', .of_session = e->owner != 0};
        p->opened_in = w->messages;
        p->due_ms = soon(w);
        storm_log(w, "child %c open %s", letter(p), p->of_session ? "" : "(probe)");
        if (p->of_session && filter_of(w, p)->connection.verdict != V_NONE && !w->reloaded)
            storm_fail(w, "child %c is connected to after its word on the connection", letter(p));
        return;
    }
    storm_fail(w, "more children are open than there can be");
}

void storm_child_close(struct storm *w, const struct effect *e)
{
    struct storm_peer *p = storm_peer(w, e->u.child.id);
    if (!p)
        storm_fail(w, "a child is closed that is not open");
    storm_log(w, "child %c closed%s", letter(p), p->quit ? "" : ", without QUIT");
    if (p->of_session && p->negotiated && !p->quit && !p->lost && !p->excused)
        storm_fail(w, "child %c is closed without QUIT", letter(p));
    if (p->of_session && !p->quit && !p->lost)
        storm_filter_failed(w, p, p->owed != 0 && p->negotiated);
    storm_mail_fini(&p->told);
    *p = (struct storm_peer){0};
}

/* ---- what it is told ---- */

static void new_message(struct storm_peer *p)
{
    struct buf body = p->told.body;
    buf_clear(&body);
    memset(&p->told, 0, sizeof(p->told));
    p->told.body = body;
    p->rank = RANK_HELO;
    p->told_mail = p->told_data = p->told_eoh = p->skips = p->skips_rcpt = p->skips_header = false;
}

static void check_order(struct storm *w, struct storm_peer *p, const struct command *c)
{
    const struct storm_filter *f = filter_of(w, p);
    if (p->owed)
        storm_fail(w, "child %c is told %c while it owes an answer to %c", letter(p), c->cmd, p->owed);
    if (!wants(p, c->cmd))
        storm_fail(w, "child %c is told %c, which it has switched off", letter(p), c->cmd);
    if (c->rank > RANK_CONNECT && wants(p, SMFIC_CONNECT) && !p->told_connect)
        storm_fail(w, "child %c is told %c before CONNECT", letter(p), c->cmd);
    if (c->rank == RANK_NONE)
        return;
    bool again = c->cmd == SMFIC_RCPT || c->cmd == SMFIC_HEADER || c->cmd == SMFIC_BODY || c->cmd == SMFIC_HELO;
    if (c->rank < p->rank || (c->rank == p->rank && !again && c->rank > RANK_HELO))
        storm_fail(w, "child %c is told %c too late or twice", letter(p), c->cmd);
    if (c->rank >= RANK_MAIL && wants(p, SMFIC_HELO) && w->any_helo && p->helo != w->helo)
        storm_fail(w, "child %c is told %c without the last HELO", letter(p), c->cmd);
    if (c->rank > RANK_MAIL && wants(p, SMFIC_MAIL) && !p->told_mail)
        storm_fail(w, "child %c is told %c before MAIL", letter(p), c->cmd);
    if (c->rank > RANK_RCPT && wants(p, SMFIC_RCPT) && p->told.recipients.n == 0 && !p->skips_rcpt)
        storm_fail(w, "child %c is told %c before RCPT", letter(p), c->cmd);
    if (c->rank > RANK_EOH && wants(p, SMFIC_EOH) && !p->told_eoh && w->original.headers.n > 1)
        storm_fail(w, "child %c is told %c before EOH", letter(p), c->cmd);
    if (c->rank >= RANK_MAIL && f->message.verdict != V_NONE)
        storm_fail(w, "child %c is told %c after its word on the message", letter(p), c->cmd);
    if (!w->in_message && c->rank >= RANK_MAIL)
        storm_fail(w, "child %c is told %c while there is no message", letter(p), c->cmd);
}

static void told_recipient(struct storm *w, struct storm_peer *p, const struct milter_command *c)
{
    storm_text(p->recipient, c->u.envelope.address);
    if (storm_find_recipient(&w->refused, p->recipient) >= 0)
        storm_fail(w, "child %c is told of %s, which was refused", letter(p), p->recipient);
    if (storm_find_recipient(&w->rejected, p->recipient) >= 0) {
        if (!(p->steps & SMFIP_RCPT_REJ))
            storm_fail(w, "child %c is told of %s, which the MTA has rejected", letter(p), p->recipient);
        return;
    }
    if (!storm_may_hear(w, filter_of(w, p), p->recipient))
        storm_fail(w, "child %c is told of %s, which is not its", letter(p), p->recipient);
    if (storm_find_recipient(&p->told.recipients, p->recipient) >= 0)
        storm_fail(w, "child %c is told of %s twice", letter(p), p->recipient);
    storm_add_recipient(&p->told.recipients, p->recipient);
}

static void told_header(struct storm_peer *p, const struct milter_command *c)
{
    struct storm_headers *h = &p->told.headers;
    struct buf value = {0};
    if (!(p->steps & SMFIP_HDR_LEADSPC))
        buf_put_byte(&value, ' ');
    buf_put_slice(&value, c->u.header.value);
    h->at[h->n].id = 1;
    storm_text(h->at[h->n].name, c->u.header.name);
    storm_text(h->at[h->n++].value, buf_slice(&value));
    buf_fini(&value);
}

/* One that does not get blanks cannot tell a value with one from one without. */
static void add_blanks(struct storm_headers *h)
{
    for (int i = 0; i < h->n; i++)
        if (h->at[i].value[0] != ' ') {
            memmove(h->at[i].value + 1, h->at[i].value, TEXT_BYTES - 1);
            h->at[i].value[0] = ' ';
        }
}

/* At the end of the message it must know the message as it is for it. */
static void check_message(struct storm *w, struct storm_peer *p)
{
    struct storm_filter *f = filter_of(w, p);
    struct storm_mail view = {0};
    storm_view(w, p->filter, &view);
    if (!(p->steps & SMFIP_HDR_LEADSPC))
        add_blanks(&view.headers);
    if (!storm_is_asked(w, f))
        storm_fail(w, "child %c is asked about a message that its condition does not mean", letter(p));
    if (wants(p, SMFIC_MAIL) && strcmp(view.sender, p->told.sender) != 0)
        storm_fail(w, "child %c knows sender %s, which is %s", letter(p), p->told.sender, view.sender);
    const char *differs =
        wants(p, SMFIC_HEADER) && !p->skips_header ? storm_headers_differ(&view.headers, &p->told.headers, false) : NULL;
    if (differs) {
        storm_log_headers(w, "want", &view.headers);
        storm_log_headers(w, "told", &p->told.headers);
        storm_fail(w, "child %c knows another header %s", letter(p), differs);
    }
    if (wants(p, SMFIC_BODY) && !p->skips &&
        (view.body.len != p->told.body.len ||
         memcmp(view.body.ptr ? view.body.ptr : "", p->told.body.ptr ? p->told.body.ptr : "", view.body.len) != 0))
        storm_fail(w, "child %c knows another body: %zu bytes, not %zu", letter(p), p->told.body.len, view.body.len);
    for (int i = 0; i < view.recipients.n && wants(p, SMFIC_RCPT) && !p->skips_rcpt; i++)
        if (storm_find_recipient(&p->told.recipients, view.recipients.at[i]) < 0 &&
            storm_may_hear(w, f, view.recipients.at[i]) && (f->when != WHEN_RCPT || view.recipients.at[i][1] != 'z'))
            storm_fail(w, "child %c does not know recipient %s", letter(p), view.recipients.at[i]);
    for (int i = 0; i < p->told.recipients.n; i++)
        if (storm_find_recipient(&view.recipients, p->told.recipients.at[i]) < 0 &&
            storm_find_recipient(&w->refused, p->told.recipients.at[i]) < 0)
            storm_fail(w, "child %c knows recipient %s, who is none", letter(p), p->told.recipients.at[i]);
    storm_mail_fini(&view);
}

static void take_command(struct storm *w, struct storm_peer *p, const struct milter_command *c)
{
    switch (c->cmd) {
    case SMFIC_CONNECT:
        p->told_connect = true;
        break;
    case SMFIC_HELO:
        p->helo = (unsigned)strtoul(c->u.helo.ptr + 1, NULL, 10);
        break;
    case SMFIC_MAIL:
        p->told_mail = true;
        storm_text(p->told.sender, c->u.envelope.address);
        break;
    case SMFIC_RCPT:
        if (p->skips_rcpt)
            storm_fail(w, "child %c is told a recipient after SKIP", letter(p));
        told_recipient(w, p, c);
        break;
    case SMFIC_HEADER:
        if (p->skips_header)
            storm_fail(w, "child %c is told a header after SKIP", letter(p));
        told_header(p, c);
        break;
    case SMFIC_EOH:
        p->told_eoh = true;
        break;
    case SMFIC_BODY:
        if (p->skips)
            storm_fail(w, "child %c gets more of a body after SKIP", letter(p));
        buf_put_slice(&p->told.body, c->u.body);
        break;
    case SMFIC_BODYEOB:
        buf_put_slice(&p->told.body, c->u.body);
        check_message(w, p);
        break;
    default:
        break;
    }
}

static void told_abort(struct storm *w, struct storm_peer *p)
{
    if (wants(p, SMFIC_MAIL) && !p->told_mail)
        storm_fail(w, "child %c is told ABORT outside a message", letter(p));
    if (p->owed) {
        p->late++;
        p->owed = 0;
    }
    new_message(p);
}

static void told(struct storm *w, struct storm_peer *p, const struct wire_packet *packet)
{
    struct milter_command c;
    if (milter_parse_command(packet, &c) != ERR_NONE)
        storm_fail(w, "child %c is told what cannot be understood", letter(p));
    if (p->quit)
        storm_fail(w, "child %c is told %c after QUIT", letter(p), c.cmd);
    if (c.cmd == SMFIC_MACRO)
        return;
    storm_log(w, "child %c told %c %.*s", letter(p), c.cmd, c.cmd == SMFIC_RCPT || c.cmd == SMFIC_HEADER ? 60 : 0,
              packet->body.ptr ? packet->body.ptr : "");
    if (c.cmd == SMFIC_QUIT) {
        p->quit = true;
        return;
    }
    if (!p->of_session)
        storm_fail(w, "child %c is told %c in a capability probe", letter(p), c.cmd);
    if (c.cmd == SMFIC_ABORT) {
        told_abort(w, p);
        return;
    }
    const struct command *command = command_of(c.cmd);
    check_order(w, p, command);
    if (command->rank)
        p->rank = command->rank;
    take_command(w, p, &c);
    if (c.cmd == SMFIC_BODYEOB || !(p->steps & command->nr)) {
        p->owed = c.cmd;
        p->due_ms = storm_random(w, 1000) * 3 < w->wild ? INT64_MAX : soon(w);
        p->excused |= p->due_ms == INT64_MAX || p->late > 0 || p->due_ms > w->now.mono.ms + 4000;
    }
}

static void told_options(struct storm *w, struct storm_peer *p, const struct wire_packet *packet)
{
    const struct storm_filter *f = filter_of(w, p);
    struct milter_options o;
    if (packet->cmd != SMFIC_OPTNEG || milter_parse_options(packet->body, &o) != ERR_NONE)
        storm_fail(w, "child %c is told something else before the negotiation", letter(p));
    p->version = f->version < o.version ? f->version : o.version;
    p->actions = f->actions & o.actions;
    p->steps = f->steps & o.steps;
    if (w->wild > 0 && storm_chance(w, 20)) { /* it is another one than it was */
        p->actions = storm_random(w, 256) & o.actions;
        p->steps = storm_random(w, SMFIP_HDR_LEADSPC << 1) & o.steps;
        filter_of(w, p)->vague = true;
    }
    p->excused |= f->vague;
    p->owed = SMFIC_OPTNEG;
    p->due_ms = storm_random(w, 1000) * 3 < w->wild ? INT64_MAX : soon(w);
}

void storm_child_told(struct storm *w, const struct effect *e)
{
    struct storm_peer *p = storm_peer(w, e->u.child.id);
    struct slice bytes = e->u.child.bytes;
    struct wire_packet packet;
    if (!p || !p->connected)
        storm_fail(w, "bytes for a child that is not connected");
    while (wire_next(&bytes, WIRE_PACKET_MAX_BYTES, &packet) == WIRE_OK) {
        if (p->negotiated || packet.cmd == SMFIC_QUIT)
            told(w, p, &packet);
        else
            told_options(w, p, &packet);
    }
    if (bytes.len > 0)
        storm_fail(w, "half a packet for child %c", letter(p));
}

/* ---- what it says ---- */

static void news(struct storm *w, struct storm_peer *p, enum child_news what, int error, struct slice bytes)
{
    struct event e = {.kind = EVENT_CHILD};
    e.u.child.id = p->id;
    e.u.child.news = what;
    e.u.child.error = error;
    e.u.child.bytes = bytes;
    storm_step(w, &e);
}

static void die(struct storm *w, struct storm_peer *p, int error)
{
    storm_log(w, "child %c dies", letter(p));
    p->lost = true;
    storm_filter_failed(w, p, p->owed != 0 || p->told_mail);
    news(w, p, CHILD_LOST, error, SLICE_NONE);
}

static void say(struct storm *w, struct storm_peer *p, struct buf *out)
{
    size_t cut = storm_chance(w, 30) ? storm_random(w, (unsigned)out->len) : 0;
    child_id id = p->id;
    if (cut > 0)
        news(w, p, CHILD_BYTES, 0, slice_upto(buf_slice(out), cut));
    if (p->id == id)
        news(w, p, CHILD_BYTES, 0, slice_from(buf_slice(out), cut));
    buf_fini(out);
}

/* Something that ends it. */
static void lie(struct storm *w, struct storm_peer *p)
{
    struct buf out = {0};
    p->excused = true;
    switch (storm_random(w, 5)) {
    case 0:
        milter_put_code(&out, 'Z');
        break;
    case 1:
        buf_put_cstr(&out, "\xff\xff\xff\xff garbage");
        break;
    case 2: /* an edit at the wrong time, or without the right */
        milter_put_header(&out, SMFIR_ADDHEADER, 0, SLICE_LIT("X-Lie"), SLICE_LIT("v"));
        milter_put_header(&out, SMFIR_CHGHEADER, 1, SLICE_LIT("X-Lie"), SLICE_LIT("v"));
        milter_put_code(&out, p->owed == SMFIC_BODYEOB ? 'Z' : SMFIR_CONTINUE);
        break;
    default:
        die(w, p, storm_chance(w, 500) ? ECONNRESET : 0);
        return;
    }
    storm_log(w, "child %c lies", letter(p));
    storm_filter_failed(w, p, true);
    say(w, p, &out);
}

static void put_edit(struct storm *w, struct storm_peer *p, struct storm_edits *edits, struct buf *out)
{
    static const char *const names[] = {"X-A", "X-B", "Subject", "X-C"};
    static const uint8_t codes[] = {SMFIR_ADDHEADER, SMFIR_INSHEADER, SMFIR_CHGHEADER,  SMFIR_CHGHEADER, SMFIR_ADDRCPT,
                                    SMFIR_DELRCPT,   SMFIR_CHGFROM,   SMFIR_QUARANTINE, SMFIR_INSHEADER, SMFIR_CHGHEADER};
    static const uint32_t actions[] = {SMFIF_ADDHDRS, SMFIF_ADDHDRS, SMFIF_CHGHDRS,    SMFIF_CHGHDRS, SMFIF_ADDRCPT,
                                       SMFIF_DELRCPT, SMFIF_CHGFROM, SMFIF_QUARANTINE, SMFIF_ADDHDRS, SMFIF_CHGHDRS};
    unsigned which = storm_random(w, 10);
    struct storm_edit *e = &edits->at[edits->n];
    if (!(p->actions & actions[which]))
        return;
    *e = (struct storm_edit){.code = codes[which], .index = storm_random(w, 6)};
    if (e->code == SMFIR_ADDHEADER || e->code == SMFIR_INSHEADER || e->code == SMFIR_CHGHEADER) {
        bool leadspc = p->steps & SMFIP_HDR_LEADSPC;
        strcpy(e->name, names[storm_random(w, 4)]);
        e->index = e->code == SMFIR_CHGHEADER ? storm_random(w, 4) : e->index;
        if (e->code != SMFIR_CHGHEADER || storm_chance(w, 600))
            snprintf(e->value, TEXT_BYTES, "%sv%d", leadspc && storm_chance(w, 200) ? "" : " ", ++w->next_id);
        milter_put_header(out, e->code, e->index, slice_cstr(e->name),
                          slice_cstr(e->value[0] && !leadspc ? e->value + 1 : e->value));
    } else if (e->code == SMFIR_QUARANTINE) {
        snprintf(e->name, TEXT_BYTES, "q%d", ++w->next_id);
        milter_put_reply(out, &(struct milter_reply){.code = e->code, .u.reason = slice_cstr(e->name)});
    } else {
        const struct storm_recipients *r = &p->told.recipients;
        if (e->code == SMFIR_DELRCPT && r->n > 0 && storm_chance(w, 700))
            strcpy(e->name, r->at[storm_random(w, (unsigned)r->n)]);
        else
            snprintf(e->name, TEXT_BYTES, "<z%u@example.net>", storm_random(w, 4));
        milter_put_reply(out, &(struct milter_reply){.code = e->code, .u.address = {slice_cstr(e->name), SLICE_NONE}});
    }
    storm_log(w, "child %c edits: %c %u %s:%s", letter(p), e->code, e->index, e->name, e->value);
    edits->n++;
}

static void put_edits(struct storm *w, struct storm_peer *p, struct storm_edits *edits, struct buf *out)
{
    struct buf body = edits->body;
    *edits = (struct storm_edits){.body = body};
    buf_clear(&edits->body);
    if (storm_chance(w, 400))
        return;
    unsigned n = storm_random(w, EDITS_MAX);
    for (unsigned i = 0; i < n; i++)
        put_edit(w, p, edits, out);
    for (unsigned i = storm_chance(w, 300) && (p->actions & SMFIF_CHGBODY) ? 1 + storm_random(w, 3) : 0; i > 0; i--) {
        size_t was = edits->body.len;
        edits->has_body = true;
        buf_printf(&edits->body, "new%d x\r\n", ++w->next_id);
        if (storm_chance(w, 30))
            for (unsigned k = 0; k < 4000; k++)
                buf_put_cstr(&edits->body, "0123456789");
        milter_put_reply(out,
                         &(struct milter_reply){.code = SMFIR_REPLBODY, .u.body = slice_from(buf_slice(&edits->body), was)});
    }
}

/* A verdict, with its packet behind what is there already. */
static void put_verdict(struct storm *w, struct storm_peer *p, unsigned how, enum storm_verdict *v, char *text,
                        struct buf *out)
{
    static const uint8_t codes[] = {[V_ACCEPT] = SMFIR_ACCEPT,
                                    [V_CONTINUE] = SMFIR_CONTINUE,
                                    [V_TEMPFAIL] = SMFIR_TEMPFAIL,
                                    [V_REJECT] = SMFIR_REJECT,
                                    [V_DISCARD] = SMFIR_DISCARD};
    bool is_rcpt_etc = p->owed == SMFIC_RCPT || p->owed == SMFIC_HEADER || p->owed == SMFIC_BODY;
    *v = V_CONTINUE;
    text[0] = '\0';
    if (how < 30) {
        *v = V_ACCEPT;
    } else if (how < 50) {
        *v = how < 40 ? V_REJECT : V_TEMPFAIL;
    } else if (how < 60 && p->owed != SMFIC_CONNECT && p->owed != SMFIC_HELO && p->owed != SMFIC_UNKNOWN) {
        *v = V_DISCARD;
    } else if (how < 85 && how >= 60) {
        bool hard = storm_chance(w, 500);
        *v = hard ? V_REJECT : V_TEMPFAIL;
        snprintf(text, TEXT_BYTES * 2, "%d %d.7.1 says %c %d", hard ? 550 : 450, hard ? 5 : 4, letter(p), ++w->next_id);
        milter_put_reply(out, &(struct milter_reply){.code = SMFIR_REPLYCODE, .u.replycode.text = slice_cstr(text)});
        return;
    } else if (how < 90 && how >= 85) {
        *v = V_TEMPFAIL;
        strcpy(text, "421 4.3.2 Service not available, try again later");
        milter_put_code(out, SMFIR_SHUTDOWN);
        return;
    } else if (how < 120 && how >= 90 && is_rcpt_etc) { /* negotiated or not */
        p->skips |= p->owed == SMFIC_BODY;
        p->skips_rcpt |= p->owed == SMFIC_RCPT;
        p->skips_header |= p->owed == SMFIC_HEADER;
        milter_put_code(out, SMFIR_SKIP);
        return;
    }
    milter_put_code(out, codes[*v]);
}

static void answer_options(struct storm *w, struct storm_peer *p)
{
    struct buf out = {0};
    if (storm_random(w, 1000) < w->wild) {
        lie(w, p);
        return;
    }
    p->negotiated = true;
    p->owed = 0;
    milter_put_options(&out, &(struct milter_options){.version = p->version, .actions = p->actions, .steps = p->steps});
    say(w, p, &out);
}

static void answer_late(struct storm *w, struct storm_peer *p)
{
    struct buf out = {0};
    p->late--;
    p->due_ms = soon(w);
    if (storm_chance(w, 300))
        milter_put_code(&out, SMFIR_PROGRESS);
    milter_put_code(&out, storm_chance(w, 500) ? SMFIR_CONTINUE : SMFIR_REJECT);
    say(w, p, &out);
}

static void answer(struct storm *w, struct storm_peer *p)
{
    struct storm_filter *f = filter_of(w, p);
    struct buf out = {0};
    enum storm_verdict v;
    char text[TEXT_BYTES * 2];
    uint8_t cmd = p->owed;
    if (storm_chance(w, 20)) {
        milter_put_code(&out, SMFIR_PROGRESS);
        p->due_ms = soon(w);
        say(w, p, &out);
        return;
    }
    if (storm_random(w, 1000) < w->wild) {
        lie(w, p);
        return;
    }
    if (cmd == SMFIC_BODYEOB)
        put_edits(w, p, &f->edits, &out);
    put_verdict(w, p, storm_random(w, w->calm ? 4000 : 1000), &v, text, &out);
    storm_log(w, "child %c says %d %s to %c (%d edits)", letter(p), v, text, cmd, cmd == SMFIC_BODYEOB ? f->edits.n : 0);
    p->owed = 0;
    if (cmd == SMFIC_BODYEOB)
        new_message(p);
    storm_answered(w, p, cmd, v, text);
    say(w, p, &out);
}

static void connect_it(struct storm *w, struct storm_peer *p)
{
    if (storm_random(w, 1000) < w->wild) {
        p->excused = true;
        die(w, p, ECONNREFUSED);
        return;
    }
    p->connected = true;
    news(w, p, CHILD_CONNECTED, 0, SLICE_NONE);
}

static void act(struct storm *w, struct storm_peer *p)
{
    if (!p->connected)
        connect_it(w, p);
    else if (p->owed == SMFIC_OPTNEG)
        answer_options(w, p);
    else if (p->late > 0)
        answer_late(w, p);
    else
        answer(w, p);
}

bool storm_children_act(struct storm *w)
{
    unsigned first = storm_random(w, PEERS_MAX);
    for (unsigned i = 0; i < PEERS_MAX; i++) {
        struct storm_peer *p = &w->peers[(first + i) % PEERS_MAX];
        if (!p->id || p->lost || p->quit || p->due_ms > w->now.mono.ms || (p->connected && !p->owed && !p->late))
            continue;
        act(w, p);
        return true;
    }
    return false;
}

/* One dies that nobody asks anything. */
void storm_children_idle(struct storm *w)
{
    struct storm_peer *p = &w->peers[storm_random(w, PEERS_MAX)];
    if (p->id && p->negotiated && !p->lost && !p->quit && !p->owed && p->of_session)
        die(w, p, 0);
}
