/* protocol.c - writing and reading of lines; one escape for both directions. */
#include "ctl/protocol.h"

#include <string.h>

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static void put_escaped(struct buf *out, char c)
{
    buf_printf(out, "\\x%02x", (unsigned char)c);
}

static void put_text(struct buf *out, struct slice text, bool in_request)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_control(c) || c == '\\' || (in_request && c == ' '))
            put_escaped(out, c);
        else
            buf_put_byte(out, c);
    }
}

static int hex_digit(char c)
{
    char lower = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Undo the escapes of one word; `to` is where it goes, which may be the same place. Returns its length, or -1. */
static long take_text(struct slice word, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (is_control(c))
            return -1;
        if (c == '\\') {
            int high = i + 3 < word.len && word.ptr[i + 1] == 'x' ? hex_digit(word.ptr[i + 2]) : -1;
            int low = high >= 0 ? hex_digit(word.ptr[i + 3]) : -1;
            if (low < 0)
                return -1;
            c = (char)(high << 4 | low);
            i += 3;
        }
        to[n++] = c;
    }
    return (long)n;
}

/* ---- requests ---- */

static size_t word_end(struct slice line)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] != '\t' && line.ptr[n] != ' ')
        n++;
    return n;
}

enum err ctl_request_parse(struct slice line, struct ctl_words *out)
{
    out->count = 0;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len >= CTL_REQUEST_MAX_BYTES)
        return ERR_LIMIT;
    size_t used = 0;
    for (bool more = line.len > 0; more;) {
        size_t n = word_end(line);
        if (out->count == CTL_WORDS_MAX)
            return ERR_LIMIT;
        long len = take_text(slice_upto(line, n), out->text + used);
        if (len < 0)
            return ERR_SYNTAX;
        out->word[out->count++] = slice_of(out->text + used, (size_t)len);
        used += (size_t)len;
        more = n < line.len;
        line = slice_from(line, n + 1);
    }
    return ERR_NONE;
}

enum err ctl_request_put(struct buf *out, const struct slice *words, size_t n)
{
    size_t before = out->len;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_put_byte(out, '\t');
        put_text(out, words[i], true);
    }
    buf_put_byte(out, '\n');
    if (n <= CTL_WORDS_MAX && out->len - before <= CTL_REQUEST_MAX_BYTES)
        return ERR_NONE;
    out->len = before;
    return ERR_LIMIT;
}

/* ---- replies ---- */

static const char error_word[] = "error ";

/* A row must not look like an end. */
static bool looks_like_an_end(struct slice first, bool is_alone)
{
    return slice_has_prefix(first, error_word) || (is_alone && slice_eq_cstr(first, "."));
}

void ctl_put_row(struct buf *out, const struct slice *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct slice field = fields[i];
        if (i > 0)
            buf_put_byte(out, '\t');
        if (i == 0 && looks_like_an_end(field, n == 1)) {
            put_escaped(out, field.ptr[0]);
            field = slice_from(field, 1);
        }
        put_text(out, field, false);
    }
    buf_put_byte(out, '\n');
}

void ctl_put_pair(struct buf *out, const char *name, const char *fmt, ...)
{
    struct buf value = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&value, fmt, ap);
    va_end(ap);
    ctl_put_row(out, (struct slice[]){slice_cstr(name), buf_slice(&value)}, 2);
    buf_fini(&value);
}

void ctl_put_end(struct buf *out)
{
    buf_put_cstr(out, ".\n");
}

void ctl_put_error(struct buf *out, const char *code, struct slice text)
{
    buf_printf(out, "error %s ", code);
    buf_put_visible(out, text);
    buf_put_byte(out, '\n');
}

static enum err parse_row(char *line, size_t len, struct ctl_line *out)
{
    struct slice rest = slice_of(line, len);
    char *to = line;
    while (rest.ptr) {
        struct slice field = slice_cut(&rest, '\t');
        if (out->count == CTL_FIELDS_MAX)
            return ERR_LIMIT;
        long n = take_text(field, to);
        if (n < 0)
            return ERR_SYNTAX;
        out->fields[out->count++] = slice_of(to, (size_t)n);
        to += n;
    }
    return ERR_NONE;
}

enum err ctl_line_parse(char *line, size_t len, struct ctl_line *out)
{
    struct slice all = slice_of(line, len);
    *out = (struct ctl_line){.kind = CTL_LINE_ROW};
    if (slice_eq_cstr(all, ".")) {
        out->kind = CTL_LINE_END;
        return ERR_NONE;
    }
    if (!slice_has_prefix(all, error_word))
        return parse_row(line, len, out);
    struct slice text = slice_from(all, sizeof(error_word) - 1);
    out->kind = CTL_LINE_ERROR;
    out->fields[0] = slice_cut(&text, ' ');
    out->fields[1] = text;
    out->count = 2;
    return ERR_NONE;
}

struct slice ctl_field(const struct ctl_line *line, size_t i)
{
    return i < line->count ? line->fields[i] : SLICE_LIT("");
}
