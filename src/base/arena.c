/* arena.c - memory that is given back all at once. */
#include "base/arena.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
    struct arena_chunk *next;
    max_align_t bytes[];
};

enum { CHUNK_MIN_BYTES = 256, CHUNK_MAX_BYTES = 65536 };

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_init_inline(struct arena *a, void *memory, size_t bytes)
{
    if (bytes > UINT32_MAX)
        PANIC("the inline part of an arena");
    *a = (struct arena){.at = memory, .end = (char *)memory + bytes, .inline_at = memory, .inline_bytes = (uint32_t)bytes};
}

void arena_clear(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
    a->at = a->inline_at;
    a->end = a->inline_at ? a->inline_at + a->inline_bytes : NULL;
    a->next_bytes = 0;
}

void arena_fini(struct arena *a)
{
    arena_clear(a);
    *a = (struct arena){0};
}

static char *align_up(char *p, size_t align)
{
    return (char *)(((uintptr_t)p + (align - 1)) & ~(uintptr_t)(align - 1));
}

static void *take(struct arena *a, size_t n, size_t align)
{
    char *p = align_up(a->at, align);
    if (a->at && p <= a->end && n <= (size_t)(a->end - p)) {
        a->at = p + n;
        return p;
    }
    size_t size = a->next_bytes ? a->next_bytes : CHUNK_MIN_BYTES;
    a->next_bytes = size * 2 > CHUNK_MAX_BYTES ? CHUNK_MAX_BYTES : (uint32_t)size * 2;
    if (size < n)
        size = n;
    struct arena_chunk *c = mem_alloc(sizeof(*c) + size);
    c->next = a->chunks;
    a->chunks = c;
    a->at = (char *)c->bytes + n;
    a->end = (char *)c->bytes + size;
    return c->bytes;
}

void *arena_alloc(struct arena *a, size_t n)
{
    return take(a, n, _Alignof(max_align_t));
}

void *arena_zalloc(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n), 0, n);
}

char *arena_cstr(struct arena *a, struct slice s)
{
    char *p = take(a, s.len + 1, 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
    if (!s.ptr)
        return SLICE_NONE;
    return (struct slice){arena_cstr(a, s), s.len};
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        PANIC("bad format");
    char *p = take(a, (size_t)n + 1, 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}
