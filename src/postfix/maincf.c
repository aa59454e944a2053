/* maincf.c - logical lines of main.cf, with the places of their parts in the text. */
#include "postfix/maincf.h"

#include <string.h>

#define WORDS_UNDO "tarsier setup postfix --undo takes this away"

static const char blanks[] = " \t\r\f\v";
static const char mark[] = "# By tarsier setup postfix; " WORDS_UNDO ".";
/* The file did not end with a newline; one was put before this line. */
static const char mark_no_end[] = "# By tarsier setup postfix, behind a line without an end; " WORDS_UNDO ".";

/* ---- logical lines ---- */

struct assignment {
    size_t begin, value, end; /* in the text: of the line, behind its `=`, behind its last line's end */
    struct slice name;
};

static bool is_blank(char c)
{
    return memchr(blanks, c, sizeof(blanks) - 1) != NULL;
}

/* Behind the end of the physical line that begins at `at`. */
static size_t line_end(struct slice text, size_t at)
{
    size_t end = at + slice_find(slice_from(text, at), '\n');
    return end < text.len ? end + 1 : end;
}

static struct slice line_at(struct slice text, size_t at)
{
    return slice_upto(slice_from(text, at), slice_find(slice_from(text, at), '\n'));
}

/* Comments and empty lines within a value belong to it only if it goes on behind them. */
static size_t value_end(struct slice text, size_t at)
{
    size_t end = at;
    while (at < text.len) {
        struct slice line = line_at(text, at), words = slice_trim(line, blanks);
        at = line_end(text, at);
        if (words.len == 0 || words.ptr[0] == '#')
            continue;
        if (!is_blank(line.ptr[0]))
            break;
        end = at;
    }
    return end;
}

/* The next assignment from *at on; false at the end. */
static bool assignment_next(struct slice text, size_t *at, struct assignment *out)
{
    while (*at < text.len) {
        struct slice line = line_at(text, *at), name = line;
        out->begin = *at;
        *at = line_end(text, *at);
        if (line.len == 0 || is_blank(line.ptr[0]) || line.ptr[0] == '#')
            continue;
        size_t equals = slice_find(line, '=');
        if (equals == line.len)
            continue;
        name = slice_upto(line, equals);
        out->name = slice_trim(name, blanks);
        out->value = out->begin + equals + 1;
        out->end = value_end(text, *at);
        *at = out->end;
        return true;
    }
    return false;
}

/* The last one counts. */
static bool find_last(struct slice text, const char *name, struct assignment *out)
{
    struct assignment a;
    bool found = false;
    for (size_t at = 0; assignment_next(text, &at, &a);)
        if (slice_eq_cstr(a.name, name)) {
            *out = a;
            found = true;
        }
    return found;
}

bool maincf_sets(struct slice text, const char *name)
{
    struct assignment a;
    return find_last(text, name, &a);
}

/* Whether anything but comments stands there. */
static bool is_empty(struct slice value)
{
    bool first = true;
    while (value.ptr) {
        struct slice words = slice_trim(slice_cut(&value, '\n'), blanks);
        if (words.len > 0 && (first || words.ptr[0] != '#'))
            return false;
        first = false;
    }
    return true;
}

/* ---- setting up ---- */

static void put_line(struct buf *out, const char *line)
{
    buf_put_cstr(out, line);
    buf_put_byte(out, '\n');
}

void maincf_set_up(struct slice text, const struct maincf_change *change, struct buf *out)
{
    struct assignment a;
    bool is_set = find_last(text, "smtpd_milters", &a);
    if (is_set) {
        struct slice value = slice_from(slice_upto(text, a.end), a.value);
        buf_put_slice(out, slice_upto(text, a.value));
        buf_printf(out, " %s%s", change->milter, is_empty(value) ? "" : ",");
        buf_put_slice(out, slice_from(text, a.value));
    } else {
        buf_put_slice(out, text);
    }
    if (is_set && !change->extras[0])
        return;
    bool has_end = text.len == 0 || text.ptr[text.len - 1] == '\n';
    if (!has_end)
        buf_put_byte(out, '\n');
    put_line(out, has_end ? mark : mark_no_end);
    if (!is_set)
        buf_printf(out, "smtpd_milters = %s\n", change->milter);
    for (int i = 0; i < MAINCF_EXTRAS_MAX && change->extras[i]; i++)
        put_line(out, change->extras[i]);
}

/* ---- and back ---- */

static bool is_ours(struct slice line, const struct maincf_change *change)
{
    struct slice value = line, name = slice_trim(slice_cut(&value, '='), blanks);
    if (slice_eq_cstr(name, "smtpd_milters") && slice_eq_cstr(slice_trim(value, blanks), change->milter))
        return true;
    for (int i = 0; i < MAINCF_EXTRAS_MAX && change->extras[i]; i++)
        if (slice_eq_cstr(line, change->extras[i]))
            return true;
    return false;
}

/* The text without our block; *found when there was one. */
static void drop_block(struct slice text, const struct maincf_change *change, struct buf *out, bool *found)
{
    for (size_t at = 0; at < text.len;) {
        struct slice line = line_at(text, at);
        bool no_end = slice_eq_cstr(line, mark_no_end);
        size_t next = line_end(text, at);
        if (!no_end && !slice_eq_cstr(line, mark)) {
            buf_put_slice(out, slice_upto(slice_from(text, at), next - at));
            at = next;
            continue;
        }
        *found = true;
        for (at = next; at < text.len && is_ours(line_at(text, at), change);) {
            if (value_end(text, line_end(text, at)) != line_end(text, at))
                break; /* somebody has written more below it */
            at = line_end(text, at);
        }
        if (no_end && at == text.len && out->len > 0 && out->ptr[out->len - 1] == '\n')
            out->len--;
    }
}

static bool is_edge(char c)
{
    return is_blank(c) || c == ',' || c == '\n' || c == '{' || c == '}';
}

/* Where the milter stands in text[from..to), as a word of its own; false: it does not. Words of comments do not count. */
static bool find_word(struct slice text, size_t from, size_t to, const char *word, size_t *at)
{
    size_t n = strlen(word);
    for (size_t i = from; i + n <= to; i++) {
        if (i > 0 && text.ptr[i - 1] == '\n' && slice_has_prefix(slice_trim(line_at(text, i), blanks), "#"))
            i = line_end(text, i);
        if (i + n > to)
            break;
        if (memcmp(text.ptr + i, word, n) == 0 && (i == from || is_edge(text.ptr[i - 1])) &&
            (i + n == to || is_edge(text.ptr[i + n]))) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* `{ milter, option=value }` as a whole. */
static void widen_to_braces(struct slice text, size_t from, size_t to, size_t *begin, size_t *end)
{
    size_t open = *begin, close = *end;
    while (open > from && (is_blank(text.ptr[open - 1]) || text.ptr[open - 1] == '\n'))
        open--;
    if (open == from || text.ptr[open - 1] != '{')
        return;
    while (close < to && text.ptr[close] != '}')
        close++;
    if (close == to)
        return;
    *begin = open - 1;
    *end = close + 1;
}

/*
 * The place of our milter with what parted it from others: the comma behind it, else the one before, and one blank before.
 */
static bool find_milter(struct slice text, const struct assignment *a, const char *milter, size_t *begin, size_t *end)
{
    if (!find_word(text, a->value, a->end, milter, begin))
        return false;
    *end = *begin + strlen(milter);
    widen_to_braces(text, a->value, a->end, begin, end);
    bool comma = *end < a->end && text.ptr[*end] == ',';
    *end += comma;
    if (*begin > a->value && text.ptr[*begin - 1] == ' ')
        --*begin;
    if (!comma && *begin > a->value && text.ptr[*begin - 1] == ',')
        --*begin;
    return true;
}

bool maincf_undo(struct slice text, const struct maincf_change *change, struct buf *out)
{
    struct buf rest = {0};
    struct assignment a;
    bool found = false;
    drop_block(text, change, &rest, &found);
    struct slice from = slice_of(rest.ptr ? rest.ptr : "", rest.len);
    size_t done = 0;
    for (size_t at = 0; assignment_next(from, &at, &a);) {
        size_t begin, end;
        if (!slice_eq_cstr(a.name, "smtpd_milters") || !find_milter(from, &a, change->milter, &begin, &end))
            continue;
        buf_put_slice(out, slice_from(slice_upto(from, begin), done));
        done = end;
        found = true;
    }
    buf_put_slice(out, slice_from(from, done));
    buf_fini(&rest);
    return found;
}
