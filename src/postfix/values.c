/* values.c - the lines of postconf, and the words of a list. */
#include "postfix/values.h"

static const char blanks[] = " \t\r\n\f\v";
static const char parting[] = ", \t\r\n\f\v";

static bool line_read(struct slice line, struct postfix_value *out)
{
    struct slice value = line, left = slice_trim(slice_cut(&value, '='), blanks);
    if (!value.ptr || left.len == 0)
        return false;
    size_t slash = slice_rfind(left, '/'); /* no parameter has one in its name */
    *out = (struct postfix_value){.name = left, .value = slice_trim(value, blanks)};
    if (slash < left.len) {
        out->service = slice_upto(left, slash);
        out->name = slice_from(left, slash + 1);
    }
    return true;
}

void postfix_values_read(struct arena *arena, struct slice text, struct postfix_values *out)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    *out = (struct postfix_values){.items = arena_alloc(arena, lines * sizeof(*out->items))};
    while (text.ptr)
        out->n += line_read(slice_cut(&text, '\n'), &out->items[out->n]);
}

struct slice postfix_value(const struct postfix_values *v, const char *service, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (slice_eq_cstr(v->items[i].name, name) && slice_eq_cstr(v->items[i].service, service ? service : ""))
            return v->items[i].value;
    return SLICE_NONE;
}

static bool is_parting(char c)
{
    return slice_find(slice_of(parting, sizeof(parting) - 1), c) < sizeof(parting) - 1;
}

bool postfix_word(struct slice *rest, struct slice *word)
{
    *rest = slice_trim(*rest, parting);
    size_t n = 0;
    while (n < rest->len && !is_parting(rest->ptr[n]))
        n++;
    *word = slice_upto(*rest, n);
    *rest = slice_from(*rest, n);
    return n > 0;
}
