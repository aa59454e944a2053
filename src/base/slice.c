/* slice.c - borrowed bytes. */
#include "base/slice.h"

#include <string.h>

struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

struct slice slice_cstr(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

bool slice_eq_cstr(struct slice a, const char *b)
{
    return slice_eq(a, slice_cstr(b));
}

bool slice_has_prefix(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.ptr ? s.ptr : "", prefix, n) == 0;
}

bool slice_has_suffix_nocase(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && slice_eq_nocase(slice_from(s, s.len - suffix.len), suffix);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

struct slice slice_from(struct slice s, size_t from)
{
    if (from >= s.len)
        return (struct slice){s.ptr ? s.ptr + s.len : NULL, 0};
    return (struct slice){s.ptr + from, s.len - from};
}

struct slice slice_upto(struct slice s, size_t len)
{
    if (len < s.len)
        s.len = len;
    return s;
}

static bool in_set(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

struct slice slice_trim(struct slice s, const char *set)
{
    while (s.len > 0 && in_set(s.ptr[0], set)) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && in_set(s.ptr[s.len - 1], set))
        s.len--;
    return s;
}

size_t slice_find(struct slice s, char c)
{
    const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return p ? (size_t)(p - s.ptr) : s.len;
}

size_t slice_rfind(struct slice s, char c)
{
    const char *p = s.len ? memrchr(s.ptr, c, s.len) : NULL;
    return p ? (size_t)(p - s.ptr) : s.len;
}

struct slice slice_cut(struct slice *rest, char separator)
{
    size_t at = slice_find(*rest, separator);
    struct slice head = slice_upto(*rest, at);
    *rest = at < rest->len ? slice_from(*rest, at + 1) : SLICE_NONE;
    return head;
}

enum err slice_to_u64(struct slice s, uint64_t *out)
{
    if (s.len == 0)
        return ERR_SYNTAX;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i]))
            return ERR_SYNTAX;
        uint64_t d = (uint64_t)(s.ptr[i] - '0');
        if (v > (UINT64_MAX - d) / 10)
            return ERR_RANGE;
        v = v * 10 + d;
    }
    *out = v;
    return ERR_NONE;
}
