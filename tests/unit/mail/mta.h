/*
 * mta.h - a message in an MTA's hands and what a filter's packets make of it: one list of headers with the MTA's own
 * Received on top, recipients, a sender. The least that does it, with nothing of mail's in it.
 */
#ifndef TARSIER_TESTS_MAIL_MTA_H
#define TARSIER_TESTS_MAIL_MTA_H

#include "mail/edit.h"
#include "milter/reply.h"

#include <string.h>

enum { MTA_HEADERS_MAX = 1000, MTA_RECIPIENTS_MAX = 300 };

/* How it counts for CHGHEADER. */
enum mta_kind {
    MTA_PLAIN,       /* all that it has but its own Received: Postfix 3.7.11, as seen */
    MTA_SKIPS_FIRST, /* all but the first, whichever that is: what newer ones of cleanup_milter.c say */
    MTA_COUNTS_DEAD, /* as MTA_PLAIN, and deleted ones too */
};

struct mta_header {
    struct slice name, value;
    bool own, dead;
};

/* Texts are borrowed. */
struct mta {
    enum mta_kind kind;
    struct mta_header headers[MTA_HEADERS_MAX];
    size_t n_headers;
    struct slice recipients[MTA_RECIPIENTS_MAX], esmtp[MTA_RECIPIENTS_MAX];
    size_t n_recipients;
    struct slice sender, sender_esmtp, quarantine;
};

static inline void mta_begin(struct mta *t, enum mta_kind kind)
{
    memset(t, 0, sizeof(*t));
    t->kind = kind;
    t->headers[t->n_headers++] = (struct mta_header){SLICE_LIT("Received"), SLICE_LIT(" by us"), true, false};
}

static inline void mta_put_at(struct mta *t, size_t at, struct slice name, struct slice value)
{
    if (t->n_headers == MTA_HEADERS_MAX)
        return;
    memmove(&t->headers[at + 1], &t->headers[at], (t->n_headers - at) * sizeof(t->headers[0]));
    t->headers[at] = (struct mta_header){name, value, false, false};
    t->n_headers++;
}

static inline void mta_add_header(struct mta *t, struct slice name, struct slice value)
{
    mta_put_at(t, t->n_headers, name, value);
}

static inline void mta_insert_header(struct mta *t, uint32_t index, struct slice name, struct slice value)
{
    size_t at = 0;
    for (; at < t->n_headers; at++)
        if (!t->headers[at].dead && index-- == 0)
            break;
    mta_put_at(t, at, name, value);
}

static inline void mta_change_header(struct mta *t, uint32_t index, struct slice name, struct slice value)
{
    size_t live = 0;
    uint32_t left = index ? index : 1;
    for (size_t i = 0; i < t->n_headers; i++) {
        struct mta_header *h = &t->headers[i];
        if (h->dead && t->kind != MTA_COUNTS_DEAD)
            continue;
        if (t->kind == MTA_SKIPS_FIRST ? live++ == 0 : h->own)
            continue;
        if (!slice_eq_nocase(h->name, name) || --left > 0)
            continue;
        if (value.len == 0)
            h->dead = true;
        else
            *h = (struct mta_header){name, value, h->own, h->dead};
        return;
    }
    if (value.len > 0)
        mta_add_header(t, name, value);
}

static inline struct slice mta_bare(struct slice address)
{
    return address.len >= 2 && address.ptr[0] == '<' && address.ptr[address.len - 1] == '>'
               ? slice_of(address.ptr + 1, address.len - 2)
               : address;
}

static inline bool mta_same_address(struct slice a, struct slice b)
{
    a = mta_bare(a);
    b = mta_bare(b);
    size_t at = slice_rfind(a, '@');
    return at == slice_rfind(b, '@') && slice_eq(slice_upto(a, at), slice_upto(b, at)) &&
           slice_eq_nocase(slice_from(a, at), slice_from(b, at));
}

static inline size_t mta_skip_blanks(struct slice s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\0'))
        at++;
    return at;
}

/* On the wire each argument ends with a NUL; in a filter's words there are blanks between them. How many part two does not
   count, nor do those at either end. */
static inline bool mta_same_arguments(struct slice wire, struct slice said)
{
    size_t i = mta_skip_blanks(wire, 0), k = mta_skip_blanks(said, 0);
    while (i < wire.len && k < said.len) {
        size_t next_i = mta_skip_blanks(wire, i), next_k = mta_skip_blanks(said, k);
        if ((next_i > i) != (next_k > k))
            return false;
        if (next_i > i)
            i = next_i, k = next_k;
        else if (wire.ptr[i++] != said.ptr[k++])
            return false;
    }
    return mta_skip_blanks(wire, i) == wire.len && mta_skip_blanks(said, k) == said.len;
}

static inline size_t mta_find_recipient(const struct mta *t, struct slice address)
{
    size_t i = 0;
    while (i < t->n_recipients && !mta_same_address(t->recipients[i], address))
        i++;
    return i;
}

static inline void mta_add_recipient(struct mta *t, struct slice address, struct slice esmtp)
{
    if (t->n_recipients == MTA_RECIPIENTS_MAX)
        return;
    t->recipients[t->n_recipients] = address;
    t->esmtp[t->n_recipients++] = esmtp;
}

static inline void mta_delete_recipient(struct mta *t, struct slice address)
{
    for (size_t i; (i = mta_find_recipient(t, address)) < t->n_recipients;) {
        t->n_recipients--;
        t->recipients[i] = t->recipients[t->n_recipients];
        t->esmtp[i] = t->esmtp[t->n_recipients];
    }
}

static inline bool mta_take(struct mta *t, const struct milter_reply *r)
{
    switch (r->code) {
    case SMFIR_ADDHEADER:
        mta_add_header(t, r->u.header.name, r->u.header.value);
        return true;
    case SMFIR_INSHEADER:
        mta_insert_header(t, r->u.header.index, r->u.header.name, r->u.header.value);
        return true;
    case SMFIR_CHGHEADER:
        mta_change_header(t, r->u.header.index, r->u.header.name, r->u.header.value);
        return true;
    case SMFIR_ADDRCPT:
    case SMFIR_ADDRCPT_PAR:
        mta_add_recipient(t, r->u.address.address, r->u.address.esmtp);
        return true;
    case SMFIR_DELRCPT:
        mta_delete_recipient(t, r->u.address.address);
        return true;
    case SMFIR_CHGFROM:
        t->sender = r->u.address.address;
        t->sender_esmtp = r->u.address.esmtp;
        return true;
    case SMFIR_QUARANTINE:
        t->quarantine = r->u.reason;
        return true;
    default:
        return false;
    }
}

/* False: a packet that is none, or none of those. */
static inline bool mta_take_all(struct mta *t, struct slice packets)
{
    while (packets.len > 0) {
        struct wire_packet p;
        struct milter_reply r;
        if (wire_next(&packets, WIRE_PACKET_MAX_BYTES, &p) != WIRE_OK || milter_parse_reply(&p, &r) != ERR_NONE ||
            !mta_take(t, &r))
            return false;
    }
    return true;
}

/* What a filter that is not behind us would send for this edit. */
static inline void mta_put_direct(struct buf *out, const struct mail_edit *e)
{
    static const uint8_t codes[] = {
        [MAIL_ADD_HEADER] = SMFIR_ADDHEADER,     [MAIL_INSERT_HEADER] = SMFIR_INSHEADER,
        [MAIL_CHANGE_HEADER] = SMFIR_CHGHEADER,  [MAIL_ADD_RECIPIENT] = SMFIR_ADDRCPT_PAR,
        [MAIL_DELETE_RECIPIENT] = SMFIR_DELRCPT, [MAIL_CHANGE_SENDER] = SMFIR_CHGFROM,
        [MAIL_QUARANTINE] = SMFIR_QUARANTINE,
    };
    struct milter_reply r = {.code = codes[e->kind]};
    switch (e->kind) {
    case MAIL_ADD_HEADER:
    case MAIL_INSERT_HEADER:
    case MAIL_CHANGE_HEADER:
        milter_put_header(out, r.code, e->index, e->name, e->value);
        return;
    case MAIL_QUARANTINE:
        r.u.reason = e->name;
        break;
    default:
        r.u.address.address = e->name;
        r.u.address.esmtp = e->value;
        break;
    }
    milter_put_reply(out, &r);
}

#endif
