/* clean.c - sender and recipient as records know them. */
#include "grey/clean.h"

static struct slice without_brackets(struct slice s)
{
    if (s.len > 0 && s.ptr[0] == '<')
        s = slice_from(s, 1);
    if (s.len > 0 && s.ptr[s.len - 1] == '>')
        s.len--;
    return s;
}

static char clean_byte(char c)
{
    return c > ' ' && c < 0x7f ? ascii_lower(c) : '_';
}

static struct slice clean(struct arena *arena, struct slice inner)
{
    char *out = arena_alloc(arena, inner.len + 2);
    out[0] = '<';
    for (size_t i = 0; i < inner.len; i++)
        out[i + 1] = clean_byte(inner.ptr[i]);
    out[inner.len + 1] = '>';
    return slice_of(out, inner.len + 2);
}

struct slice grey_clean_sender(struct arena *arena, struct slice raw)
{
    struct slice inner = without_brackets(raw);
    size_t equals = slice_rfind(inner, '=');
    if (equals < inner.len)
        inner = slice_from(inner, equals + 1);
    return clean(arena, inner);
}

struct slice grey_clean_recipient(struct arena *arena, struct slice raw)
{
    return clean(arena, without_brackets(raw));
}

struct slice grey_address_domain(struct slice cleaned)
{
    struct slice inner = without_brackets(cleaned);
    size_t at = slice_rfind(inner, '@');
    struct slice domain = slice_from(inner, at < inner.len ? at + 1 : inner.len);
    return domain.ptr ? domain : SLICE_LIT("");
}
