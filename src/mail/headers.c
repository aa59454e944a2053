/*
 * headers.c - the headers of a message, as each filter sees them, and what it does to them. One list, in which every header
 * that ever was has its place for good; it is the order of each view.
 */
#include "base/mem.h"
#include "mail/internal.h"

#include <string.h>

static struct mail_header *header_at(struct list *node)
{
    return CONTAINER_OF(node, struct mail_header, node);
}

bool mail_header_is_in(const struct mail_header *h, mail_view v)
{
    return h->born <= v && v < h->died;
}

const struct mail_text *mail_header_text(const struct mail_header *h, mail_view v)
{
    const struct mail_text *t = h->text;
    while (t->since > v && t->older)
        t = t->older;
    return t;
}

static void set_text(struct mail *m, struct mail_header *h, mail_view since, struct slice name, struct slice value)
{
    struct mail_text **at = &h->text;
    while (*at && (*at)->since > since) /* of a filter that came before its turn */
        at = &(*at)->older;
    if (*at && (*at)->since == since) { /* the same filter's: nobody has seen that yet */
        (*at)->name = name;
        (*at)->value = value;
        return;
    }
    struct mail_text *t = arena_alloc(&m->arena, sizeof(*t));
    *t = (struct mail_text){*at, since, name, value};
    *at = t;
}

static struct mail_header *make(struct mail *m, mail_view born, struct slice name, struct slice value)
{
    struct mail_header *h = arena_zalloc(&m->arena, sizeof(*h));
    h->born = born;
    h->died = MAIL_NEVER;
    set_text(m, h, born, name, value);
    return h;
}

enum err mail_add_header(struct mail *m, struct slice name, struct slice value)
{
    /* what it costs here, so that many short ones have their limit too; lengths one by one, their sum might wrap */
    size_t room = MAIL_HEADERS_MAX_BYTES - m->header_bytes;
    size_t node = sizeof(struct mail_header) + sizeof(struct mail_text);
    if (node > room || name.len > room - node || value.len > room - node - name.len)
        return ERR_LIMIT;
    m->header_bytes += node + name.len + value.len;
    struct mail_header *h = make(m, 0, arena_slice(&m->arena, name), arena_slice(&m->arena, value));
    list_insert_before(m->tail ? m->tail : &m->headers, &h->node);
    return ERR_NONE;
}

size_t mail_header_bytes(const struct mail *m)
{
    return m->header_bytes;
}

void mail_end_headers(struct mail *m)
{
    m->headers_ended = true;
}

void mail_hide_headers(struct mail *m)
{
    m->headers_hidden = true;
}

bool mail_next_header(const struct mail *m, mail_view v, struct mail_cursor *c, struct slice *name, struct slice *value)
{
    const struct list *end = m->tail && !m->headers_ended ? m->tail : &m->headers;
    const struct mail_header *last = c->at;
    for (struct list *node = last ? last->node.next : m->headers.next; node != end; node = node->next) {
        const struct mail_header *h = header_at(node);
        if (!mail_header_is_in(h, v))
            continue;
        const struct mail_text *t = mail_header_text(h, v);
        c->at = h;
        *name = t->name;
        *value = t->value;
        return true;
    }
    return false;
}

/* ---- edits ---- */

static void put_last(struct mail *m, struct mail_seen *seen, struct mail_header *h)
{
    list_push_back(&m->headers, &h->node);
    mail_seen_insert(m, seen, mail_seen_count(seen), h);
    if (!m->tail && !m->headers_ended)
        m->tail = &h->node;
}

/*
 * Right below the one above: so over what an earlier filter has put at the same place, seen or not. At the end of what the
 * filter sees it is not put_last: headers may still be coming.
 */
static void put_at(struct mail *m, struct mail_seen *seen, struct mail_header *h, uint32_t index)
{
    uint32_t number;
    if (index > mail_seen_count(seen)) {
        put_last(m, seen, h);
        return;
    }
    list_push_front(index == 0 ? &m->headers : &mail_seen_at(seen, index - 1, &number)->node, &h->node);
    mail_seen_insert(m, seen, index, h);
}

static void change(struct mail *m, unsigned f, struct mail_seen *seen, const struct mail_edit *e)
{
    struct mail_seen_header *meant = mail_seen_nth(seen, e->name, e->index ? e->index : 1);
    struct mail_header *h = meant ? mail_seen_header(meant) : NULL;
    bool deletes = e->value.len == 0;
    if (h && deletes)
        mail_seen_remove(seen, meant);
    if (h && h->died <= f + 1)
        return; /* by an earlier filter, and this one did not see it */
    struct mail_change *c = mail_note(m, f, e);
    if (h && deletes) {
        h->died = f + 1;
    } else if (h) {
        set_text(m, h, f + 1, c->name, c->value);
    } else if (!deletes) {
        c->header = make(m, f + 1, c->name, c->value);
        c->header->order = c->order;
        put_last(m, seen, c->header);
    }
}

void mail_apply_header(struct mail *m, unsigned f, struct mail_seen *seen, const struct mail_edit *e)
{
    if (e->kind == MAIL_CHANGE_HEADER) {
        change(m, f, seen, e);
        return;
    }
    struct mail_change *c = mail_note(m, f, e);
    c->header = make(m, f + 1, c->name, c->value);
    c->header->order = c->order;
    if (e->kind == MAIL_INSERT_HEADER)
        put_at(m, seen, c->header, e->index);
    else
        put_last(m, seen, c->header);
}
