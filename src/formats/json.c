/* json.c - flat objects of JSON, one a line. */
#include "formats/json.h"

struct reader {
    struct arena *arena;
    struct slice line;
    size_t at;
    const char *why;
};

static enum err fail(struct reader *r, enum err e, const char *why)
{
    if (!r->why)
        r->why = why;
    return e;
}

/* The byte here; 0 at the end. A NUL in the line is no byte that any rule takes. */
static char peek(const struct reader *r)
{
    return r->at < r->line.len ? r->line.ptr[r->at] : '\0';
}

static void skip_blanks(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r')
        r->at++;
}

static enum err expect(struct reader *r, char c, const char *why)
{
    skip_blanks(r);
    if (peek(r) != c)
        return fail(r, ERR_SYNTAX, why);
    r->at++;
    return ERR_NONE;
}

static bool hex4(const struct reader *r, size_t at, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = at + i < r->line.len ? ascii_lower(r->line.ptr[at + i]) : '\0';
        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
        *out = *out << 4 | (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
}

/* UTF-8 (RFC 3629): never longer than the escape it stands for. */
static char *put_utf8(char *p, uint32_t c)
{
    if (c < 0x80) {
        *p++ = (char)c;
        return p;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *p++ = (char)((0xff80u >> more) | c >> 6 * more);
    while (more-- > 0)
        *p++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    return p;
}

/* What stands behind \u; the first half of a pair needs the second. */
static enum err read_unicode(struct reader *r, char **p)
{
    uint32_t c, low;
    if (!hex4(r, r->at, &c))
        return fail(r, ERR_SYNTAX, "\\u without four hexadecimal digits");
    r->at += 4;
    if (c >= 0xd800 && c < 0xdc00) {
        bool pair = peek(r) == '\\' && r->at + 1 < r->line.len && r->line.ptr[r->at + 1] == 'u';
        if (!pair || !hex4(r, r->at + 2, &low) || low < 0xdc00 || low > 0xdfff)
            return fail(r, ERR_SYNTAX, "half of a character");
        r->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return fail(r, ERR_SYNTAX, "half of a character");
    }
    if (c == 0)
        return fail(r, ERR_SYNTAX, "a text with a NUL");
    *p = put_utf8(*p, c);
    return ERR_NONE;
}

static enum err read_escape(struct reader *r, char **p)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    char c = peek(r);
    r->at++;
    if (c == 'u')
        return read_unicode(r, p);
    for (size_t i = 0; letters[i]; i++) {
        if (letters[i] == c) {
            *(*p)++ = bytes[i];
            return ERR_NONE;
        }
    }
    return fail(r, ERR_SYNTAX, "an escape that JSON does not know");
}

/* The place is behind the opening quote. */
static enum err read_text(struct reader *r, struct slice *out)
{
    size_t from = r->at, end = from;
    bool escaped = false;
    while (end < r->line.len && r->line.ptr[end] != '"') {
        escaped |= r->line.ptr[end] == '\\';
        end += r->line.ptr[end] == '\\' ? 2 : 1;
    }
    if (end >= r->line.len)
        return fail(r, ERR_SYNTAX, "a text without its closing quote");
    char *bytes = escaped ? arena_alloc(r->arena, end - from) : NULL, *p = bytes;
    while (r->at < end) {
        char c = r->line.ptr[r->at];
        if ((unsigned char)c < ' ')
            return fail(r, ERR_SYNTAX, "a control character in a text");
        r->at++;
        if (c != '\\') {
            if (escaped)
                *p++ = c;
            continue;
        }
        enum err e = read_escape(r, &p);
        if (e != ERR_NONE)
            return e;
    }
    *out = escaped ? slice_of(bytes, (size_t)(p - bytes)) : slice_of(r->line.ptr + from, end - from);
    r->at = end + 1;
    return ERR_NONE;
}

static enum err read_number(struct reader *r, int64_t *out)
{
    bool negative = peek(r) == '-';
    uint64_t n;
    r->at += negative;
    size_t from = r->at;
    while (ascii_is_digit(peek(r)))
        r->at++;
    struct slice digits = slice_of(r->line.ptr + from, r->at - from);
    if (digits.len == 0 || (digits.len > 1 && digits.ptr[0] == '0'))
        return fail(r, ERR_SYNTAX, "this is no number");
    char c = peek(r);
    if (c == '.' || c == 'e' || c == 'E')
        return fail(r, ERR_SYNTAX, "a number that is not whole");
    if (slice_to_u64(digits, &n) != ERR_NONE || n > INT64_MAX)
        return fail(r, ERR_RANGE, "a number that is too large");
    *out = negative ? -(int64_t)n : (int64_t)n;
    return ERR_NONE;
}

static bool take_word(struct reader *r, const char *word)
{
    struct slice rest = slice_from(r->line, r->at);
    if (!slice_has_prefix(rest, word))
        return false;
    r->at += slice_cstr(word).len;
    return true;
}

static enum err read_value(struct reader *r, struct json_field *f)
{
    char c = peek(r);
    if (c == '"') {
        r->at++;
        f->type = JSON_TEXT;
        return read_text(r, &f->text);
    }
    if (c == '-' || ascii_is_digit(c)) {
        f->type = JSON_NUMBER;
        return read_number(r, &f->number);
    }
    f->type = JSON_FLAG;
    f->flag = take_word(r, "true");
    if (f->flag || take_word(r, "false"))
        return ERR_NONE;
    return fail(r, ERR_SYNTAX, "a value that is no text, no whole number and neither true nor false");
}

static enum err read_field(struct reader *r, struct json_object *out)
{
    struct json_field f = {0};
    enum err e = expect(r, '"', "no name of a field");
    if (e == ERR_NONE)
        e = read_text(r, &f.name);
    for (size_t i = 0; e == ERR_NONE && i < out->count; i++)
        if (slice_eq(out->fields[i].name, f.name))
            e = fail(r, ERR_SYNTAX, "a field that is there twice");
    if (e == ERR_NONE)
        e = expect(r, ':', "no ':' behind the name of a field");
    skip_blanks(r);
    if (e == ERR_NONE)
        e = read_value(r, &f);
    if (e == ERR_NONE && out->count == JSON_FIELDS_MAX)
        e = fail(r, ERR_LIMIT, "too many fields");
    if (e == ERR_NONE)
        out->fields[out->count++] = f;
    return e;
}

static enum err read_object(struct reader *r, struct json_object *out)
{
    enum err e = expect(r, '{', "does not begin with '{'");
    skip_blanks(r);
    bool more = e == ERR_NONE && peek(r) != '}';
    while (e == ERR_NONE && more) {
        e = read_field(r, out);
        skip_blanks(r);
        more = peek(r) == ',';
        r->at += more;
    }
    if (e == ERR_NONE)
        e = expect(r, '}', "neither ',' nor '}' behind a field");
    skip_blanks(r);
    if (e == ERR_NONE && r->at < r->line.len)
        e = fail(r, ERR_SYNTAX, "something behind the '}'");
    return e;
}

enum err json_parse(struct arena *arena, struct slice line, struct json_object *out, const char **why)
{
    struct reader r = {.arena = arena, .line = line};
    out->count = 0;
    enum err e = read_object(&r, out);
    *why = r.why;
    return e;
}

const struct json_field *json_find(const struct json_object *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (slice_eq_cstr(o->fields[i].name, name))
            return &o->fields[i];
    return NULL;
}

void json_put_text(struct buf *out, struct slice text)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c >= ' ' && c < 0x7f)
            buf_put_byte(out, c);
        else
            buf_printf(out, "\\u%04x", (unsigned char)c);
    }
    buf_put_byte(out, '"');
}
