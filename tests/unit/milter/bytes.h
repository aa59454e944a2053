/* bytes.h - literal packets for the codec's tests: what stands in a test is what stands on the wire. */
#ifndef TARSIER_TESTS_MILTER_BYTES_H
#define TARSIER_TESTS_MILTER_BYTES_H

#include "../test.h"
#include "milter/wire.h"

#include <stdlib.h>
#include <string.h>

/* A literal with NULs in it, without the one that C adds. */
#define BYTES(lit) SLICE_LIT(lit)

#define CHECK_BYTES(got, lit) test_bytes((got), BYTES(lit), #got, __FILE__, __LINE__)

static inline void print_bytes(const char *label, struct slice s)
{
    printf("# %s %zu bytes:", label, s.len);
    for (size_t i = 0; i < s.len && i < 96; i++)
        printf(s.ptr[i] >= ' ' && s.ptr[i] <= '~' ? " %c" : " %02x", (uint8_t)s.ptr[i]);
    printf("\n");
}

static inline bool test_bytes(struct slice got, struct slice want, const char *what, const char *file, int line)
{
    bool ok = slice_eq(got, want);
    if (!ok) {
        printf("# %s:%d: %s\n", file, line, what);
        print_bytes("is  ", got);
        print_bytes("want", want);
        test_case_ok = false;
    }
    return ok;
}

/* The bytes in memory of their own, so that a sanitizer sees one byte too many. Owner: the caller frees. */
static inline char *exact_copy(struct slice s)
{
    char *p = malloc(s.len ? s.len : 1);
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    return p;
}

/* The one packet in s; the test fails when s is anything else. */
static inline struct wire_packet only_packet(struct slice s)
{
    struct wire_packet p = {0};
    CHECK(wire_next(&s, WIRE_PACKET_MAX_BYTES, &p) == WIRE_OK);
    CHECK_INT(s.len, 0);
    return p;
}

#endif
