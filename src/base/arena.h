/*
 * arena.h - memory that is given back all at once (a message, a configuration generation).
 *
 * Pointers stay valid until arena_clear or arena_fini. An arena may start on memory of its owner's (arena_init_inline), so
 * that a small life needs no allocation at all.
 */
#ifndef TARSIER_BASE_ARENA_H
#define TARSIER_BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;

struct arena {
    char *at, *end;             /* free part of the current chunk */
    struct arena_chunk *chunks; /* newest first; not the inline one */
    char *inline_at;
    uint32_t inline_bytes;
    uint32_t next_bytes; /* size of the next chunk; doubles up to 64 KiB */
};

/* A zeroed struct arena is an empty arena. */
void arena_init(struct arena *a);
/* Owner: memory stays the caller's and must outlive the arena. */
void arena_init_inline(struct arena *a, void *memory, size_t bytes);
void arena_fini(struct arena *a);
/* Give everything back but the inline part: all pointers die. */
void arena_clear(struct arena *a);

/* Aligned for any type; zeroed only by arena_zalloc. Never NULL. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
/* A copy, NUL-terminated behind its end. SLICE_NONE stays SLICE_NONE. */
struct slice arena_slice(struct arena *a, struct slice s);
char *arena_cstr(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
