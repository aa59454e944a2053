/* body.c - a body's beginning in memory, in blocks that grow with it; of the rest only its length. */
#include "mail/body.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Most mails are small: the first block is, too. */
enum { BLOCK_MIN_BYTES = 4 * 1024, BLOCK_MAX_BYTES = 64 * 1024 };

struct body_block {
    struct body_block *next;
    size_t used, cap; /* cap is what the budget knows of */
    char bytes[];
};

void body_init(struct body *b, struct body_budget *budget)
{
    *b = (struct body){.budget = budget};
}

void body_fini(struct body *b)
{
    while (b->first) {
        struct body_block *next = b->first->next;
        b->budget->used_bytes -= b->first->cap;
        free(b->first);
        b->first = next;
    }
    *b = (struct body){.budget = b->budget};
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* False: neither the body's own bound nor the budget gives a byte more. */
static bool add_block(struct body *b)
{
    const struct body_budget *budget = b->budget;
    uint64_t cap = b->memory_bytes < BLOCK_MIN_BYTES ? BLOCK_MIN_BYTES : min(b->memory_bytes, BLOCK_MAX_BYTES);
    cap = min(cap, BODY_MEMORY_MAX_BYTES - b->memory_bytes);
    cap = min(cap, budget->used_bytes < budget->max_bytes ? budget->max_bytes - budget->used_bytes : 0);
    if (cap == 0)
        return false;
    struct body_block *block = mem_alloc(sizeof(*block) + cap);
    block->next = NULL;
    block->used = 0;
    block->cap = cap;
    b->budget->used_bytes += cap;
    if (b->last)
        b->last->next = block;
    else
        b->first = block;
    b->last = block;
    return true;
}

size_t body_append(struct body *b, struct slice chunk)
{
    bool in_memory = b->bytes == b->memory_bytes;
    size_t kept = 0;
    while (in_memory && kept < chunk.len) {
        struct body_block *block = b->last;
        if ((!block || block->used == block->cap) && !add_block(b))
            break;
        block = b->last;
        size_t n = min(chunk.len - kept, block->cap - block->used);
        memcpy(block->bytes + block->used, chunk.ptr + kept, n);
        block->used += n;
        b->memory_bytes += n;
        kept += n;
    }
    b->bytes += chunk.len;
    return kept;
}

bool body_read(const struct body *b, uint64_t offset, size_t max, struct slice *out, uint64_t *spool_offset,
               uint32_t *length)
{
    if (offset >= b->bytes || max == 0)
        PANIC("nothing of a body is read");
    if (offset >= b->memory_bytes) {
        *spool_offset = offset - b->memory_bytes;
        *length = (uint32_t)min(min(max, b->bytes - offset), UINT32_MAX);
        return false;
    }
    const struct body_block *block = b->first;
    for (; offset >= block->used; block = block->next)
        offset -= block->used;
    *out = slice_of(block->bytes + offset, min(max, block->used - offset));
    return true;
}
