/*
 * changes.c - what was changed, for the MTA: the difference between what it sent and the end, each thing once.
 *
 * Where all changes of headers are one filter's, or the MTA alone knows its headers, they go out as they were said. Otherwise
 * those of the MTA's own headers come first, from the last to the first: then the number of each is the one that it had in the beginning, whether the MTA counts
 * deleted ones or not, and whatever it makes of its own Received line once something stands above it (Postfix's
 * cleanup_milter.c says that it then counts as any other; 3.7.11 was seen not to count it). Then the new ones, in the order
 * in which they were made.
 */
#include "base/mem.h"
#include "mail/internal.h"
#include "milter/reply.h"

struct writer {
    const struct mail *m;
    struct buf *out;
    bool leadspc;
    bool verbatim; /* headers in their filter's words */
};

static const struct mail_header *header_at(const struct list *node)
{
    return CONTAINER_OF(node, const struct mail_header, node);
}

static bool is_header_change(const struct mail_change *c)
{
    return c->kind == MAIL_ADD_HEADER || c->kind == MAIL_INSERT_HEADER || c->kind == MAIL_CHANGE_HEADER;
}

static bool one_filter_changed_headers(const struct mail *m)
{
    mail_view since = 0;
    for (const struct mail_change *c = m->changes; c; c = c->next) {
        if (!is_header_change(c))
            continue;
        if (since != 0 && c->since != since)
            return false;
        since = c->since;
    }
    return true;
}

/* A changed value that is one blank keeps it: as an empty one it would delete. */
static void put_header(const struct writer *w, uint8_t code, uint32_t index, struct slice name, struct slice value)
{
    if (!w->leadspc && value.len > 0 && value.ptr[0] == ' ' && (code != SMFIR_CHGHEADER || value.len > 1))
        value = slice_from(value, 1);
    milter_put_header(w->out, code, index, name, value);
}

/* ---- headers of the MTA's ---- */

/* Which one it was of its name when the MTA sent it, from 1. */
static uint32_t original_number(const struct mail *m, const struct mail_header *h)
{
    struct slice name = mail_header_text(h, MAIL_ORIGINAL)->name;
    uint32_t n = 1;
    for (const struct list *node = h->node.prev; node != &m->headers; node = node->prev) {
        const struct mail_header *o = header_at(node);
        n += mail_header_is_in(o, MAIL_ORIGINAL) && slice_eq_nocase(mail_header_text(o, MAIL_ORIGINAL)->name, name);
    }
    return n;
}

static void put_original(const struct writer *w, const struct mail_header *h)
{
    const struct mail_text *was = mail_header_text(h, MAIL_ORIGINAL), *is = mail_header_text(h, MAIL_FINAL);
    if (!mail_header_is_in(h, MAIL_FINAL))
        put_header(w, SMFIR_CHGHEADER, original_number(w->m, h), was->name, SLICE_LIT(""));
    else if (!slice_eq(was->value, is->value) || !slice_eq(was->name, is->name))
        put_header(w, SMFIR_CHGHEADER, original_number(w->m, h), is->name, is->value);
}

static void put_originals(const struct writer *w)
{
    for (const struct list *node = w->m->headers.prev; node != &w->m->headers; node = node->prev)
        if (mail_header_is_in(header_at(node), MAIL_ORIGINAL))
            put_original(w, header_at(node));
}

/* ---- new headers ---- */

/* How many stand above h in the MTA's list now, when all that was made before it is there; its own Received line counts. */
static uint32_t place(const struct mail *m, const struct mail_header *h)
{
    uint32_t n = 0;
    for (const struct list *node = h->node.prev; node != &m->headers; node = node->prev) {
        const struct mail_header *o = header_at(node);
        n += o == &m->own || (mail_header_is_in(o, MAIL_FINAL) && o->order < h->order);
    }
    return n;
}

static void put_new(const struct writer *w, const struct mail_change *c)
{
    if (!mail_header_is_in(c->header, MAIL_FINAL))
        return;
    const struct mail_text *t = mail_header_text(c->header, MAIL_FINAL);
    if (c->kind == MAIL_INSERT_HEADER)
        put_header(w, SMFIR_INSHEADER, place(w->m, c->header), t->name, t->value);
    else
        put_header(w, SMFIR_ADDHEADER, 0, t->name, t->value);
}

static void put_header_change(const struct writer *w, const struct mail_change *c)
{
    if (!w->verbatim) {
        if (c->header)
            put_new(w, c);
    } else if (c->kind == MAIL_ADD_HEADER) {
        put_header(w, SMFIR_ADDHEADER, 0, c->name, c->value);
    } else {
        put_header(w, c->kind == MAIL_INSERT_HEADER ? SMFIR_INSHEADER : SMFIR_CHGHEADER, c->index, c->name, c->value);
    }
}

/* ---- the envelope ---- */

static void put_address(const struct writer *w, uint8_t code, struct slice address, struct slice esmtp)
{
    struct milter_reply r = {.code = code, .u.address = {address, esmtp}};
    milter_put_reply(w->out, &r);
}

/* One was deleted and one like it added: nothing to the MTA, unless it has other arguments now. */
static bool is_back_again(const struct mail_recipient *added, const struct mail_recipient *deleted)
{
    return added && deleted && (added->esmtp.len == 0 || mail_esmtp_eq(added->esmtp, deleted->esmtp));
}

static void put_recipient(const struct writer *w, const struct mail_change *c)
{
    const struct mail_recipient *r = c->recipient;
    if (c->kind == MAIL_DELETE_RECIPIENT && !r) {
        if (!mail_has_recipient(w->m, MAIL_FINAL, c->name)) /* one that was added since would go with it */
            put_address(w, SMFIR_DELRCPT, c->name, SLICE_NONE);
        return;
    }
    if (c->kind == MAIL_DELETE_RECIPIENT) {
        if (r->born == 0 && !is_back_again(mail_recipient_like(w->m, MAIL_FINAL, r), r))
            put_address(w, SMFIR_DELRCPT, c->name, SLICE_NONE);
        return;
    }
    if (!mail_recipient_is_in(r, MAIL_FINAL) || is_back_again(r, mail_recipient_like(w->m, MAIL_ORIGINAL, r)))
        return;
    put_address(w, c->value.len > 0 ? SMFIR_ADDRCPT_PAR : SMFIR_ADDRCPT, c->name, c->value);
}

static void put_sender(const struct writer *w, const struct mail_change *c)
{
    const struct mail *m = w->m;
    if (m->sender->since != c->since || m->sender->address.ptr != c->name.ptr)
        return; /* another one came later */
    struct slice address, esmtp;
    mail_sender(m, MAIL_ORIGINAL, &address, &esmtp);
    if (!slice_eq(address, c->name) || c->value.len > 0)
        put_address(w, SMFIR_CHGFROM, c->name, c->value.len > 0 ? c->value : SLICE_NONE);
}

static void put_quarantine(const struct writer *w, const struct mail_change *c)
{
    for (const struct mail_change *o = w->m->changes; o; o = o->next)
        if (o->kind == MAIL_QUARANTINE && (o->since > c->since || (o->since == c->since && o->order > c->order)))
            return; /* another one has the last word */
    struct milter_reply r = {.code = SMFIR_QUARANTINE, .u.reason = c->name};
    milter_put_reply(w->out, &r);
}

void mail_put_changes(const struct mail *m, bool leadspc, struct buf *out)
{
    struct writer w = {m, out, leadspc, m->headers_hidden || one_filter_changed_headers(m)};
    if (!w.verbatim)
        put_originals(&w);
    for (const struct mail_change *c = m->changes; c; c = c->next) {
        switch (c->kind) {
        case MAIL_ADD_HEADER:
        case MAIL_INSERT_HEADER:
        case MAIL_CHANGE_HEADER:
            put_header_change(&w, c);
            break;
        case MAIL_ADD_RECIPIENT:
        case MAIL_DELETE_RECIPIENT:
            put_recipient(&w, c);
            break;
        case MAIL_CHANGE_SENDER:
            put_sender(&w, c);
            break;
        case MAIL_QUARANTINE:
            put_quarantine(&w, c);
            break;
        }
    }
}
