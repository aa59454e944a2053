/* parse_crontab.c - the five fields of a time as crontab(5) has them. Knows bits, not what time it is. */
#include "base/mem.h"
#include "conf/parse.h"

struct field {
    const char *name;
    unsigned min, max;
    const char *words; /* three letters each, the first means min; NULL: numbers only */
};

static const struct field fields[] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day", 1, 31, NULL},
    {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"weekday", 0, 7, "sunmontuewedthufrisat"}, /* 7 is Sunday too */
};

/* Where a part of the string stands in the file. */
static struct conf_where part_where(const struct token *t, struct slice part)
{
    struct conf_where where = t->where;
    where.column += 1 + (uint32_t)(part.ptr - t->text.ptr);
    where.width = part.len ? (uint32_t)part.len : 1;
    return where;
}

static bool parse_value(struct parser *p, const struct token *t, const struct field *f, struct slice text, unsigned *out)
{
    uint64_t n;
    for (size_t i = 0; f->words && text.len == 3 && f->words[i]; i += 3)
        if (slice_eq_nocase(text, slice_of(f->words + i, 3))) {
            *out = f->min + (unsigned)(i / 3);
            return true;
        }
    if (slice_to_u64(text, &n) || n < f->min || n > f->max)
        return parse_fail(p, part_where(t, text), NULL, "\"%.*s\" is no %s: it takes %u to %u",
                          SLICE_ARG(slice_upto(text, 60)), f->name, f->min, f->max);
    *out = (unsigned)n;
    return true;
}

/* One of the parts between commas: *, n, n-m, each with /step. */
static bool parse_part(struct parser *p, const struct token *t, const struct field *f, struct slice part, uint64_t *bits)
{
    struct slice step_text = part, range = slice_cut(&step_text, '/'), high_text = range,
                 low_text = slice_cut(&high_text, '-');
    unsigned low = f->min, high = f->max;
    uint64_t step = 1;
    if (!slice_eq_cstr(range, "*")) {
        if (!parse_value(p, t, f, low_text, &low))
            return false;
        high = step_text.ptr && !high_text.ptr ? f->max : low; /* 5/10: from 5 on */
        if (high_text.ptr && !parse_value(p, t, f, high_text, &high))
            return false;
    }
    if (low > high)
        return parse_fail(p, part_where(t, range), parse_text(p, "write %u-%u,%u-%u", low, f->max, f->min, high),
                          "this runs backwards");
    if (step_text.ptr && (slice_to_u64(step_text, &step) || step < 1 || step > f->max))
        return parse_fail(p, part_where(t, step_text.len ? step_text : part), NULL, "a step is a number from 1 to %u",
                          f->max);
    for (unsigned i = low; i <= high; i += (unsigned)step)
        *bits |= (uint64_t)1 << i;
    return true;
}

static bool parse_field(struct parser *p, const struct token *t, const struct field *f, struct slice text, uint64_t *bits)
{
    struct slice rest = text;
    while (rest.ptr) {
        struct slice part = slice_cut(&rest, ',');
        if (!parse_part(p, t, f, part, bits))
            return false;
    }
    return true;
}

bool parse_crontab(struct parser *p, const struct token *t, struct conf_time *out)
{
    uint64_t bits[COUNT_OF(fields)] = {0};
    bool star[COUNT_OF(fields)] = {0};
    struct slice rest = t->text;
    size_t n = 0;
    while (rest.len) {
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\t')
            len++;
        struct slice text = slice_upto(rest, len);
        rest = slice_from(rest, len ? len : 1);
        if (len == 0)
            continue;
        if (n < COUNT_OF(fields)) {
            if (!parse_field(p, t, &fields[n], text, &bits[n]))
                return false;
            star[n] = slice_eq_cstr(text, "*");
        }
        n++;
    }
    if (n != COUNT_OF(fields))
        return parse_fail(p, t->where, "minute, hour, day, month and weekday: \"0-59 8-17 * * 1-5\"",
                          "a time has five fields, this has %zu", n);
    bits[4] |= bits[4] >> 7 & 1;
    *out = (struct conf_time){.minutes = bits[0],
                              .hours = (uint32_t)bits[1],
                              .days = (uint32_t)bits[2],
                              .months = (uint32_t)bits[3],
                              .weekdays = (uint32_t)bits[4] & 0x7f,
                              .any_day = star[2],
                              .any_weekday = star[4]};
    return true;
}
