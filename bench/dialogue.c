/* dialogue.c - the MTA's side of one milter connection. The order of the steps is the table below. */
#include "dialogue.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_CHUNK_BYTES = 65535, OFFERED_STEPS = 0x1fffff };

/* What Postfix 3.7 sends where a filter names no list of its own. */
static const char *const default_symlist[SMFIM_STAGES] = {
    [SMFIM_CONNECT] = "j {daemon_name} {daemon_addr} v _",
    [SMFIM_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    [SMFIM_ENVFROM] = "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    [SMFIM_ENVRCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    [SMFIM_DATA] = "i",
    [SMFIM_EOM] = "i",
    [SMFIM_EOH] = "i",
};

enum {
    STEP_OPTNEG,
    STEP_CONNECT,
    STEP_HELO,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_HEADER,
    STEP_EOH,
    STEP_BODY,
    STEP_EOM,
    STEP_QUIT
};

static const struct step {
    uint8_t cmd;
    uint32_t unsent;  /* the filter does not want it */
    uint32_t unheard; /* the filter does not answer it */
    bool bare_macros; /* macros are sent even when the command is not */
} steps[] = {
    [STEP_OPTNEG] = {SMFIC_OPTNEG, 0, 0, false},
    [STEP_CONNECT] = {SMFIC_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN, true},
    [STEP_HELO] = {SMFIC_HELO, SMFIP_NOHELO, SMFIP_NR_HELO, true},
    [STEP_MAIL] = {SMFIC_MAIL, SMFIP_NOMAIL, SMFIP_NR_MAIL, true},
    [STEP_RCPT] = {SMFIC_RCPT, SMFIP_NORCPT, SMFIP_NR_RCPT, true},
    [STEP_DATA] = {SMFIC_DATA, SMFIP_NODATA, SMFIP_NR_DATA, true},
    [STEP_HEADER] = {SMFIC_HEADER, SMFIP_NOHDRS, SMFIP_NR_HDR, false},
    [STEP_EOH] = {SMFIC_EOH, SMFIP_NOEOH, SMFIP_NR_EOH, false},
    [STEP_BODY] = {SMFIC_BODY, SMFIP_NOBODY, SMFIP_NR_BODY, false},
    [STEP_EOM] = {SMFIC_BODYEOB, 0, 0, true},
    [STEP_QUIT] = {SMFIC_QUIT, 0, 0, false},
};

/* Facts of the client. */

static void client_name(const struct dialogue *d, const struct dialogue_settings *s, char out[TUPLE_TEXT_MAX])
{
    if (s->kind == DIALOGUE_ORDINARY)
        snprintf(out, TUPLE_TEXT_MAX, "mx.d%u.example.org", d->client & 0xffff);
    else
        snprintf(out, TUPLE_TEXT_MAX, "dhcp-%u-%u.isp.example", d->client >> 8 & 255, d->client & 255);
}

/* The value of a macro, without its braces; false when Postfix would not have it now. */
static bool macro_value(const struct dialogue *d, const struct dialogue_settings *s, struct slice name, char out[256])
{
    char a[TUPLE_TEXT_MAX], b[16];
    out[0] = '\0';
    if (slice_eq_cstr(name, "j")) {
        snprintf(out, 256, "%.*s", SLICE_ARG(s->host));
    } else if (slice_eq_cstr(name, "v")) {
        snprintf(out, 256, "Postfix 3.7.11");
    } else if (slice_eq_cstr(name, "i")) {
        snprintf(out, 256, "4Bench%llu", (unsigned long long)d->tuple);
        return d->queue_id;
    } else if (slice_eq_cstr(name, "_")) {
        client_name(d, s, a);
        tuple_address(d->client, b);
        snprintf(out, 256, "%s [%s]", a, b);
    } else if (slice_eq_cstr(name, "client_name") || slice_eq_cstr(name, "client_ptr")) {
        client_name(d, s, out);
    } else if (slice_eq_cstr(name, "client_addr")) {
        tuple_address(d->client, out);
    } else if (slice_eq_cstr(name, "client_port")) {
        snprintf(out, 256, "%u", d->client_port);
    } else if (slice_eq_cstr(name, "client_resolve")) {
        snprintf(out, 256, "OK");
    } else if (slice_eq_cstr(name, "client_connections")) {
        snprintf(out, 256, "1");
    } else if (slice_eq_cstr(name, "daemon_addr")) {
        snprintf(out, 256, "%s", s->daemon_address);
    } else if (slice_eq_cstr(name, "daemon_port")) {
        snprintf(out, 256, "%u", s->daemon_port);
    } else if (slice_eq_cstr(name, "daemon_name")) {
        snprintf(out, 256, "%.*s", SLICE_ARG(s->host));
    } else if (slice_eq_cstr(name, "mail_addr")) {
        tuple_sender(d->tuple, a);
        snprintf(out, 256, "%.*s", (int)strlen(a) - 2, a + 1);
    } else if (slice_eq_cstr(name, "rcpt_addr")) {
        tuple_recipient(d->tuple, d->round, a);
        snprintf(out, 256, "%.*s", (int)strlen(a) - 2, a + 1);
    } else if (slice_eq_cstr(name, "mail_host") || slice_eq_cstr(name, "rcpt_host")) {
        snprintf(out, 256, "example.net");
    } else if (slice_eq_cstr(name, "mail_mailer") || slice_eq_cstr(name, "rcpt_mailer")) {
        snprintf(out, 256, "smtp");
    } else {
        return false; /* TLS, authentication: these clients have none */
    }
    return true;
}

/* A packet for the command even when it holds no macro: Postfix sends it so. */
static void put_macros(const struct dialogue *d, const struct dialogue_settings *s, uint8_t cmd, struct buf *out)
{
    enum milter_stage stage = milter_stage_of_command(cmd);
    struct slice list = d->terms->options.symlist[stage];
    if (list.len == 0) /* not named, or empty: Postfix takes its own */
        list = slice_cstr(default_symlist[stage]);
    size_t mark = wire_begin(out, SMFIC_MACRO);
    buf_put_byte(out, (char)cmd);
    while (list.ptr) {
        struct slice name = slice_cut(&list, ' ');
        char value[256];
        if (name.len == 0 || !macro_value(d, s, slice_trim(name, "{}"), value))
            continue;
        wire_put_string(out, name);
        buf_put(out, value, strlen(value) + 1);
    }
    wire_end(out, mark);
}

/* Commands. */

static size_t chunk_bytes(const struct dialogue *d, const struct dialogue_settings *s)
{
    size_t rest = s->body_bytes - (size_t)d->round * BODY_CHUNK_BYTES;
    return rest < BODY_CHUNK_BYTES ? rest : BODY_CHUNK_BYTES;
}

static void put_chunk(struct buf *out, size_t bytes)
{
    static const char line[] = "It was a dark and stormy night; the rain fell in torrents, except\r\n";
    size_t mark = wire_begin(out, SMFIC_BODY);
    while (bytes > 0) {
        size_t n = bytes < sizeof(line) - 1 ? bytes : sizeof(line) - 1;
        buf_put(out, line, n);
        bytes -= n;
    }
    wire_end(out, mark);
}

static void put_command(const struct dialogue *d, const struct dialogue_settings *s, struct buf *out)
{
    char a[TUPLE_TEXT_MAX], b[TUPLE_TEXT_MAX];
    struct milter_command c = {.cmd = steps[d->step].cmd};
    switch (d->step) {
    case STEP_CONNECT:
        client_name(d, s, a);
        tuple_address(d->client, b);
        c.u.connect.host = slice_cstr(a);
        c.u.connect.family = MILTER_FAMILY_INET;
        c.u.connect.port = d->client_port;
        c.u.connect.address = slice_cstr(b);
        break;
    case STEP_HELO:
        client_name(d, s, a);
        c.u.helo = slice_cstr(a);
        break;
    case STEP_MAIL:
        tuple_sender(d->tuple, a);
        c.u.envelope.address = slice_cstr(a);
        c.u.envelope.esmtp = SLICE_LIT("SIZE=2048\0");
        break;
    case STEP_RCPT:
        tuple_recipient(d->tuple, d->round, a);
        c.u.envelope.address = slice_cstr(a);
        break;
    case STEP_HEADER:
        snprintf(a, sizeof(a), "X-Header-%u", d->round);
        c.u.header.name = d->round == 0 ? SLICE_LIT("Subject") : slice_cstr(a);
        c.u.header.value = SLICE_LIT("a value of some length, as headers have it");
        break;
    case STEP_BODY:
        put_chunk(out, chunk_bytes(d, s));
        return;
    default:
        break;
    }
    milter_put_command(out, &c);
}

/* How often a step is done. */
static unsigned rounds_of(const struct dialogue *d, const struct dialogue_settings *s)
{
    bool message = s->message && d->accepted > 0;
    switch (d->step) {
    case STEP_RCPT:
        return s->recipients;
    case STEP_HEADER:
        return message ? s->headers : 0;
    case STEP_BODY:
        return message ? (unsigned)((s->body_bytes + BODY_CHUNK_BYTES - 1) / BODY_CHUNK_BYTES) : 0;
    case STEP_DATA:
    case STEP_EOH:
    case STEP_EOM:
        return message;
    default:
        return 1;
    }
}

static void next_step(struct dialogue *d)
{
    d->step++;
    d->round = 0;
}

/* Put QUIT, with ABORT before it when a mail transaction is open: that is how Postfix ends. */
static enum dialogue_next end(struct dialogue *d, bool in_mail, struct buf *out)
{
    if (in_mail)
        wire_put(out, SMFIC_ABORT, SLICE_NONE);
    wire_put(out, SMFIC_QUIT, SLICE_NONE);
    d->step = STEP_QUIT;
    return DIALOGUE_END;
}

/* Put everything up to the next command that is answered. */
static enum dialogue_next advance(struct dialogue *d, const struct dialogue_settings *s, struct buf *out)
{
    for (;; d->round++) {
        while (d->step < STEP_QUIT && d->round >= rounds_of(d, s))
            next_step(d);
        if (d->step >= STEP_QUIT)
            return end(d, true, out); /* no message was sent, or the filter answers none of it */
        const struct step *step = &steps[d->step];
        bool sent = !(d->terms->options.steps & step->unsent);
        if (sent || step->bare_macros)
            put_macros(d, s, step->cmd, out);
        if (sent)
            put_command(d, s, out);
        if (sent && !(d->terms->options.steps & step->unheard))
            return DIALOGUE_WAIT;
        if (d->step == STEP_RCPT) { /* nobody objects */
            d->accepted++;
            d->queue_id = true;
        }
    }
}

void dialogue_begin(struct dialogue *d, const struct dialogue_settings *s, uint64_t tuple, uint16_t client_port,
                    struct buf *out)
{
    *d = (struct dialogue){.tuple = tuple, .client = tuple_client(tuple, s->clients), .client_port = client_port};
    const struct milter_options offer = {.version = MILTER_VERSION, .actions = SMFIF_ALL, .steps = OFFERED_STEPS};
    milter_put_options(out, &offer);
}

bool dialogue_at_rcpt(const struct dialogue *d)
{
    return d->step == STEP_RCPT;
}

/* Replies. */

/* The terms of this answer; NULL when it is no answer to our offer. */
static const struct dialogue_terms *terms_of(struct dialogue_terms **newest, struct slice answer)
{
    for (const struct dialogue_terms *t = *newest; t; t = t->next)
        if (slice_eq(answer, buf_slice(&t->packet)))
            return t;
    struct dialogue_terms *t = mem_zalloc(sizeof(*t));
    buf_put_slice(&t->packet, answer);
    if (milter_parse_options(buf_slice(&t->packet), &t->options) != ERR_NONE || t->options.version < MILTER_VERSION_MIN ||
        t->options.version > MILTER_VERSION) {
        buf_fini(&t->packet);
        free(t);
        return NULL;
    }
    t->next = *newest;
    *newest = t;
    return t;
}

void dialogue_terms_free(struct dialogue_terms *newest)
{
    while (newest) {
        struct dialogue_terms *t = newest;
        newest = t->next;
        buf_fini(&t->packet);
        free(t);
    }
}

static enum dialogue_next take_options(struct dialogue *d, const struct dialogue_settings *s, struct dialogue_terms **terms,
                                       const struct wire_packet *p, struct buf *out)
{
    d->terms = p->cmd == SMFIC_OPTNEG ? terms_of(terms, p->body) : NULL;
    if (!d->terms)
        return DIALOGUE_BAD;
    next_step(d);
    return advance(d, s, out);
}

static enum dialogue_answer answer_of(const struct milter_reply *r)
{
    switch (r->code) {
    case SMFIR_CONTINUE:
    case SMFIR_SKIP:
        return ANSWER_CONTINUE;
    case SMFIR_ACCEPT:
        return ANSWER_ACCEPT;
    case SMFIR_TEMPFAIL:
        return ANSWER_451;
    case SMFIR_SHUTDOWN:
        return ANSWER_421;
    case SMFIR_REPLYCODE:
        return r->u.replycode.status == 421 ? ANSWER_421 : r->u.replycode.status == 451 ? ANSWER_451 : ANSWER_OTHER;
    default:
        return ANSWER_OTHER;
    }
}

static bool is_edit(uint8_t code)
{
    switch (code) {
    case SMFIR_ADDRCPT:
    case SMFIR_DELRCPT:
    case SMFIR_ADDRCPT_PAR:
    case SMFIR_REPLBODY:
    case SMFIR_CHGFROM:
    case SMFIR_ADDHEADER:
    case SMFIR_INSHEADER:
    case SMFIR_CHGHEADER:
    case SMFIR_QUARANTINE:
        return true;
    default:
        return false;
    }
}

enum dialogue_next dialogue_take(struct dialogue *d, const struct dialogue_settings *s, struct dialogue_terms **terms,
                                 struct dialogue_counts *counts, const struct wire_packet *p, struct buf *out)
{
    if (d->step == STEP_OPTNEG)
        return take_options(d, s, terms, p, out);
    struct milter_reply r;
    if (d->step >= STEP_QUIT || milter_parse_reply(p, &r) != ERR_NONE)
        return DIALOGUE_BAD;
    if (r.code == SMFIR_PROGRESS || is_edit(r.code)) {
        *(r.code == SMFIR_PROGRESS ? &counts->progress : &counts->edits) += 1;
        return DIALOGUE_WAIT;
    }
    enum dialogue_answer answer = answer_of(&r);
    counts->replies++;
    counts->all[answer]++;
    counts->rcpt[answer] += d->step == STEP_RCPT;
    counts->messages += d->step == STEP_EOM;
    if (answer == ANSWER_ACCEPT)
        counts->accept_at = steps[d->step].cmd;

    if (answer == ANSWER_421)
        return DIALOGUE_END; /* Postfix hangs up on both sides: no QUIT */
    if (answer == ANSWER_ACCEPT && d->step < STEP_MAIL)
        return DIALOGUE_END; /* the session is free; the milter is closed */
    if (d->step == STEP_EOM || answer == ANSWER_ACCEPT)
        return end(d, d->step != STEP_EOM, out);
    if (answer != ANSWER_CONTINUE && d->step < STEP_MAIL)
        return DIALOGUE_END; /* the refusal is kept for MAIL; the milter is closed */
    if (answer != ANSWER_CONTINUE && d->step != STEP_RCPT)
        return end(d, true, out);
    if (d->step == STEP_RCPT && answer == ANSWER_CONTINUE) {
        d->accepted++;
        d->queue_id = true;
    }
    if (r.code == SMFIR_SKIP && d->step == STEP_BODY)
        next_step(d);
    else
        d->round++;
    return advance(d, s, out);
}
