/*
 * mta_content.c - the mail that an MTA sends through: its recipients and content as they go out, what edits make of it, and
 * whether it is delivered in the end.
 */
#include "world.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void mta_begin_mail(struct world *w, struct conn *c, const char *sender)
{
    struct message *m = arena_zalloc(&w->arena, sizeof(*m));
    message_init(m, &w->arena);
    m->next = w->messages;
    w->messages = m;
    m->sender = sender;
    c->sender = sender;
    c->sender_known = true;
    c->mail = m;
    if (mta_option(c, "bcc"))
        message_add_recipient(m, slice_cstr(mta_option(c, "bcc"))); /* its own, which it names to no filter (always_bcc) */
    c->delivered = NULL;
    c->discarded = false;
    children_new_message(w, c->id);
}

void mta_recipient_passed(struct conn *c)
{
    c->accepted++;
    if (c->mail)
        message_add_recipient(c->mail, slice_cstr(c->recipient));
}

/* ---- sending ---- */

void mta_data(struct world *w, struct conn *c, const struct mta_step *s)
{
    if ((c->accepted > 0 || (s->n_args > 0 && strcmp(s->args[0], "anyway") == 0)) && c->version >= 4)
        (void)mta_send_command(w, c, &(struct milter_command){.cmd = SMFIC_DATA}, SMFIP_NODATA, SMFIP_NR_DATA);
}

static void put_in_front(struct world *w, struct conn *c, const struct mta_step *steps, unsigned n)
{
    c->queue = mem_grow(c->queue, &c->cap_queue, c->n_queue + n, sizeof(*c->queue));
    memmove(c->queue + n, c->queue, c->n_queue * sizeof(*c->queue));
    memcpy(c->queue, steps, n * sizeof(*steps));
    for (unsigned i = 0; i < n; i++)
        c->queue[i].line = w->line;
    c->n_queue += n;
}

/*
 * message ["Name: value" …] [body=TEXT]: its content, as far as replies let it go out at once. What follows a step is queued in
 * front of the rest.
 */
void mta_message(struct world *w, struct conn *c, const struct mta_step *s)
{
    if (c->accepted == 0)
        return;
    buf_clear(&c->headers);
    struct mta_step *steps = arena_zalloc(&w->arena, (s->n_args + 4) * sizeof(*steps));
    char **words = arena_zalloc(&w->arena, (2 * s->n_args + 2) * sizeof(*words));
    struct mta_step body = {.verb = "body"};
    unsigned n = 0;
    for (unsigned i = 0; i < s->n_args; i++, words += 2) {
        struct slice value = slice_cstr(s->args[i]);
        if (slice_has_prefix(value, "body=")) {
            words[0] = s->args[i] + 5;
            body.args = words;
            body.n_args = 1;
            continue;
        }
        words[0] = arena_cstr(&w->arena, slice_cut(&value, ':'));
        words[1] = arena_cstr(&w->arena, value);
        steps[n++] = (struct mta_step){.verb = "header", .args = words, .n_args = 2, .as_is = true};
    }
    if (n == 0)
        steps[n++] = (struct mta_step){.verb = "header"};
    steps[n++] = (struct mta_step){.verb = "eoh"};
    steps[n++] = body;
    steps[n++] = (struct mta_step){.verb = "eom"};
    put_in_front(w, c, steps, n);
}

/* header NAME VALUE…; x{9} in it is nine x. */
void mta_header(struct world *w, struct conn *c, const struct mta_step *s)
{
    const char *name = s->n_args ? s->args[0] : "Subject", *value = " a test";
    if (s->as_is)
        value = s->args[1];
    else if (s->n_args)
        value = arena_printf(&w->arena, " %s", script_repeat(&w->arena, script_join(&w->arena, s->args, 1, s->n_args)));
    if (c->mail)
        message_add_header(c->mail, slice_cstr(name), slice_cstr(value));
    struct milter_command m = {.cmd = SMFIC_HEADER};
    m.u.header.name = slice_cstr(name);
    m.u.header.value = slice_cstr(value);
    if (!(c->steps & SMFIP_HDR_LEADSPC) && value[0] == ' ')
        m.u.header.value = slice_cstr(value + 1);
    (void)mta_send_command(w, c, &m, SMFIP_NOHDRS, SMFIP_NR_HDR);
}

void mta_eoh(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)s;
    (void)mta_send_command(w, c, &(struct milter_command){.cmd = SMFIC_EOH}, SMFIP_NOEOH, SMFIP_NR_EOH);
}

/* body TEXT…: in frames as large as Postfix's. */
void mta_body(struct world *w, struct conn *c, const struct mta_step *s)
{
    const char *text = s->n_args ? script_join(&w->arena, s->args, 0, s->n_args) : "Hello";
    struct buf piece = {0};
    message_body_text(text, s->from, WIRE_PACKET_MAX_BYTES - 1, &piece);
    if (s->from + piece.len < message_body_length(text)) {
        struct mta_step rest = *s;
        rest.verb = "body";
        rest.from = s->from + piece.len;
        put_in_front(w, c, &rest, 1);
    }
    if (c->mail)
        buf_put_slice(&c->mail->body, buf_slice(&piece));
    struct milter_command m = {.cmd = SMFIC_BODY, .u.body = buf_slice(&piece)};
    if (!c->skips_body)
        (void)mta_send_command(w, c, &m, SMFIP_NOBODY, SMFIP_NR_BODY);
    buf_fini(&piece);
}

void mta_eom(struct world *w, struct conn *c, const struct mta_step *s)
{
    (void)s;
    if (c->mail)
        c->mail->changes = 0;
    bool is_free = c->message_free;
    (void)mta_send_command(w, c, &(struct milter_command){.cmd = SMFIC_BODYEOB}, 0, 0);
    if (is_free)
        mta_let_in(w, c);
}

/* ---- edits ---- */

static void check_edit(struct world *w, struct conn *c, const struct milter_reply *r)
{
    static const struct {
        uint8_t code;
        uint32_t action;
    } needs[] = {{SMFIR_ADDHEADER, SMFIF_ADDHDRS}, {SMFIR_INSHEADER, SMFIF_ADDHDRS}, {SMFIR_CHGHEADER, SMFIF_CHGHDRS},
                 {SMFIR_ADDRCPT, SMFIF_ADDRCPT},   {SMFIR_DELRCPT, SMFIF_DELRCPT},   {SMFIR_ADDRCPT_PAR, SMFIF_ADDRCPT_PAR},
                 {SMFIR_CHGFROM, SMFIF_CHGFROM},   {SMFIR_REPLBODY, SMFIF_CHGBODY},  {SMFIR_QUARANTINE, SMFIF_QUARANTINE}};
    for (size_t i = 0; i < COUNT_OF(needs); i++)
        if (needs[i].code == r->code && !(c->actions & needs[i].action))
            world_fail(w, "%s: an edit (%c) that was not negotiated", c->name, r->code);
    if (c->owed_cmds[0] != SMFIC_BODYEOB)
        world_fail(w, "%s: an edit (%c) before end of message", c->name, r->code);
}

/* Without LEADSPC the MTA puts a blank between colon and value. */
static struct slice value_of(struct world *w, const struct conn *c, struct slice value)
{
    if (value.len == 0 || c->steps & SMFIP_HDR_LEADSPC)
        return value;
    return slice_cstr(arena_printf(&w->arena, " %.*s", SLICE_ARG(value)));
}

/* As the tests of the headers that our own filter gives read them: "Name: value", inserted ones with "@0 " before. */
static void note_header(struct conn *c, const struct milter_reply *r)
{
    struct slice value = r->u.header.value;
    bool blank = c->steps & SMFIP_HDR_LEADSPC;
    if (r->code == SMFIR_INSHEADER)
        buf_printf(&c->headers, "@%u ", r->u.header.index);
    buf_printf(&c->headers, "%.*s:%s%.*s\n", SLICE_ARG(r->u.header.name), blank ? "" : " ", SLICE_ARG(value));
}

void mta_edit(struct world *w, struct conn *c, const struct milter_reply *r)
{
    struct message *m = c->mail;
    check_edit(w, c, r);
    if (!m)
        return;
    bool again = r->code == SMFIR_REPLBODY && m->body_is_new;
    m->changes += !again;
    switch (r->code) {
    case SMFIR_ADDHEADER:
        note_header(c, r);
        message_add_header(m, r->u.header.name, value_of(w, c, r->u.header.value));
        break;
    case SMFIR_INSHEADER:
        note_header(c, r);
        message_insert_header(m, r->u.header.index, r->u.header.name, value_of(w, c, r->u.header.value));
        break;
    case SMFIR_CHGHEADER:
        message_change_header(m, r->u.header.index, r->u.header.name, value_of(w, c, r->u.header.value));
        break;
    case SMFIR_ADDRCPT:
    case SMFIR_ADDRCPT_PAR:
        message_add_recipient(m, r->u.address.address);
        break;
    case SMFIR_DELRCPT:
        if (!message_delete_recipient(m, r->u.address.address))
            world_fail(w, "%s: a recipient is deleted that is none: %.*s", c->name, SLICE_ARG(r->u.address.address));
        break;
    case SMFIR_CHGFROM:
        m->sender = arena_cstr(&w->arena, r->u.address.address);
        break;
    case SMFIR_REPLBODY:
        if (m->body_ended)
            world_fail(w, "%s: \"body replacement requests can't currently be mixed with other requests\"", c->name);
        message_replace_body(m, r->u.body);
        break;
    default:
        m->quarantine = arena_cstr(&w->arena, r->u.reason);
        break;
    }
    world_tell(w, "%s < edit %c", c->name, r->code);
}

/* ---- the end ---- */

void mta_let_in(struct world *w, struct conn *c)
{
    (void)w;
    struct message *m = c->mail;
    bool discarded = c->discarded;
    mta_forget_message(c);
    if (!discarded)
        c->delivered = m;
}

/* The mail is refused or discarded: what was still to be sent of it is not. */
void mta_drop_content(struct conn *c)
{
    static const char *const content[] = {"data", "message", "header", "eoh", "body", "eom"};
    unsigned n = 0;
    for (bool is_content = true; n < c->n_queue && is_content;) {
        is_content = false;
        for (size_t i = 0; i < COUNT_OF(content); i++)
            is_content |= strcmp(c->queue[n].verb, content[i]) == 0;
        n += is_content;
    }
    c->n_queue -= n;
    memmove(c->queue, c->queue + n, c->n_queue * sizeof(*c->queue));
}
