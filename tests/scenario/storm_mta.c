/* storm_mta.c - the played MTA: what it says, about as Postfix would, at random. */
#include "storm.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX_SECONDS = 4000 };

static void leave(struct storm *w)
{
    struct buf out = {0};
    if (w->closed)
        return;
    if (storm_chance(w, 300)) {
        storm_log(w, "mta   EOF");
        storm_step(w, &(struct event){.kind = EVENT_EOF, .owner = w->session});
    } else {
        storm_log(w, "mta   QUIT");
        milter_put_command(&out, &(struct milter_command){.cmd = SMFIC_QUIT});
        storm_step(w, &(struct event){.kind = EVENT_BYTES, .owner = w->session, .u.bytes = buf_slice(&out)});
        buf_fini(&out);
    }
    if (!w->closed)
        storm_fail(w, "the end of the MTA is not the session's");
}

static void reload(struct storm *w)
{
    storm_log(w, "reload");
    w->reloaded = true;
    storm_step(w, &(struct event){.kind = EVENT_PLAN, .u.plan = storm_plan(w)});
    storm_step(w, &(struct event){.kind = EVENT_PROBE});
}

static void wait_reply(struct storm *w)
{
    int64_t since_ms = w->now.mono.ms;
    while (w->owed && !w->closed) {
        if (storm_chance(w, 1)) {
            leave(w);
            return;
        }
        storm_live(w);
        if (w->now.mono.ms - since_ms > ANSWER_MAX_SECONDS * 1000LL)
            storm_fail(w, "no answer to %c", w->command);
    }
}

/* False: the dialogue is over. */
static bool send_packets(struct storm *w, struct buf *out, uint8_t cmd, bool is_answered)
{
    if (w->closed) {
        buf_fini(out);
        return false;
    }
    w->command = cmd;
    w->owed = is_answered;
    w->reply = (struct said){V_CONTINUE, ""};
    storm_log(w, "mta   %c", cmd);
    size_t cut = storm_chance(w, 20) ? storm_random(w, (unsigned)out->len) : 0;
    struct event e = {.kind = EVENT_BYTES, .owner = w->session, .u.bytes = slice_upto(buf_slice(out), cut)};
    if (cut > 0)
        storm_step(w, &e);
    e.u.bytes = slice_from(buf_slice(out), cut);
    storm_step(w, &e);
    buf_fini(out);
    wait_reply(w);
    for (unsigned i = storm_chance(w, 100) ? storm_random(w, 20) : 0; i > 0 && !w->closed; i--)
        storm_live(w);
    if (!w->closed && storm_chance(w, 3))
        leave(w);
    if (!w->closed && storm_chance(w, 4))
        reload(w);
    return !w->closed;
}

static bool send_command(struct storm *w, const struct milter_command *c, bool is_answered)
{
    struct buf out = {0};
    milter_put_command(&out, c);
    return send_packets(w, &out, c->cmd, is_answered);
}

/* A command whose step the MTA may have been told to leave out. */
static bool send_step(struct storm *w, const struct milter_command *c, uint32_t no_step)
{
    w->reply = (struct said){V_CONTINUE, ""};
    w->skip = false;
    return w->granted.steps & no_step ? !w->closed : send_command(w, c, true);
}

static bool refused(const struct storm *w)
{
    return w->reply.verdict >= V_TEMPFAIL;
}

static bool say_helo(struct storm *w)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof(text), "h%u", ++w->helo);
    w->any_helo = true;
    if (w->in_message)
        storm_clear_message(w);
    w->in_message = false;
    return send_step(w, &(struct milter_command){.cmd = SMFIC_HELO, .u.helo = slice_cstr(text)}, SMFIP_NOHELO);
}

static bool say_unknown(struct storm *w)
{
    for (int i = 0; i < w->n_filters; i++)
        w->filters[i].unknown.verdict = V_NONE;
    return send_step(w, &(struct milter_command){.cmd = SMFIC_UNKNOWN, .u.unknown = SLICE_LIT("XYZZY")}, SMFIP_NOUNKNOWN);
}

static bool say_options(struct storm *w)
{
    struct buf out = {0};
    uint32_t steps = w->leadspc ? MILTER_STEPS_ALL : MILTER_STEPS_ALL & ~(uint32_t)SMFIP_HDR_LEADSPC;
    milter_put_options(&out, &(struct milter_options){.version = 6, .actions = SMFIF_ALL, .steps = steps});
    return send_packets(w, &out, SMFIC_OPTNEG, true);
}

static bool say_connect(struct storm *w)
{
    struct buf out = {0};
    struct milter_command c = {.cmd = SMFIC_CONNECT};
    c.u.connect.host = SLICE_LIT("mx.example.org");
    c.u.connect.family = MILTER_FAMILY_INET;
    c.u.connect.port = 1234;
    c.u.connect.address = w->remote ? SLICE_LIT("192.0.2.7") : SLICE_LIT("10.0.0.1");
    w->whole_over = w->in_message = w->any_helo = false;
    w->helo = 0;
    storm_clear_connection(w);
    if (!(w->granted.steps & SMFIP_NOCONNECT))
        wire_put(&out, SMFIC_MACRO, SLICE_LIT("Cj\0mx\0v\0Postfix 3.7\0{daemon_addr}\000192.0.2.1\0{daemon_port}\00025\0"));
    milter_put_command(&out, &c);
    return send_packets(w, &out, SMFIC_CONNECT, true);
}

/* ---- a message ---- */

static void make_message(struct storm *w)
{
    static const char *const names[] = {"Subject", "X-A", "X-B", "From"};
    struct storm_mail *m = &w->original;
    m->recipients.n = 0;
    m->quarantine[0] = '\0';
    snprintf(m->sender, TEXT_BYTES, "<s%d@example.org>", ++w->next_id);
    m->headers.n = 1;
    m->headers.at[0] = (struct storm_header){.id = 0, .name = "Received", .value = " own"};
    for (unsigned i = storm_random(w, 6); i > 0; i--) {
        struct storm_header *h = &m->headers.at[m->headers.n++];
        *h = (struct storm_header){.id = ++w->next_id};
        strcpy(h->name, names[storm_random(w, 4)]);
        snprintf(h->value, TEXT_BYTES, "%s%s%d", w->leadspc && storm_chance(w, 150) ? "  " : " ",
                 storm_chance(w, 300) ? "x" : "o", w->next_id);
    }
    buf_clear(&m->body);
    for (unsigned i = storm_random(w, 4); i > 0; i--)
        buf_printf(&m->body, "line %d %s\r\n", ++w->next_id, storm_chance(w, 200) ? "x" : "o");
    if (storm_chance(w, 15))
        /* few lines, for the oracle does not count what regexes may cost */
        for (unsigned i = 2500 + storm_random(w, 5000); i > 0; i--)
            buf_put_cstr(&m->body, "0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
}

static bool say_rcpt(struct storm *w)
{
    static const char kinds[] = "bbbccx";
    struct buf out = {0};
    struct milter_command c = {.cmd = SMFIC_RCPT};
    char kind = kinds[storm_random(w, 6)];
    for (int i = 0; i < w->n_filters; i++)
        w->filters[i].recipient.verdict = V_NONE;
    snprintf(w->recipient, TEXT_BYTES, "<%c%d@example.net>", kind == 'x' && !w->greylist ? 'c' : kind, ++w->next_id);
    w->recipient_rejected = storm_chance(w, 60);
    if (w->recipient_rejected) {
        if (!(w->granted.steps & SMFIP_RCPT_REJ))
            return true;
        storm_add_recipient(&w->rejected, w->recipient);
        wire_put(&out, SMFIC_MACRO, SLICE_LIT("R{rcpt_mailer}\0error\0{rcpt_host}\0005.1.1\0{rcpt_addr}\0no\0"));
    }
    c.u.envelope.address = slice_cstr(w->recipient);
    milter_put_command(&out, &c);
    if (!send_packets(w, &out, SMFIC_RCPT, true))
        return false;
    if (w->recipient_rejected)
        w->reply = (struct said){V_REJECT, ""};
    w->recipient_rejected = false;
    return true;
}

/* RSET, or a message that is over for the MTA, after which it may say nothing. */
static bool reset(struct storm *w)
{
    if (storm_chance(w, 250))
        return !w->closed;
    if (w->in_message)
        storm_clear_message(w);
    w->in_message = false;
    return send_command(w, &(struct milter_command){.cmd = SMFIC_ABORT}, false);
}

/* False: the message is over. */
static bool say_body(struct storm *w, size_t *from)
{
    const struct buf *body = &w->original.body;
    w->skip = false;
    while (*from < body->len && !w->skip) {
        size_t n = body->len - *from, most = storm_chance(w, 500) ? 65535 : 1 + storm_random(w, 65535);
        n = n < most ? n : most;
        if (n == body->len - *from && storm_chance(w, 300))
            return true; /* with the end */
        struct milter_command c = {.cmd = SMFIC_BODY, .u.body = slice_upto(slice_from(buf_slice(body), *from), n)};
        *from += n;
        if (!send_step(w, &c, SMFIP_NOBODY) || refused(w) || w->reply.verdict == V_ACCEPT)
            return false;
    }
    if (w->skip || (w->granted.steps & SMFIP_NOBODY))
        *from = body->len;
    return true;
}

static bool say_content(struct storm *w)
{
    for (int i = 1; i < w->original.headers.n; i++) {
        const struct storm_header *h = &w->original.headers.at[i];
        struct milter_command c = {.cmd = SMFIC_HEADER};
        c.u.header.name = slice_cstr(h->name);
        c.u.header.value = slice_cstr(w->granted.steps & SMFIP_HDR_LEADSPC ? h->value : h->value + 1);
        if (w->granted.steps & SMFIP_NOHDRS)
            break;
        if (!send_command(w, &c, !(w->granted.steps & SMFIP_NR_HDR)) || refused(w) || w->reply.verdict == V_ACCEPT)
            return false;
    }
    if (!send_step(w, &(struct milter_command){.cmd = SMFIC_EOH}, SMFIP_NOEOH) || refused(w) || w->reply.verdict == V_ACCEPT)
        return false;
    size_t from = 0;
    if (!say_body(w, &from))
        return false;
    struct milter_command end = {.cmd = SMFIC_BODYEOB, .u.body = slice_from(buf_slice(&w->original.body), from)};
    storm_mail_copy(&w->mail, &w->original);
    w->body_replaced = false;
    bool goes_on = send_command(w, &end, true);
    storm_clear_message(w);
    w->in_message = false;
    return goes_on;
}

/* MAIL and RCPTs. False: there is no more to this message. */
static bool say_envelope(struct storm *w)
{
    if (w->in_message)
        storm_clear_message(w);
    make_message(w);
    w->in_message = true;
    w->messages++;
    struct milter_command c = {.cmd = SMFIC_MAIL, .u.envelope.address = slice_cstr(w->original.sender)};
    if (!send_step(w, &c, SMFIP_NOMAIL) || w->reply.verdict == V_ACCEPT || w->reply.verdict == V_DISCARD)
        return false;
    if (refused(w) && storm_chance(w, 700))
        return false;
    for (unsigned i = storm_random(w, 5); i > 0; i--) {
        if (!say_rcpt(w) || w->reply.verdict == V_ACCEPT || w->reply.verdict == V_DISCARD)
            return false;
        if (storm_chance(w, 10) && !say_unknown(w))
            return false;
    }
    return w->original.recipients.n > 0 || storm_chance(w, 50);
}

static bool say_message(struct storm *w)
{
    if (!say_envelope(w) || storm_chance(w, 30))
        return reset(w);
    if (!send_step(w, &(struct milter_command){.cmd = SMFIC_DATA}, SMFIP_NODATA) || w->reply.verdict == V_ACCEPT)
        return reset(w);
    if (refused(w)) {
        if (w->reply.verdict == V_DISCARD || !storm_chance(w, 150))
            return reset(w);
        if (!say_rcpt(w) || !send_step(w, &(struct milter_command){.cmd = SMFIC_DATA}, SMFIP_NODATA) ||
            w->reply.verdict == V_ACCEPT || refused(w))
            return reset(w);
    }
    say_content(w);
    return w->in_message ? reset(w) : !w->closed;
}

/* ---- a dialogue ---- */

static void talk(struct storm *w)
{
    if (!say_connect(w))
        return;
    w->whole_over |= w->reply.verdict == V_ACCEPT;
    if ((refused(w) || w->whole_over) && storm_chance(w, 800))
        return;
    if (storm_chance(w, 950) && !say_helo(w))
        return;
    w->whole_over |= w->reply.verdict == V_ACCEPT;
    if ((refused(w) || w->whole_over) && storm_chance(w, 800))
        return;
    for (unsigned i = 1 + storm_random(w, 3); i > 0; i--) {
        if (!say_message(w))
            return;
        if (storm_chance(w, 50) && !say_helo(w))
            return;
        w->whole_over |= w->command == SMFIC_HELO && w->reply.verdict == V_ACCEPT;
        if (storm_chance(w, 50) && !say_unknown(w))
            return;
    }
}

/* Another client's connection follows on this one. */
static bool say_next_client(struct storm *w)
{
    w->remote = storm_chance(w, 700);
    return !w->closed && !w->gone && send_command(w, &(struct milter_command){.cmd = SMFIC_QUIT_NC}, false);
}

void storm_talk(struct storm *w)
{
    if (say_options(w))
        do
            talk(w);
        while (storm_chance(w, 60) && say_next_client(w));
    leave(w);
}
