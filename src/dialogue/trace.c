/* trace.c - the table of traced clients, and the lines of their dialogues. */
#include "dialogue/trace.h"

#include "base/mem.h"
#include "dialogue/dialogue.h"
#include "grey/request.h"
#include "milter/reply.h"
#include "milter/wire.h"

#include <stdarg.h>

/* ---- the table ---- */

void traces_trim(struct traces *t, struct mono now)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < t->count; i++)
        if (t->clients[i].until.ms > now.ms)
            t->clients[kept++] = t->clients[i];
    t->count = kept;
}

static bool is_same(const struct trace_client *c, const struct ip *network, unsigned bits)
{
    return c->bits == bits && ip_eq(&c->network, network);
}

bool traces_add(struct traces *t, const struct trace_client *client)
{
    unsigned i = 0;
    while (i < t->count && !is_same(&t->clients[i], &client->network, client->bits))
        i++;
    if (i == TRACE_CLIENTS_MAX)
        return false;
    t->clients[i] = *client;
    if (i == t->count)
        t->count++;
    return true;
}

unsigned traces_remove(struct traces *t, const struct ip *network, unsigned bits)
{
    unsigned before = t->count, kept = 0;
    for (unsigned i = 0; i < before; i++)
        if (network->family != IP_NONE && !is_same(&t->clients[i], network, bits))
            t->clients[kept++] = t->clients[i];
    t->count = kept;
    return before - kept;
}

/* An entry may have ended, or been removed, while the connection lasts. */
static bool is_covered(const struct dialogue *d)
{
    const struct traces *t = &d->sh->traces;
    for (unsigned i = 0; i < t->count; i++) {
        const struct trace_client *c = &t->clients[i];
        if (c->until.ms > d->sh->now.mono.ms && ip_in(&d->client.ends.remote, &c->network, c->bits))
            return true;
    }
    return false;
}

/* ---- lines ---- */

void trace_begin(struct dialogue *d)
{
    if (d->sh->traces.count > 0 && is_covered(d))
        d->flags |= DIALOGUE_TRACED;
}

static bool is_traced(struct dialogue *d)
{
    if (!(d->flags & DIALOGUE_TRACED))
        return false;
    if (!is_covered(d))
        d->flags &= (uint16_t)~DIALOGUE_TRACED;
    return d->flags & DIALOGUE_TRACED;
}

/* By the connection's own name throughout, so that one search finds them all. */
void trace_line(struct dialogue *d, const char *fmt, ...)
{
    struct buf line = {0}, text = {0};
    va_list ap;
    if (!is_traced(d))
        return;
    d->flags |= DIALOGUE_NAMED;
    dialogue_put_connection(d, &line);
    buf_put_cstr(&line, ": trace: ");
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    buf_put_visible(&line, buf_slice(&text));
    buf_fini(&text);
    dialogue_write_line(d, LOG_LEVEL_NOTICE, &line);
}

static void put_arguments(const struct milter_command *c, struct buf *out)
{
    struct slice word, rest = c->u.envelope.esmtp;
    buf_put_slice(out, c->u.envelope.address);
    while (milter_next_string(&rest, &word)) {
        buf_put_byte(out, ' ');
        buf_put_slice(out, word);
    }
}

void trace_command(struct dialogue *d, const struct milter_command *c)
{
    struct buf text = {0};
    if (!is_traced(d))
        return;
    switch (c->cmd) {
    case SMFIC_CONNECT:
        buf_printf(&text, "%.*s[%.*s] port %u", SLICE_ARG(c->u.connect.host), SLICE_ARG(c->u.connect.address),
                   c->u.connect.port);
        break;
    case SMFIC_HELO:
        buf_put_slice(&text, c->u.helo);
        break;
    case SMFIC_MAIL:
    case SMFIC_RCPT:
        put_arguments(c, &text);
        break;
    case SMFIC_HEADER:
        buf_put_slice(&text, c->u.header.name);
        break;
    case SMFIC_BODY:
    case SMFIC_BODYEOB:
        buf_printf(&text, "%zu bytes", c->u.body.len);
        break;
    default: /* an unknown command may be anything, also a line of a message */
        break;
    }
    trace_line(d, "MTA: %s%s%.*s", milter_command_name(c->cmd), text.len ? " " : "", SLICE_ARG(buf_slice(&text)));
    buf_fini(&text);
}

static const char *reply_word(uint8_t code)
{
    static const struct {
        uint8_t code;
        const char *word;
    } words[] = {
        {SMFIR_ADDRCPT, "add recipient"},
        {SMFIR_ADDRCPT_PAR, "add recipient"},
        {SMFIR_DELRCPT, "delete recipient"},
        {SMFIR_ACCEPT, "accept"},
        {SMFIR_REPLBODY, "replace body"},
        {SMFIR_CONTINUE, "continue"},
        {SMFIR_DISCARD, "discard"},
        {SMFIR_CHGFROM, "change sender"},
        {SMFIR_ADDHEADER, "add header"},
        {SMFIR_INSHEADER, "insert header"},
        {SMFIR_CHGHEADER, "change header"},
        {SMFIR_PROGRESS, "progress"},
        {SMFIR_QUARANTINE, "quarantine"},
        {SMFIR_REJECT, "reject"},
        {SMFIR_SKIP, "skip"},
        {SMFIR_TEMPFAIL, "tempfail"},
        {SMFIR_REPLYCODE, "reply"},
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].code == code)
            return words[i].word;
    return "unknown";
}

void trace_replies(struct dialogue *d, struct slice packets)
{
    struct wire_packet p;
    if (!is_traced(d))
        return;
    while (wire_next(&packets, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK) {
        struct slice rest = p.body, text = SLICE_NONE;
        if (p.cmd == SMFIR_REPLYCODE)
            (void)milter_next_string(&rest, &text);
        trace_line(d, "answer: %s%s%.*s", reply_word(p.cmd), text.len ? " " : "", SLICE_ARG(text));
    }
}

uint32_t trace_question(struct dialogue *d, int grey_request_kind, uint32_t request)
{
    static const char *const words[] = {
        [GREY_LOOK] = "look", [GREY_DECIDE] = "decide", [GREY_PASS] = "pass",   [GREY_CONFIRM] = "confirm",
        [GREY_LEFT] = "left", [GREY_RENEW] = "renew",   [GREY_PROVE] = "prove",
    };
    trace_line(d, "question %u to the store: %s", request, words[grey_request_kind]);
    return request;
}

void trace_answer(struct dialogue *d, const struct event *event)
{
    static const char *const states[] = {"new", "pending", "due", "auto"};
    static const char *const found[] = {"found", "absent", "failed"};
    if (event->kind == EVENT_DNS)
        trace_line(d, "DNS answers question %u: %s", event->request, found[event->u.dns.status]);
    else if (event->u.answer->failed)
        trace_line(d, "store answers question %u: failed", event->request);
    else
        trace_line(d, "store answers question %u: %s%s", event->request, states[event->u.answer->state],
                   event->u.answer->patient ? ", patient" : "");
}
