/* store.c - from a store to its adapter's operations. */
#include "port/store.h"

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

bool store_is_new(const struct store *s)
{
    return s->ops->is_new(s);
}

void store_submit(struct store *s, owner_id owner, uint32_t number, const struct grey_request *req)
{
    s->ops->submit(s, owner, number, req);
}

size_t store_take_answers(struct store *s, store_answer answer, void *ctx)
{
    return s->ops->take_answers(s, answer, ctx);
}

void store_get_stats(struct store *s, struct store_stats *out)
{
    s->ops->get_stats(s, out);
}

enum err store_import(struct store *s, struct store_import *import)
{
    return s->ops->import(s, import);
}

enum err store_each(struct store *s, store_record each, void *ctx)
{
    return s->ops->each(s, each, ctx);
}
