/* effect.c - the queue of effects. */
#include "port/effect.h"
#include "base/mem.h"
#include "port/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void effects_init(struct effects *q)
{
    *q = (struct effects){0};
}

void effects_fini(struct effects *q)
{
    free(q->items);
    arena_fini(&q->arena);
    *q = (struct effects){0};
}

void effects_clear(struct effects *q)
{
    q->count = 0;
    arena_clear(&q->arena);
}

struct effect *effects_add(struct effects *q, enum effect_kind kind, owner_id owner)
{
    q->items = mem_grow(q->items, &q->cap, q->count + 1, sizeof(*q->items));
    struct effect *e = &q->items[q->count++];
    *e = (struct effect){.kind = kind, .owner = owner};
    return e;
}

void effects_send(struct effects *q, owner_id owner, struct slice bytes)
{
    struct slice copy = arena_slice(&q->arena, bytes);
    effects_add(q, EFFECT_SEND, owner)->u.bytes = copy;
}

void effects_child_send(struct effects *q, child_id child, struct slice bytes)
{
    struct slice copy = arena_slice(&q->arena, bytes);
    struct effect *e = effects_add(q, EFFECT_CHILD_SEND, 0);
    e->u.child.id = child;
    e->u.child.bytes = copy;
}

void effects_log(struct effects *q, owner_id owner, enum log_level level, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        PANIC("bad format");
    char *text = arena_alloc(&q->arena, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    struct effect *e = effects_add(q, EFFECT_LOG, owner);
    e->u.bytes = slice_of(text, (size_t)n);
    e->level = level;
}

void effects_log_line(struct effects *q, owner_id owner, enum log_level level, struct slice line)
{
    struct slice copy = arena_slice(&q->arena, line);
    struct effect *e = effects_add(q, EFFECT_LOG, owner);
    e->u.bytes = copy;
    e->level = level;
}

void effects_about(struct effects *q, const struct journal_entry *entry)
{
    if (q->count > 0 && q->items[q->count - 1].kind == EFFECT_LOG)
        q->items[q->count - 1].about = entry;
}

const struct journal_entry *effects_journal(struct effects *q, owner_id owner, const struct journal_entry *entry)
{
    struct journal_entry *e = arena_alloc(&q->arena, sizeof(*e));
    *e = *entry;
    struct slice *const texts[] = {&e->connection, &e->queue_id,  &e->address, &e->name, &e->helo,
                                   &e->sender,     &e->recipient, &e->line,    &e->why};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = arena_slice(&q->arena, *texts[i]);
    effects_add(q, EFFECT_JOURNAL, owner)->u.journal = e;
    return e;
}
