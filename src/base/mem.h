/*
 * mem.h - allocation that does not fail.
 *
 * Every size that comes from outside is bounded before it gets here, so running out of memory is the machine's trouble, not
 * an input's: the process says so and aborts, its supervisor starts it again, and the store has lost nothing (docs/adr/0002).
 */
#ifndef TARSIER_BASE_MEM_H
#define TARSIER_BASE_MEM_H

#include <stddef.h>

/* All of these abort with a message instead of returning NULL. Owner: the caller frees with free(). */
__attribute__((malloc, returns_nonnull)) void *mem_alloc(size_t n);
__attribute__((malloc, returns_nonnull)) void *mem_zalloc(size_t n);
__attribute__((returns_nonnull)) void *mem_realloc(void *p, size_t n);
__attribute__((malloc, returns_nonnull)) char *mem_strdup(const char *s);

/* Grow the array at p, of *cap items of size bytes, so that it holds at least want items (at least doubling). */
__attribute__((returns_nonnull)) void *mem_grow(void *p, size_t *cap, size_t want, size_t size);

/* A bug of ours: says where and aborts. Never for something that an input can cause. */
_Noreturn void panic_at(const char *file, int line, const char *what);
#define PANIC(what) panic_at(__FILE__, __LINE__, what)

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define COUNT_OF(array)                 (sizeof(array) / sizeof((array)[0]))

#endif
