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

#include <stdlib.h>

struct writer {
    struct mail *m;
    struct buf *out;
    bool leadspc;
    bool verbatim;                        /* headers in their filter's words */
    uint32_t *standing, n_places;         /* not verbatim: standing_above()'s */
    const struct mail_change *quarantine; /* the last filter's last one; NULL: none */
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

/* number: which one it was of its name when the MTA sent it, from 1. */
static void put_original(const struct writer *w, const struct mail_header *h, uint32_t number)
{
    const struct mail_text *was = mail_header_text(h, MAIL_ORIGINAL), *is = mail_header_text(h, MAIL_FINAL);
    if (!mail_header_is_in(h, MAIL_FINAL))
        put_header(w, SMFIR_CHGHEADER, number, was->name, SLICE_LIT(""));
    else if (!slice_eq(was->value, is->value) || !slice_eq(was->name, is->name))
        put_header(w, SMFIR_CHGHEADER, number, is->name, is->value);
}

static void put_originals(const struct writer *w)
{
    struct mail_seen seen;
    uint32_t number;
    mail_seen_init(w->m, MAIL_ORIGINAL, &seen);
    for (uint32_t i = mail_seen_count(&seen); i-- > 0;) {
        const struct mail_header *h = mail_seen_at(&seen, i, &number);
        if (h != &w->m->own)
            put_original(w, h, number);
    }
    mail_seen_fini(&seen);
}

/* ---- new headers ---- */

/*
 * How many headers stand above a place in the MTA's list as it is at the moment: a Fenwick tree over the places of all that
 * ever are. Its own Received line counts.
 */
static void stand(struct writer *w, uint32_t place)
{
    for (uint32_t i = place; i <= w->n_places; i += i & -i, w->m->steps++)
        w->standing[i]++;
}

static uint32_t standing_above(const struct writer *w, uint32_t place)
{
    uint32_t n = 0;
    for (uint32_t i = place - 1; i > 0; i -= i & -i, w->m->steps++)
        n += w->standing[i];
    return n;
}

/* Those of the MTA's that stay are there from the beginning. */
static void begin_places(struct writer *w)
{
    uint32_t place = 0;
    for (struct list *node = w->m->headers.next; node != &w->m->headers; node = node->next)
        CONTAINER_OF(node, struct mail_header, node)->place = ++place;
    w->n_places = place;
    w->standing = mem_zalloc((place + 1) * sizeof(*w->standing));
    for (const struct list *node = w->m->headers.next; node != &w->m->headers; node = node->next) {
        const struct mail_header *h = header_at(node);
        if (h == &w->m->own || (h->order == 0 && mail_header_is_in(h, MAIL_FINAL)))
            stand(w, h->place);
    }
}

static void put_new(struct writer *w, const struct mail_change *c)
{
    if (!mail_header_is_in(c->header, MAIL_FINAL))
        return;
    const struct mail_text *t = mail_header_text(c->header, MAIL_FINAL);
    if (c->kind == MAIL_INSERT_HEADER)
        put_header(w, SMFIR_INSHEADER, standing_above(w, c->header->place), t->name, t->value);
    else
        put_header(w, SMFIR_ADDHEADER, 0, t->name, t->value);
    stand(w, c->header->place);
}

static void put_header_change(struct writer *w, const struct mail_change *c)
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

/* The last filter has the last word. */
static const struct mail_change *last_quarantine(const struct mail *m)
{
    const struct mail_change *last = NULL;
    for (const struct mail_change *c = m->changes; c; c = c->next)
        if (c->kind == MAIL_QUARANTINE && (!last || c->since >= last->since))
            last = c;
    return last;
}

static void put_quarantine(const struct writer *w, const struct mail_change *c)
{
    struct milter_reply r = {.code = SMFIR_QUARANTINE, .u.reason = c->name};
    if (c == w->quarantine)
        milter_put_reply(w->out, &r);
}

void mail_put_changes(struct mail *m, bool leadspc, struct buf *out)
{
    struct writer w = {.m = m,
                       .out = out,
                       .leadspc = leadspc,
                       .verbatim = m->headers_hidden || one_filter_changed_headers(m),
                       .quarantine = last_quarantine(m)};
    if (!w.verbatim) {
        put_originals(&w);
        begin_places(&w);
    }
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
    free(w.standing);
}
