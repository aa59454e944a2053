/* message.c - DATA and end of message: a deferral that was put off, and the headers. */
#include "mail/edit.h"
#include "session/internal.h"

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

static void append_header(struct session *s, struct slice name, struct slice value, int64_t index)
{
    struct arena *arena = &s->d.mail.arena;
    struct added_header *h = arena_zalloc(arena, sizeof(*h));
    h->name = arena_slice(arena, name);
    h->value = arena_slice(arena, value);
    h->index = index;
    struct added_header **at = &s->headers;
    while (*at)
        at = &(*at)->next;
    *at = h;
}

/* Room for so many bytes more, which are counted if there is. */
static bool has_room(struct session *s, size_t bytes)
{
    uint64_t all = (uint64_t)s->headers_bytes + bytes + sizeof(struct added_header);
    if (all > SESSION_HEADERS_MAX_BYTES || !shared_keep_more(s->d.sh, s->headers_bytes, all))
        return false;
    s->headers_bytes = (uint32_t)all;
    return true;
}

/* A sender may write to many recipients: the mail goes on, with fewer headers. */
static void leave_out(struct session *s)
{
    if (s->flags & FLAG_HEADERS_LEFT_OUT)
        return;
    s->flags |= FLAG_HEADERS_LEFT_OUT;
    dialogue_log(&s->d, LOG_LEVEL_WARNING,
                 "more headers to add to one message than there is memory for: the rest is left out");
}

static void add_header(struct session *s, const struct format *format, int64_t index)
{
    struct buf text = {0};
    text_expand(s, format, &text);
    struct slice name, value;
    split_header(buf_slice(&text), &name, &value);
    bool known = name.len == 0;
    for (const struct added_header *h = s->headers; h && !known; h = h->next)
        known = slice_eq_nocase(h->name, name) && slice_eq(h->value, value); /* once a message, not once a recipient */
    if (!known && !has_room(s, name.len + value.len))
        leave_out(s);
    else if (!known)
        append_header(s, name, value, index);
    buf_fini(&text);
}

void message_note_accepted(struct session *s, unsigned reasons, int64_t elapsed_sec)
{
    const struct decision *d = &s->decision;
    s->accepted++;
    s->flags |= FLAG_COUNTED;
    s->reasons |= reasons;
    if (elapsed_sec > s->elapsed_sec)
        s->elapsed_sec = elapsed_sec > UINT32_MAX ? UINT32_MAX : (uint32_t)elapsed_sec;
    if (reasons & REASON_TARPIT)
        s->tarpit_sec = (uint32_t)d->tarpit_sec;
    if (reasons & REASON_ACL || d->nolog) {
        s->header_acl = d->acl;
        s->header_acl_id = d->id;
    }
    if (d->report) {
        struct buf text = {0};
        text_expand(s, d->report, &text);
        (void)buf_cstr(&text); /* ends it with a NUL */
        free(s->report);
        s->report = text.ptr;
    }
    for (unsigned i = 0; i < d->n_headers; i++)
        add_header(s, d->headers[i].text, d->headers[i].index);
}

/* delayedreject: a recipient was deferred, and nobody else is written to. */
static bool is_deferred(const struct session *s)
{
    return (s->flags & FLAG_DEFER_AT_DATA) && !(s->flags & FLAG_RCPT_UNFILTERED) && s->accepted == 0 &&
           !shared_is_paused(s->d.sh);
}

static void data_go(struct session *s)
{
    if (is_deferred(s)) {
        session_reply(s, s->deferred_text);
        return;
    }
    session_continue(s);
}

void message_data(struct session *s)
{
    if (!(s->flags & FLAG_UNCONFIRMED)) {
        data_go(s);
        return;
    }
    session_set_wait(s, WAIT_CONFIRM);
    s->store_request = recipient_ask_confirm(s, true);
}

static void note_confirmed(struct session *s)
{
    s->flags &= ~(uint32_t)FLAG_UNCONFIRMED;
    s->served_autowhite_sec = 0;
    text_log_confirmed(s);
}

void message_confirmed(struct session *s, const struct grey_answer *answer)
{
    if (!answer->failed)
        note_confirmed(s);
    else if (shared_complain(s->d.sh, &s->d.sh->unstored) > 0) /* the end of the message tries again */
        dialogue_log(&s->d, LOG_LEVEL_ERROR, "store: that the client has waited could not be recorded; the mail goes on");
    data_go(s);
}

static void put_headers(const struct session *s, struct buf *packets)
{
    struct buf text = {0};
    text_x_greylist(s, &text);
    if (text.len > 0)
        milter_put_header(packets, SMFIR_ADDHEADER, 0, slice_cstr(x_greylist_name), buf_slice(&text));
    buf_fini(&text);
    for (const struct added_header *h = s->headers; h; h = h->next) {
        if (h->index < 0)
            milter_put_header(packets, SMFIR_ADDHEADER, 0, h->name, h->value);
        else
            milter_put_header(packets, SMFIR_INSHEADER, (uint32_t)h->index, h->name, h->value);
    }
}

/* Values in mail/'s canonical form: with the blank behind the colon. */
static void put_edit(struct mail_edits *edits, int64_t index, struct slice name, struct slice value)
{
    struct buf canonical = {0};
    buf_put_byte(&canonical, ' ');
    buf_put_slice(&canonical, value);
    /* what may be added is bounded far below the limits of edits (SESSION_HEADERS_MAX_BYTES) */
    (void)!mail_edits_add(edits, index < 0 ? MAIL_ADD_HEADER : MAIL_INSERT_HEADER, index < 0 ? 0 : (uint32_t)index, name,
                          buf_slice(&canonical));
    buf_fini(&canonical);
}

void message_put_edits(const struct session *s, struct mail_edits *edits)
{
    struct buf text = {0};
    text_x_greylist(s, &text);
    if (text.len > 0)
        put_edit(edits, -1, slice_cstr(x_greylist_name), buf_slice(&text));
    buf_fini(&text);
    for (const struct added_header *h = s->headers; h; h = h->next)
        put_edit(edits, h->index, h->name, h->value);
}

bool message_edits_fit_early(const struct session *s)
{
    for (const struct added_header *h = s->headers; h; h = h->next)
        if (h->index > 1)
            return false;
    return true;
}

void message_end(struct session *s)
{
    if (s->flags & FLAG_UNCONFIRMED) {
        /* An MTA that does not know DATA as a step, or the store has failed at it: what follows it says as much. */
        (void)recipient_ask_confirm(s, false);
        note_confirmed(s);
    }
    if (is_deferred(s)) {
        session_reply(s, s->deferred_text); /* an MTA that does not know DATA as a step */
        session_clear_message(s);
        return;
    }
    if (s->chain) { /* our headers go out with the children's edits */
        session_continue(s);
        return;
    }
    struct buf packets = {0};
    if (s->accepted > 0 && (s->actions & SMFIF_ADDHDRS))
        put_headers(s, &packets);
    milter_put_code(&packets, SMFIR_CONTINUE);
    session_reply(s, buf_slice(&packets));
    buf_fini(&packets);
    session_clear_message(s);
}
