/*
 * play.h - a message and filters drawn at random: every number comes from draw(below), so that a test may roll them and a
 * fuzzer choose them. Each play says what is wrong, or NULL.
 *
 * The oracle for the meaning of edits is an MTA that gets each filter's packets directly, one filter behind the other; the
 * one for what goes to the MTA is an MTA that gets ours.
 */
#ifndef TARSIER_TESTS_MAIL_PLAY_H
#define TARSIER_TESTS_MAIL_PLAY_H

#include "mail/mail.h"
#include "mta.h"

#include <stdio.h>
#include <stdlib.h>

enum { PLAY_FILTERS = 4, PLAY_TEXTS = 256 };

typedef unsigned play_draw(unsigned below);

struct play {
    play_draw *draw;
    bool leadspc;
    struct mail *mail;
    struct mta *mta; /* as the MTA sent it */
    char texts[PLAY_TEXTS][12];
    unsigned n_texts;
    unsigned header_makers; /* filters that surely have new headers in the mail */
    unsigned early;         /* the filter that was applied before the headers were complete; PLAY_FILTERS: none */
};

static inline struct slice play_name(struct play *p)
{
    static const char *const names[] = {"Received", "Subject", "received", "X-A", "x-a", "To"};
    return slice_cstr(names[p->draw(sizeof(names) / sizeof(names[0]))]);
}

/* A new one each time, while there is room; never empty. */
static inline struct slice play_value(struct play *p)
{
    char *text = p->texts[p->n_texts % PLAY_TEXTS];
    bool blank = !p->leadspc || p->draw(4) > 0;
    if (p->n_texts < PLAY_TEXTS)
        snprintf(text, sizeof(p->texts[0]), "%sv%u", blank ? " " : "", p->n_texts);
    p->n_texts++;
    return slice_cstr(text);
}

static inline struct slice play_address(struct play *p)
{
    static const char *const addresses[] = {
        "<a@example.org>", "a@Example.ORG", "<A@example.org>", "<b@example.org>", "<a@example.net>", "c", "<c>", "<>"};
    return slice_cstr(addresses[p->draw(sizeof(addresses) / sizeof(addresses[0]))]);
}

static inline struct slice play_esmtp(struct play *p)
{
    static const char *const arguments[] = {"NOTIFY=NEVER", "NOTIFY=NEVER ORCPT=x"};
    unsigned i = p->draw(8);
    return i < 2 ? slice_cstr(arguments[i]) : SLICE_NONE;
}

/* ---- the message ---- */

static inline struct slice play_bare_value(const struct play *p, struct slice value)
{
    return !p->leadspc && value.len > 0 && value.ptr[0] == ' ' ? slice_from(value, 1) : value;
}

static inline void play_headers(struct play *p, unsigned n)
{
    while (n-- > 0) {
        struct slice name = play_name(p), value = play_value(p);
        if (mail_add_header(p->mail, name, value) == ERR_NONE)
            mta_add_header(p->mta, name, play_bare_value(p, value));
    }
}

static inline void play_envelope(struct play *p)
{
    p->mta->sender = play_address(p);
    mail_set_sender(p->mail, p->mta->sender, SLICE_NONE);
    for (unsigned n = p->draw(5); n > 0; n--) {
        struct slice address = play_address(p), esmtp = play_esmtp(p);
        if (mail_add_recipient(p->mail, address, esmtp) == ERR_NONE)
            mta_add_recipient(p->mta, address, esmtp);
    }
}

static inline struct play *play_begin(play_draw *draw)
{
    struct play *p = calloc(1, sizeof(*p));
    p->draw = draw;
    p->leadspc = draw(2);
    p->mail = mail_new();
    p->mta = calloc(1, sizeof(*p->mta));
    p->early = PLAY_FILTERS;
    mta_begin(p->mta, MTA_PLAIN);
    play_envelope(p);
    return p;
}

static inline void play_end(struct play *p)
{
    mail_free(p->mail);
    free(p->mta);
    free(p);
}

/* ---- edits ---- */

static inline bool play_edit(struct play *p, struct mail_edits *edits)
{
    enum mail_edit_kind kind = p->draw(MAIL_QUARANTINE + 2);
    unsigned index = p->draw(8);
    struct slice name = play_name(p), value = play_value(p), address = play_address(p), esmtp = play_esmtp(p);
    switch (kind) {
    case MAIL_ADD_HEADER:
    case MAIL_INSERT_HEADER:
        return mail_edits_add(edits, kind, index, name, value) == ERR_NONE;
    case MAIL_ADD_RECIPIENT:
    case MAIL_CHANGE_SENDER:
        return mail_edits_add(edits, kind, 0, address, esmtp) == ERR_NONE;
    case MAIL_DELETE_RECIPIENT:
        return mail_edits_add(edits, kind, 0, address, SLICE_NONE) == ERR_NONE;
    case MAIL_QUARANTINE:
        return mail_edits_add(edits, kind, 0, value, SLICE_NONE) == ERR_NONE;
    default:
        if (p->draw(3) == 0)
            value = SLICE_LIT("");
        return mail_edits_add(edits, MAIL_CHANGE_HEADER, index / 2, name, value) == ERR_NONE;
    }
}

static inline void play_edits(struct play *p, struct mail_edits *edits)
{
    bool makes = false;
    for (unsigned n = p->draw(7); n > 0 && play_edit(p, edits); n--)
        makes |= edits->last->kind == MAIL_ADD_HEADER || edits->last->kind == MAIL_INSERT_HEADER;
    p->header_makers += makes;
}

/* Headers with a filter's in the middle: added ones, and such that stand on top. */
static inline void play_arrival(struct play *p, unsigned n_filters)
{
    play_headers(p, p->draw(5));
    if (p->draw(2)) {
        struct mail_edits edits = {0};
        p->early = p->draw(n_filters);
        for (unsigned n = p->draw(4); n > 0; n--) {
            enum mail_edit_kind kind = p->draw(2) ? MAIL_ADD_HEADER : MAIL_INSERT_HEADER;
            unsigned index = p->draw(2);
            struct slice name = play_name(p), value = play_value(p);
            if (mail_edits_add(&edits, kind, index, name, value) != ERR_NONE)
                break;
        }
        p->header_makers += edits.first != NULL;
        mail_apply(p->mail, p->early, MAIL_ORIGINAL, &edits);
        mail_edits_fini(&edits);
    }
    play_headers(p, p->draw(5));
    mail_end_headers(p->mail);
}

/* ---- is a view what an MTA has? ---- */

static inline bool play_same_headers(const struct play *p, mail_view v, const struct mta *t)
{
    struct mail_cursor c = {0};
    struct slice name, value;
    for (size_t i = 0; i < t->n_headers; i++) {
        const struct mta_header *h = &t->headers[i];
        if (h->own || h->dead)
            continue;
        if (!mail_next_header(p->mail, v, &c, &name, &value) || !slice_eq(name, h->name) ||
            !slice_eq(play_bare_value(p, value), play_bare_value(p, h->value)))
            return false;
    }
    return !mail_next_header(p->mail, v, &c, &name, &value);
}

/* As sets. A recipient that went and came back without arguments may still have them for the MTA. */
static inline bool play_same_recipients(const struct play *p, mail_view v, const struct mta *t)
{
    struct mail_cursor c = {0};
    struct slice address, esmtp;
    unsigned number;
    bool seen[MTA_RECIPIENTS_MAX] = {0};
    while (mail_next_recipient(p->mail, v, &c, &address, &esmtp, &number)) {
        bool found = false;
        for (size_t i = 0; i < t->n_recipients; i++)
            if (mta_same_address(t->recipients[i], address)) {
                found |= esmtp.len == 0 || mta_same_arguments(esmtp, t->esmtp[i]);
                seen[i] = true;
            }
        if (!found)
            return false;
    }
    for (size_t i = 0; i < t->n_recipients; i++)
        if (!seen[i])
            return false;
    return true;
}

static inline bool play_same_sender(const struct play *p, mail_view v, const struct mta *t)
{
    struct slice address, esmtp;
    mail_sender(p->mail, v, &address, &esmtp);
    return slice_eq(address, t->sender) && mta_same_arguments(esmtp, t->sender_esmtp);
}

static inline const char *play_compare(const struct play *p, mail_view v, const struct mta *t)
{
    return !play_same_headers(p, v, t)      ? "other headers"
           : !play_same_recipients(p, v, t) ? "other recipients"
           : !play_same_sender(p, v, t)     ? "another sender"
                                            : NULL;
}

/* ---- plays ---- */

/* All of a view, as text: it must never change. */
static inline void play_print(const struct play *p, mail_view v, struct buf *out)
{
    struct slice a, b;
    unsigned number;
    mail_sender(p->mail, v, &a, &b);
    buf_printf(out, "%.*s|%.*s\n", SLICE_ARG(a), SLICE_ARG(b));
    for (struct mail_cursor c = {0}; mail_next_recipient(p->mail, v, &c, &a, &b, &number);)
        buf_printf(out, "%u %.*s|%.*s\n", number, SLICE_ARG(a), SLICE_ARG(b));
    for (struct mail_cursor c = {0}; mail_next_header(p->mail, v, &c, &a, &b);)
        buf_printf(out, "%.*s:%.*s\n", SLICE_ARG(a), SLICE_ARG(b));
}

static inline const char *play_check_changes(const struct play *p, enum mta_kind kind)
{
    struct buf packets = {0};
    struct mta *t = malloc(sizeof(*t));
    *t = *p->mta;
    t->kind = kind;
    mail_put_changes(p->mail, p->leadspc, &packets);
    const char *wrong = mta_take_all(t, buf_slice(&packets)) ? play_compare(p, MAIL_FINAL, t) : "a packet that is none";
    free(t);
    buf_fini(&packets);
    return wrong;
}

/* Filters with any views; what goes to the MTA makes the end of it. In their order, no view changes after it was there. */
static inline const char *play_to_mta(play_draw *draw)
{
    struct play *p = play_begin(draw);
    unsigned n_filters = 1 + draw(PLAY_FILTERS);
    struct buf views[PLAY_FILTERS] = {0};
    bool rising = draw(4) > 0;
    play_arrival(p, n_filters);
    for (unsigned i = 0; i < n_filters; i++) {
        unsigned f = rising ? i : n_filters - 1 - i;
        if (f == p->early)
            continue;
        play_print(p, f, &views[f]);
        struct mail_edits edits = {0};
        play_edits(p, &edits);
        mail_apply(p->mail, f, draw(f + 1), &edits);
        mail_edits_fini(&edits);
    }
    const char *wrong = play_check_changes(p, MTA_PLAIN);
    /* one filter's own words mean to an MTA what they mean to it */
    for (unsigned kind = MTA_SKIPS_FIRST; !wrong && p->header_makers >= 2 && kind <= MTA_COUNTS_DEAD; kind++)
        wrong = play_check_changes(p, kind);
    for (unsigned f = 0; f < n_filters; f++) {
        struct buf now = {0};
        play_print(p, f, &now);
        if (rising && f != p->early && !slice_eq(buf_slice(&now), buf_slice(&views[f])))
            wrong = "a view has changed";
        buf_fini(&now);
        buf_fini(&views[f]);
    }
    play_end(p);
    return wrong;
}

/* The same edit on the MTA itself; a recipient that is there is not added again. */
static inline bool play_direct(struct mta *t, struct buf *packets, const struct mail_edit *e)
{
    size_t from = packets->len;
    mta_put_direct(packets, e);
    if (e->kind == MAIL_ADD_RECIPIENT && mta_find_recipient(t, e->name) < t->n_recipients)
        return true;
    return mta_take_all(t, slice_from(buf_slice(packets), from));
}

/* Filters in a row, each of which sees all before it, are as filters each at the MTA itself. */
static inline const char *play_in_a_row(play_draw *draw)
{
    struct play *p = play_begin(draw);
    struct mail_edits edits[PLAY_FILTERS] = {0};
    struct buf packets = {0};
    buf_reserve(&packets, 65536); /* the MTA's texts point into it */
    p->leadspc = true;
    play_headers(p, draw(8));
    mail_end_headers(p->mail);
    struct mta *t = malloc(sizeof(*t));
    *t = *p->mta;
    const char *wrong = NULL;
    for (unsigned f = 0, n = 1 + draw(PLAY_FILTERS); !wrong && f < n; f++) {
        play_edits(p, &edits[f]);
        mail_apply(p->mail, f, f, &edits[f]);
        for (const struct mail_edit *e = edits[f].first; e; e = e->next)
            if (!play_direct(t, &packets, e))
                wrong = "a direct packet that is none";
        if (!wrong)
            wrong = play_compare(p, f + 1, t);
    }
    if (!wrong)
        wrong = play_compare(p, MAIL_FINAL, t);
    for (unsigned f = 0; f < PLAY_FILTERS; f++)
        mail_edits_fini(&edits[f]);
    buf_fini(&packets);
    free(t);
    play_end(p);
    return wrong;
}

/* One filter that edits headers: byte for byte what it said. */
static inline const char *play_own_words(play_draw *draw)
{
    struct play *p = play_begin(draw);
    struct mail_edits edits = {0};
    struct buf want = {0}, got = {0};
    p->leadspc = true;
    play_headers(p, draw(8));
    mail_end_headers(p->mail);
    for (unsigned n = draw(10); n > 0; n--) {
        struct mail_edits one = {0};
        if (play_edit(p, &one) && one.first->kind <= MAIL_CHANGE_HEADER) {
            const struct mail_edit *e = one.first;
            if (mail_edits_add(&edits, e->kind, e->index, e->name, e->value) == ERR_NONE)
                mta_put_direct(&want, e);
        }
        mail_edits_fini(&one);
    }
    unsigned f = draw(MAIL_FILTERS_MAX);
    mail_apply(p->mail, f, draw(f + 1), &edits);
    mail_put_changes(p->mail, true, &got);
    const char *wrong = slice_eq(buf_slice(&got), buf_slice(&want)) ? NULL : "not in its own words";
    mail_edits_fini(&edits);
    buf_fini(&want);
    buf_fini(&got);
    play_end(p);
    return wrong;
}

#endif
