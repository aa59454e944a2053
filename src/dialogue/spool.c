/* spool.c - bodies with the file that they may have. */
#include "dialogue/spool.h"

bool spool_store(struct shared *sh, owner_id owner, struct body *body, struct slice chunk, uint32_t request)
{
    size_t kept = body_append(body, chunk);
    if (kept == chunk.len)
        return false;
    if (body->spool == 0)
        body->spool = ++sh->last_spool;
    struct slice bytes = arena_slice(&sh->out->arena, slice_from(chunk, kept));
    struct effect *e = effects_add(sh->out, EFFECT_SPOOL_WRITE, owner);
    e->request = request;
    e->u.spool.id = body->spool;
    e->u.spool.bytes = bytes;
    return true;
}

bool spool_fetch(struct shared *sh, owner_id owner, const struct body *body, uint64_t offset, uint32_t request,
                 struct slice *chunk)
{
    uint64_t spool_offset;
    uint32_t length;
    if (body_read(body, offset, BODY_PIECE_MAX_BYTES, chunk, &spool_offset, &length))
        return true;
    struct effect *e = effects_add(sh->out, EFFECT_SPOOL_READ, owner);
    e->request = request;
    e->u.spool.id = body->spool;
    e->u.spool.offset = spool_offset;
    e->u.spool.length = length;
    return false;
}

void spool_drop(struct shared *sh, owner_id owner, struct body *body)
{
    if (body->spool)
        effects_add(sh->out, EFFECT_SPOOL_CLOSE, owner)->u.spool.id = body->spool;
    body_fini(body);
    body_init(body, &sh->bodies);
}
