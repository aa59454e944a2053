/* greylist_message.c - DATA and end of message: a deferral that was put off, and the headers. */
#include "mail/edit.h"
#include "base/mem.h"
#include "filter/greylist.h"

#include <stdlib.h>
#include <string.h>

static const char x_greylist_name[] = "X-Greylist";

/* "Name: value" of an addheader, cut at the first colon. */
static void split_header(struct slice text, struct slice *name, struct slice *value)
{
    size_t colon = slice_find(text, ':');
    *name = slice_trim(slice_upto(text, colon), " \t");
    *value = slice_trim(slice_from(text, colon + 1), " \t");
}

static void append_header(struct greylist *g, struct slice name, struct slice value, int64_t index)
{
    struct arena *arena = &g->f.d->mail.arena;
    struct added_header *h = arena_zalloc(arena, sizeof(*h));
    h->name = arena_slice(arena, name);
    h->value = arena_slice(arena, value);
    h->index = index;
    struct added_header **at = &g->headers;
    while (*at)
        at = &(*at)->next;
    *at = h;
}

/* Room for so many bytes more, which are counted if there is. */
static bool has_room(struct greylist *g, size_t bytes)
{
    uint64_t all = (uint64_t)g->headers_bytes + bytes + sizeof(struct added_header);
    if (all > GREYLIST_HEADERS_MAX_BYTES || !shared_keep_more(g->f.d->sh, g->headers_bytes, all))
        return false;
    g->headers_bytes = (uint32_t)all;
    return true;
}

/* A sender may write to many recipients: the mail goes on, with fewer headers. */
static void leave_out(struct greylist *g)
{
    if (g->flags & GREYLIST_HEADERS_LEFT_OUT)
        return;
    g->flags |= GREYLIST_HEADERS_LEFT_OUT;
    dialogue_log(g->f.d, LOG_LEVEL_WARNING,
                 "more headers to add to one message than there is memory for: the rest is left out");
}

static void add_header(struct greylist *g, const struct format *format, int64_t index)
{
    struct buf text = {0};
    text_expand(g, format, &text);
    struct slice name, value;
    split_header(buf_slice(&text), &name, &value);
    bool known = name.len == 0;
    for (const struct added_header *h = g->headers; h && !known; h = h->next)
        known = slice_eq_nocase(h->name, name) && slice_eq(h->value, value); /* once a message, not once a recipient */
    if (!known && !has_room(g, name.len + value.len))
        leave_out(g);
    else if (!known)
        append_header(g, name, value, index);
    buf_fini(&text);
}

void message_note_accepted(struct greylist *g, unsigned reasons, int64_t elapsed_sec)
{
    const struct decision *d = &g->decision;
    g->accepted++;
    g->flags |= GREYLIST_COUNTED;
    g->reasons |= reasons;
    if (elapsed_sec > g->elapsed_sec)
        g->elapsed_sec = elapsed_sec > UINT32_MAX ? UINT32_MAX : (uint32_t)elapsed_sec;
    if (reasons & REASON_TARPIT)
        g->tarpit_sec = (uint32_t)d->tarpit_sec;
    if (reasons & REASON_ACL || d->nolog) {
        g->header_acl = d->acl;
        g->header_acl_id = d->id;
    }
    if (d->report) {
        struct buf text = {0};
        text_expand(g, d->report, &text);
        (void)buf_cstr(&text); /* ends it with a NUL */
        free(g->report);
        g->report = text.ptr;
    }
    for (unsigned i = 0; i < d->n_headers; i++)
        add_header(g, d->headers[i].format, d->headers[i].index);
}

/* delayedreject: a recipient was deferred, and nobody else is written to. */
static bool is_deferred(const struct greylist *g)
{
    return (g->flags & GREYLIST_DEFER_AT_DATA) && !(g->f.passed_by) && g->accepted == 0 && !shared_is_paused(g->f.d->sh);
}

static void data_go(struct greylist *g)
{
    if (is_deferred(g)) {
        struct slice rest = slice_of(g->deferred, 4);
        uint32_t length;
        if (!wire_take_u32(&rest, &length))
            PANIC("four bytes are a length");
        greylist_refuse(g, slice_of(g->deferred, 4 + (size_t)length));
        return;
    }
    greylist_pass(g);
}

void message_data(struct greylist *g)
{
    if (!(g->f.d->flags & DIALOGUE_UNCONFIRMED)) {
        data_go(g);
        return;
    }
    greylist_set_wait(g, GREYLIST_CONFIRMS);
    g->store_request = recipient_ask_confirm(g, true);
}

static void note_confirmed(struct greylist *g)
{
    g->f.d->flags &= (uint16_t)~DIALOGUE_UNCONFIRMED;
    g->f.d->served_autowhite_sec = 0;
    text_log_confirmed(g);
}

void message_confirmed(struct greylist *g, const struct grey_answer *answer)
{
    if (!answer->failed)
        note_confirmed(g);
    else if (shared_complain(g->f.d->sh, &g->f.d->sh->unstored) > 0) /* the end of the message tries again */
        dialogue_log(g->f.d, LOG_LEVEL_ERROR, "store: that the client has waited could not be recorded; the mail goes on");
    data_go(g);
}

/* Values in mail/'s canonical form: with the blank behind the colon. */
static void put_edit(struct mail_edits *edits, int64_t index, struct slice name, struct slice value)
{
    struct buf canonical = {0};
    buf_put_byte(&canonical, ' ');
    buf_put_slice(&canonical, value);
    /* what may be added is bounded far below the limits of edits (GREYLIST_HEADERS_MAX_BYTES) */
    (void)!mail_edits_add(edits, index < 0 ? MAIL_ADD_HEADER : MAIL_INSERT_HEADER, index < 0 ? 0 : (uint32_t)index, name,
                          buf_slice(&canonical));
    buf_fini(&canonical);
}

void message_put_edits(const struct greylist *g, struct mail_edits *edits)
{
    struct buf text = {0};
    text_x_greylist(g, &text);
    if (text.len > 0)
        put_edit(edits, -1, slice_cstr(x_greylist_name), buf_slice(&text));
    buf_fini(&text);
    for (const struct added_header *h = g->headers; h; h = h->next)
        put_edit(edits, h->index, h->name, h->value);
}

bool message_edits_fit_early(const struct greylist *g)
{
    for (const struct added_header *h = g->headers; h; h = h->next)
        if (h->index > 1)
            return false;
    return true;
}

void message_end(struct greylist *g)
{
    if (g->f.d->flags & DIALOGUE_UNCONFIRMED) {
        /* An MTA that does not know DATA as a step, or the store has failed at it: what follows it says as much. */
        (void)recipient_ask_confirm(g, false);
        note_confirmed(g);
    }
    data_go(g); /* for an MTA that does not know DATA as a step, a deferral comes here */
}
