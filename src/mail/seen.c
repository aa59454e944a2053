/*
 * seen.c - the list of headers that a filter's edits count in: all by their place, and those of one name by theirs. Each edit
 * takes log n steps, so many edits of many headers do not hold the loop.
 */
#include "base/mem.h"
#include "mail/internal.h"

/* All headers of one name, in whatever case it is spelled. */
struct name {
    struct order_node node; /* in seen.names, sorted */
    struct slice text;
    struct order members;
};

struct mail_seen_header {
    struct order_node in_all, in_name;
    struct mail_header *header;
    struct name *name; /* NULL: the MTA's own, which has no number */
};

static struct mail_seen_header *of_all(struct order_node *node)
{
    return CONTAINER_OF(node, struct mail_seen_header, in_all);
}

static struct mail_seen_header *of_name(struct order_node *node)
{
    return CONTAINER_OF(node, struct mail_seen_header, in_name);
}

static int compare_name(const void *key, struct order_node *node)
{
    const struct slice *a = key, *b = &CONTAINER_OF(node, struct name, node)->text;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    for (size_t i = 0; i < a->len; i++) {
        int difference = (unsigned char)ascii_lower(a->ptr[i]) - (unsigned char)ascii_lower(b->ptr[i]);
        if (difference != 0)
            return difference;
    }
    return 0;
}

static struct name *find_name(struct mail_seen *seen, struct slice text, uint32_t *at)
{
    struct order_node *node;
    *at = order_search(&seen->names, compare_name, &text, &node);
    return node ? CONTAINER_OF(node, struct name, node) : NULL;
}

static struct name *name_of(struct mail_seen *seen, struct slice text)
{
    uint32_t at;
    struct name *name = find_name(seen, text, &at);
    if (name)
        return name;
    name = arena_zalloc(&seen->arena, sizeof(*name));
    name->text = text;
    name->members.steps = seen->all.steps;
    order_insert(&seen->names, at, &name->node);
    return name;
}

struct place {
    struct mail_seen *seen;
    uint32_t index; /* among all */
};

static int compare_place(const void *key, struct order_node *node)
{
    const struct place *place = key;
    return place->index < order_index(&place->seen->all, &of_name(node)->in_all) ? -1 : 1;
}

void mail_seen_insert(const struct mail *m, struct mail_seen *seen, uint32_t index, struct mail_header *h)
{
    struct mail_seen_header *s = arena_zalloc(&seen->arena, sizeof(*s));
    bool is_last = index == order_count(&seen->all);
    struct order_node *none;
    s->header = h;
    order_insert(&seen->all, index, &s->in_all);
    if (h == &m->own)
        return;
    s->name = name_of(seen, h->text->name);
    struct order *members = &s->name->members;
    struct place place = {seen, index};
    order_insert(members, is_last ? order_count(members) : order_search(members, compare_place, &place, &none), &s->in_name);
}

void mail_seen_init(struct mail *m, mail_view v, struct mail_seen *seen)
{
    *seen = (struct mail_seen){.all.steps = &m->steps, .names.steps = &m->steps};
    for (struct list *node = m->headers.next; node != &m->headers; node = node->next) {
        struct mail_header *h = CONTAINER_OF(node, struct mail_header, node);
        m->steps++;
        if (h == &m->own || mail_header_is_in(h, v))
            mail_seen_insert(m, seen, order_count(&seen->all), h);
    }
}

void mail_seen_fini(struct mail_seen *seen)
{
    arena_fini(&seen->arena);
    *seen = (struct mail_seen){0};
}

uint32_t mail_seen_count(const struct mail_seen *seen)
{
    return order_count(&seen->all);
}

struct mail_header *mail_seen_at(struct mail_seen *seen, uint32_t index, uint32_t *number)
{
    struct mail_seen_header *s = of_all(order_at(&seen->all, index));
    *number = s->name ? order_index(&s->name->members, &s->in_name) + 1 : 0;
    return s->header;
}

struct mail_seen_header *mail_seen_nth(struct mail_seen *seen, struct slice name, uint32_t nth)
{
    uint32_t at;
    struct name *n = find_name(seen, name, &at);
    return n && nth >= 1 && nth <= order_count(&n->members) ? of_name(order_at(&n->members, nth - 1)) : NULL;
}

struct mail_header *mail_seen_header(const struct mail_seen_header *s)
{
    return s->header;
}

void mail_seen_remove(struct mail_seen *seen, struct mail_seen_header *s)
{
    order_remove(&seen->all, &s->in_all);
    order_remove(&s->name->members, &s->in_name);
}
