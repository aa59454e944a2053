/*
 * diag.c - messages about a configuration: kept with the line they speak of, printed with a caret under it. Knows text and
 * places, nothing of the language.
 */
#include "conf/diag.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    SOURCE_SHOWN_BYTES = 160, /* of one line; the rest of a longer one is cut off around the column */
    SUGGEST_MAX_BYTES = 64,
};

struct diag_source {
    struct diag_source *next;
    const char *file;
    struct slice text;
};

void diags_init(struct diags *d)
{
    *d = (struct diags){0};
}

void diags_fini(struct diags *d)
{
    free(d->items);
    arena_fini(&d->arena);
    *d = (struct diags){0};
}

void diags_add_source(struct diags *d, const char *file, struct slice text)
{
    for (const struct diag_source *s = d->sources; s; s = s->next)
        if (strcmp(s->file, file) == 0)
            return;
    struct diag_source *s = arena_zalloc(&d->arena, sizeof(*s));
    s->file = arena_cstr(&d->arena, slice_cstr(file));
    s->text = arena_slice(&d->arena, text);
    s->next = d->sources;
    d->sources = s;
}

/* ---- bytes that may go to a terminal ---- */

/* Length of the UTF-8 sequence at p of at most n bytes, 0 when it is none or a control character. */
static size_t utf8_length(const char *p, size_t n)
{
    uint8_t c = (uint8_t)p[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    size_t len = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (((uint8_t)p[i] & 0xc0) != 0x80)
            return 0;
    uint8_t second = (uint8_t)p[1];
    /* C1 controls; then overlong forms, surrogates, above U+10FFFF */
    if ((c == 0xc2 && second < 0xa0) || (c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
        (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f))
        return 0;
    return len;
}

/* Make s printable in place; a byte stays a byte, so that columns stay right. keep: a control byte that may stay. */
static void make_printable(char *s, size_t n, char keep)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(s + i, n - i);
        if (len == 0 && s[i] != keep)
            s[i] = s[i] == '\t' ? ' ' : '?';
        i += len ? len : 1;
    }
}

/* ---- adding ---- */

/* Line number `line` of text, without its end. */
static struct slice find_line(struct slice text, uint32_t line)
{
    for (uint32_t i = 1; text.ptr; i++) {
        struct slice l = slice_cut(&text, '\n');
        if (i == line)
            return l.len && l.ptr[l.len - 1] == '\r' ? slice_upto(l, l.len - 1) : l;
    }
    return SLICE_NONE;
}

static void set_source(struct diags *d, struct diag *item)
{
    const struct diag_source *s = d->sources;
    while (s && strcmp(s->file, item->where.file) != 0)
        s = s->next;
    if (!s)
        return;
    item->where.file = s->file;
    struct slice line = find_line(s->text, item->where.line);
    if (!line.ptr)
        return;
    size_t column = item->where.column ? item->where.column - 1 : 0, from = 0;
    if (line.len > SOURCE_SHOWN_BYTES && column > SOURCE_SHOWN_BYTES / 2)
        from = column - SOURCE_SHOWN_BYTES / 2;
    while (from > 0 && from < line.len && ((uint8_t)line.ptr[from] & 0xc0) == 0x80)
        from--;
    line = slice_upto(slice_from(line, from), SOURCE_SHOWN_BYTES);
    char *shown = arena_cstr(&d->arena, line);
    make_printable(shown, line.len, ' ');
    item->source = shown;
    item->source_column = (uint32_t)from + 1;
}

/* Errors are worth more than what is not one: make room for an error when everything is full. */
static bool make_room(struct diags *d, enum diag_level level)
{
    if (d->count < DIAGS_MAX)
        return true;
    d->dropped++;
    if (level != DIAG_ERROR)
        return false;
    for (size_t i = d->count; i-- > 0;)
        if (d->items[i].level != DIAG_ERROR) {
            memmove(&d->items[i], &d->items[i + 1], (d->count - i - 1) * sizeof(*d->items));
            d->count--;
            return true;
        }
    return false;
}

void diags_add(struct diags *d, enum diag_level level, struct conf_where where, const char *hint, const char *fmt, ...)
{
    d->errors += level == DIAG_ERROR;
    d->warnings += level == DIAG_WARNING;
    if (!make_room(d, level))
        return;
    struct buf message = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&message, fmt, ap);
    va_end(ap);
    struct diag item = {.level = level, .where = where};
    char *text = arena_cstr(&d->arena, buf_slice(&message));
    make_printable(text, message.len, ' ');
    item.message = text;
    buf_fini(&message);
    if (hint) {
        text = arena_cstr(&d->arena, slice_cstr(hint));
        make_printable(text, strlen(text), '\n');
        item.hint = text;
    }
    if (where.file) {
        set_source(d, &item);
        if (item.where.file == where.file)
            item.where.file = arena_cstr(&d->arena, slice_cstr(where.file));
    }
    d->items = mem_grow(d->items, &d->cap, d->count + 1, sizeof(*d->items));
    d->items[d->count++] = item;
}

/* ---- printing ---- */

static void print_place(const struct conf_where *w, struct buf *out)
{
    if (!w->file)
        return;
    struct buf name = {0};
    buf_put_cstr(&name, w->file);
    make_printable(name.ptr, name.len, ' ');
    buf_put_slice(out, buf_slice(&name));
    buf_fini(&name);
    if (w->line)
        buf_printf(out, ":%u", w->line);
    if (w->line && w->column)
        buf_printf(out, ":%u", w->column);
    buf_put_cstr(out, ": ");
}

/* The line, and a caret with its tail under the bytes meant. A character of several bytes takes one place. */
static void print_source(const struct diag *item, struct buf *out)
{
    buf_printf(out, "  %s\n", item->source);
    if (!item->where.column || item->where.column < item->source_column)
        return;
    size_t from = item->where.column - item->source_column, len = strlen(item->source);
    size_t to = from + (item->where.width ? item->where.width : 1);
    buf_put_cstr(out, "  ");
    for (size_t i = 0; i < from; i++)
        if (i >= len || ((uint8_t)item->source[i] & 0xc0) != 0x80)
            buf_put_byte(out, ' ');
    buf_put_byte(out, '^');
    for (size_t i = from + 1; i < to && i < len; i++)
        if (((uint8_t)item->source[i] & 0xc0) != 0x80)
            buf_put_byte(out, '~');
    buf_put_byte(out, '\n');
}

void diags_print(const struct diags *d, struct buf *out)
{
    diags_print_from(d, DIAG_NOTE, out);
}

void diags_print_from(const struct diags *d, enum diag_level least, struct buf *out)
{
    static const char *const levels[] = {[DIAG_ERROR] = "error", [DIAG_WARNING] = "warning", [DIAG_NOTE] = "note"};
    for (size_t i = 0; i < d->count; i++) {
        const struct diag *item = &d->items[i];
        if (item->level > least)
            continue;
        print_place(&item->where, out);
        buf_printf(out, "%s: %s\n", levels[item->level], item->message);
        if (item->source)
            print_source(item, out);
        struct slice rest = slice_cstr(item->hint);
        while (rest.ptr) {
            struct slice line = slice_cut(&rest, '\n');
            buf_printf(out, "  %.*s\n", SLICE_ARG(line));
        }
    }
    if (d->dropped)
        buf_printf(out, "%zu more messages are not shown\n", d->dropped);
}

/* ---- suggestions ---- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap two neighbours) that make b of a. Both at most SUGGEST_MAX_BYTES long. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned rows[3][SUGGEST_MAX_BYTES + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (unsigned j = 0; j <= b.len; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            char x = ascii_lower(a.ptr[i - 1]), y = ascii_lower(b.ptr[j - 1]);
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == ascii_lower(b.ptr[j - 2]) && y == ascii_lower(a.ptr[i - 2]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *t = before;
        before = last;
        last = now;
        now = t;
    }
    return last[b.len];
}

const char *diag_suggest(struct slice word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    if (word.len == 0 || word.len > SUGGEST_MAX_BYTES)
        return NULL;
    unsigned best_distance = (unsigned)word.len / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        struct slice c = slice_cstr(candidates[i]);
        if (c.len > SUGGEST_MAX_BYTES)
            continue;
        unsigned e = distance(word, c);
        if (e < best_distance) {
            best = candidates[i];
            best_distance = e;
        }
    }
    return best;
}
