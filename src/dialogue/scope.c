/* scope.c - text that is kept for as long as a scope lasts. */
#include "dialogue/scope.h"

enum err scope_reserve(struct scope *scope, struct shared *sh, size_t bytes, size_t max_bytes)
{
    uint64_t kept = (uint64_t)scope->kept_bytes + bytes;
    if (kept > max_bytes)
        return ERR_LIMIT;
    if (!shared_keep_more(sh, scope->kept_bytes, kept))
        return ERR_FULL;
    scope->kept_bytes = (uint32_t)kept;
    return ERR_NONE;
}

enum err scope_keep(struct scope *scope, struct shared *sh, struct slice text, size_t max_bytes, struct slice *kept)
{
    *kept = SLICE_NONE;
    if (!text.ptr)
        return ERR_NONE;
    enum err e = scope_reserve(scope, sh, text.len + 1, max_bytes);
    if (e == ERR_NONE)
        *kept = arena_slice(&scope->arena, text);
    return e;
}

void scope_clear(struct scope *scope, struct shared *sh)
{
    arena_clear(&scope->arena);
    shared_keep_less(sh, scope->kept_bytes, 0);
    scope->kept_bytes = 0;
}
