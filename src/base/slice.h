/* slice.h - borrowed bytes: a pointer and a length. Not NUL-terminated, not owned, never changed through the slice. */
#ifndef TARSIER_BASE_SLICE_H
#define TARSIER_BASE_SLICE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *ptr; /* may be NULL only when len is 0: "absent" where that differs from empty */
    size_t len;
};

/* For printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s)   (int)(s).len, ((s).ptr ? (s).ptr : "")
#define SLICE_LIT(lit) ((struct slice){(lit), sizeof(lit) - 1})
#define SLICE_NONE     ((struct slice){NULL, 0})

struct slice slice_of(const void *ptr, size_t len);
struct slice slice_cstr(const char *s); /* NULL gives SLICE_NONE */

/* Comparison byte by byte; _nocase folds ASCII only. */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_eq_cstr(struct slice a, const char *b);
bool slice_has_prefix(struct slice s, const char *prefix);
bool slice_has_suffix_nocase(struct slice s, struct slice suffix);
int slice_cmp(struct slice a, struct slice b); /* as memcmp, the shorter first */

/* The part from byte `from` on; from is clamped to the length. */
struct slice slice_from(struct slice s, size_t from);
struct slice slice_upto(struct slice s, size_t len);
/* Without leading and trailing bytes that stand in the string set. */
struct slice slice_trim(struct slice s, const char *set);

/* Position of the first (last) byte c, or s.len when there is none. */
size_t slice_find(struct slice s, char c);
size_t slice_rfind(struct slice s, char c);

/*
 * Cut *rest at the first separator: returns what stands before it and moves *rest behind it.
 * Without a separator all of *rest is returned and *rest becomes SLICE_NONE (ptr NULL): the loop's end.
 */
struct slice slice_cut(struct slice *rest, char separator);

/* Decimal, digits only, no sign. Errors: ERR_SYNTAX, ERR_RANGE (does not fit). */
MUST_CHECK enum err slice_to_u64(struct slice s, uint64_t *out);

/* ASCII only, without the locale. */
static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}
static inline bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
