/*
 * mail.c - a message under edit: its life, the order in which edits go in, bodies by reference. Headers are in headers.c,
 * sender and recipients in envelope.c, the way back to the MTA in changes.c.
 */
#include "mail/internal.h"
#include "base/mem.h"

#include <stdlib.h>

struct mail *mail_new(void)
{
    struct mail *m = mem_zalloc(sizeof(*m));
    list_init(&m->headers);
    m->own.born = m->own.died = MAIL_NEVER;
    list_push_back(&m->headers, &m->own.node);
    return m;
}

void mail_free(struct mail *m)
{
    if (!m)
        return;
    arena_fini(&m->arena);
    free(m);
}

struct mail_change *mail_note(struct mail *m, unsigned f, const struct mail_edit *e)
{
    struct mail_change *c = arena_alloc(&m->arena, sizeof(*c));
    *c = (struct mail_change){
        .since = f + 1,
        .order = ++m->n_changes,
        .kind = e->kind,
        .index = e->index,
        .name = arena_slice(&m->arena, e->name),
        .value = arena_slice(&m->arena, e->value),
    };
    if (m->last_change)
        m->last_change->next = c;
    else
        m->changes = c;
    m->last_change = c;
    return c;
}

void mail_apply(struct mail *m, unsigned f, mail_view v, const struct mail_edits *edits)
{
    if (f >= MAIL_FILTERS_MAX || v > f)
        PANIC("edits of a filter that there cannot be");
    struct mail_seen seen = {0};
    for (const struct mail_edit *e = edits->first; e; e = e->next) {
        switch (e->kind) {
        case MAIL_ADD_HEADER:
        case MAIL_INSERT_HEADER:
        case MAIL_CHANGE_HEADER:
            if (!seen.all.steps)
                mail_seen_init(m, v, &seen);
            mail_apply_header(m, f, &seen, e);
            break;
        case MAIL_ADD_RECIPIENT:
        case MAIL_DELETE_RECIPIENT:
        case MAIL_CHANGE_SENDER:
        case MAIL_QUARANTINE:
            mail_apply_envelope(m, f, e);
            break;
        }
    }
    mail_seen_fini(&seen);
}

void mail_replace_body(struct mail *m, unsigned f, struct body *body)
{
    if (f >= MAIL_FILTERS_MAX)
        PANIC("body of a filter that there cannot be");
    m->bodies[f] = body;
}

struct body *mail_body(const struct mail *m, mail_view v)
{
    for (unsigned f = v < MAIL_FILTERS_MAX ? v : MAIL_FILTERS_MAX; f-- > 0;)
        if (m->bodies[f])
            return m->bodies[f];
    return NULL;
}
