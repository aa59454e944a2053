/* mem.c - allocation that does not fail, and the panic for our own bugs. */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void panic_at(const char *file, int line, const char *what)
{
    fprintf(stderr, "tarsier: panic: %s:%d: %s\n", file, line, what);
    abort();
}

static _Noreturn void out_of_memory(size_t n)
{
    fprintf(stderr, "tarsier: fatal: out of memory (%zu bytes)\n", n);
    abort();
}

void *mem_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        out_of_memory(n);
    return p;
}

void *mem_zalloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p)
        out_of_memory(n);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q)
        out_of_memory(n);
    return q;
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(mem_alloc(n), s, n);
}

void *mem_grow(void *p, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap && p)
        return p;
    size_t n = *cap ? *cap : 8;
    while (n < want) {
        if (n > SIZE_MAX / 2)
            out_of_memory(want);
        n *= 2;
    }
    if (n > SIZE_MAX / size)
        out_of_memory(n);
    *cap = n;
    return mem_realloc(p, n * size);
}
