/* transcript.c - what the MTA has said. */
#include "dialogue/transcript.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONNECTION_KEEP_MAX_BYTES = SCOPE_KEEP_MAX_BYTES,
    MESSAGE_KEEP_MAX_BYTES = 16 * 1024 * 1024, /* macros of tens of thousands of recipients */
    RECIPIENT_NODE_BYTES = 80,                 /* with what a reader notes of it */
};

/* ---- life ---- */

struct transcript *transcript_new(struct shared *sh, owner_id owner)
{
    struct transcript *t = mem_zalloc(sizeof(*t));
    t->sh = sh;
    t->owner = owner;
    body_init(&t->body, &sh->bodies);
    return t;
}

void transcript_clear_message(struct transcript *t)
{
    shared_headers_less(t->sh, t->headers_bytes, 0);
    t->headers_bytes = 0;
    mail_free(t->mail);
    t->mail = NULL;
    free(t->recipients);
    t->recipients = NULL;
    t->n_recipients = t->cap_recipients = 0;
    spool_drop(t->sh, t->owner, &t->body);
    shared_keep_less(t->sh, t->peek.len, 0);
    buf_fini(&t->peek);
    scope_clear(&t->message_scope, t->sh);
    t->mail_from = t->data = t->eoh = t->eom = (struct transcript_command){SLICE_NONE, SLICE_NONE};
    t->rcpt = t->rcpt_macros = t->header_macros = t->body_macros = SLICE_NONE;
    t->body_gone = t->size_bytes = 0;
    t->headers_over = false;
    t->spool_writes = 0;
    if (t->goal > STAGE_HELO)
        t->goal = t->helos ? STAGE_HELO : STAGE_CONNECT;
}

void transcript_clear_helo(struct transcript *t)
{
    scope_clear(&t->helo_scope, t->sh);
    t->helo = (struct transcript_command){SLICE_NONE, SLICE_NONE};
}

void transcript_clear_connection(struct transcript *t)
{
    transcript_clear_message(t);
    transcript_clear_helo(t);
    scope_clear(&t->conn_scope, t->sh);
    t->connect = (struct transcript_command){SLICE_NONE, SLICE_NONE};
    t->goal = STAGE_CONNECT;
    t->helos = t->messages = 0;
}

void transcript_free(struct transcript *t)
{
    if (!t)
        return;
    transcript_clear_connection(t);
    macro_lists_unref(t->granted_lists);
    free(t);
}

/* ---- the negotiation and macros ---- */

void transcript_record_options(struct transcript *t, const struct milter_options *offer,
                               const struct milter_options *granted)
{
    t->granted = *granted;
    t->granted_lists = shared_lists(t->sh, granted->symlist);
    memcpy(t->granted.symlist, t->granted_lists->names, sizeof(t->granted.symlist));
    t->offered_actions = offer->actions;
    t->offered_steps = offer->steps;
}

/* Where the macros of a command are kept; NULL: nobody reads them. */
static struct slice *macros_of(struct transcript *t, uint8_t for_cmd, struct scope **scope)
{
    const struct milter_command_kind *kind = milter_command_kind(for_cmd);
    struct slice *const places[STAGE_END] = {
        [STAGE_CONNECT] = &t->connect.macros, [STAGE_HELO] = &t->helo.macros, [STAGE_MAIL] = &t->mail_from.macros,
        [STAGE_RCPT] = &t->rcpt_macros,       [STAGE_DATA] = &t->data.macros, [STAGE_HEADER] = &t->header_macros,
        [STAGE_EOH] = &t->eoh.macros,         [STAGE_BODY] = &t->body_macros, [STAGE_EOM] = &t->eom.macros,
    };
    if (!kind || kind->stage >= STAGE_END)
        return NULL;
    *scope = kind->stage == STAGE_CONNECT ? &t->conn_scope : kind->stage == STAGE_HELO ? &t->helo_scope : &t->message_scope;
    return places[kind->stage];
}

static size_t max_of(const struct transcript *t, const struct scope *scope)
{
    return scope == &t->message_scope ? MESSAGE_KEEP_MAX_BYTES : CONNECTION_KEEP_MAX_BYTES;
}

enum err transcript_record_macros(struct transcript *t, uint8_t for_cmd, struct slice pairs)
{
    struct scope *scope;
    struct slice kept, *at = macros_of(t, for_cmd, &scope);
    if (!at || (at->ptr && slice_eq(*at, pairs))) /* {i} comes with every header again */
        return ERR_NONE;
    enum err e = scope_keep(scope, t->sh, pairs, max_of(t, scope), &kept);
    if (e == ERR_NONE)
        *at = kept;
    return e;
}

/* ---- the envelope ---- */

enum err transcript_record_connect(struct transcript *t, struct slice body)
{
    t->goal = STAGE_CONNECT;
    return scope_keep(&t->conn_scope, t->sh, body, CONNECTION_KEEP_MAX_BYTES, &t->connect.body);
}

enum err transcript_record_helo(struct transcript *t, struct slice body)
{
    t->helos++;
    t->goal = STAGE_HELO;
    return scope_keep(&t->helo_scope, t->sh, body, CONNECTION_KEEP_MAX_BYTES, &t->helo.body);
}

void transcript_record_mail(struct transcript *t, struct slice body)
{
    struct slice rest = body, address;
    (void)milter_next_string(&rest, &address);
    t->mail = mail_new();
    mail_set_sender(t->mail, address, rest);
    if (t->granted.steps & SMFIP_NOHDRS)
        mail_hide_headers(t->mail);
    t->mail_from.body = SLICE_LIT("");
    t->goal = STAGE_MAIL;
    t->messages++;
}

enum err transcript_keep_rcpt(struct transcript *t, struct slice body)
{
    /* It is kept once more, with a note and a node of a list, in the message. */
    size_t again = body.len + sizeof(struct transcript_recipient) + RECIPIENT_NODE_BYTES;
    enum err e = scope_reserve(&t->message_scope, t->sh, again, MESSAGE_KEEP_MAX_BYTES);
    if (e != ERR_NONE)
        return e;
    return scope_keep(&t->message_scope, t->sh, body, MESSAGE_KEEP_MAX_BYTES, &t->rcpt);
}

/* The MTA's word that it has refused a recipient by itself (SMFIP_RCPT_REJ). */
static bool is_rejected(struct slice macros)
{
    struct slice name, value;
    while (milter_next_macro(&macros, &name, &value))
        if (slice_eq_cstr(name, "{rcpt_mailer}"))
            return slice_eq_cstr(value, "error");
    return false;
}

bool transcript_rcpt_is_rejected(const struct transcript *t)
{
    return (t->granted.steps & SMFIP_RCPT_REJ) && is_rejected(t->rcpt_macros);
}

enum err transcript_record_rcpt(struct transcript *t)
{
    struct slice rest = t->rcpt, address;
    (void)milter_next_string(&rest, &address);
    t->goal = STAGE_RCPT;
    t->present = 0;
    enum err e = mail_add_recipient(t->mail, address, rest);
    if (e != ERR_NONE)
        return e;
    t->recipients = mem_grow(t->recipients, &t->cap_recipients, t->n_recipients + 1, sizeof(*t->recipients));
    t->recipients[t->n_recipients++] =
        (struct transcript_recipient){.rejected = transcript_rcpt_is_rejected(t), .macros = t->rcpt_macros};
    t->rcpt_macros = SLICE_NONE;
    t->present = (unsigned)t->n_recipients;
    return ERR_NONE;
}

void transcript_record_data(struct transcript *t)
{
    t->data.body = SLICE_LIT("");
    t->goal = STAGE_DATA;
}

bool transcript_recipient_counts(const struct transcript *t, size_t number)
{
    return number < t->n_recipients && !t->recipients[number].refused && !t->recipients[number].rejected;
}

bool transcript_is_rejected(const struct transcript *t, unsigned number)
{
    return number < t->n_recipients && t->recipients[number].rejected;
}

bool transcript_has_recipient(const struct transcript *t)
{
    for (size_t i = 0; i < t->n_recipients; i++)
        if (transcript_recipient_counts(t, i))
            return true;
    return false;
}

/* ---- the message ---- */

bool transcript_begin_headers(struct transcript *t)
{
    bool begins = t->goal < STAGE_HEADER;
    if (begins)
        t->goal = STAGE_HEADER;
    return begins;
}

/* value: in canonical form. */
static enum err keep_header(struct transcript *t, struct slice name, struct slice value)
{
    enum err e = mail_add_header(t->mail, name, value);
    uint64_t bytes = mail_header_bytes(t->mail);
    if (e == ERR_NONE && !shared_headers_more(t->sh, t->headers_bytes, bytes))
        e = ERR_FULL;
    if (e == ERR_NONE)
        t->headers_bytes = bytes;
    t->headers_over = e != ERR_NONE;
    return e;
}

enum err transcript_record_header(struct transcript *t, struct slice name, struct slice value)
{
    struct buf canonical = {0};
    t->size_bytes += name.len + value.len + 3;
    if (t->headers_over)
        return ERR_NONE;
    if (t->granted.steps & SMFIP_HDR_LEADSPC)
        return keep_header(t, name, value);
    /* the MTA has left out the blank that stands behind the colon of nearly every header */
    buf_put_byte(&canonical, ' ');
    buf_put_slice(&canonical, value);
    enum err e = keep_header(t, name, buf_slice(&canonical));
    buf_fini(&canonical);
    return e;
}

void transcript_record_eoh(struct transcript *t)
{
    mail_end_headers(t->mail);
    t->goal = STAGE_EOH;
    t->size_bytes += 2;
}

static enum err take_chunk(struct transcript *t, struct slice chunk, bool peeks)
{
    enum err e = ERR_NONE;
    t->size_bytes += chunk.len;
    t->chunk = chunk;
    if (peeks && t->peek.len < POLICY_BODY_MAX_BYTES) {
        struct slice piece = slice_upto(chunk, POLICY_BODY_MAX_BYTES - t->peek.len);
        if (shared_keep_more(t->sh, t->peek.len, t->peek.len + piece.len))
            buf_put_slice(&t->peek, piece);
        else
            e = ERR_FULL;
    }
    if (chunk.len > 0 && spool_store(t->sh, t->owner, &t->body, chunk, SPOOL_WRITE_OWN))
        t->spool_writes++;
    return e;
}

enum err transcript_record_body(struct transcript *t, struct slice chunk, bool peeks)
{
    t->goal = STAGE_BODY;
    return take_chunk(t, chunk, peeks);
}

enum err transcript_record_eom(struct transcript *t, struct slice chunk, bool peeks)
{
    t->goal = STAGE_EOM;
    return take_chunk(t, chunk, peeks);
}

void transcript_chunk_over(struct transcript *t)
{
    t->chunk = SLICE_NONE;
}

void transcript_forget_body(struct transcript *t)
{
    t->body_gone += t->body.bytes;
    spool_drop(t->sh, t->owner, &t->body);
}
