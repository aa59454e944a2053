/* manager.c - recursive descent over the text of milter-manager's --show-config. */
#include "formats/manager.h"

#include "base/buf.h"

enum { LIST_DEPTH_MAX = 8 };

struct reader {
    struct arena *arena;
    struct slice text;
    size_t at, line_at; /* line_at: where the line of `at` begins */
    unsigned line;
    struct slice origin; /* the comment that stands before what comes */
    struct manager_error *error;
};

/* ---- bytes ---- */

/* NUL behind the end: it fits nowhere. */
static char peek(const struct reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : '\0';
}

static bool at_end(const struct reader *r)
{
    return r->at >= r->text.len;
}

static enum err fail(struct reader *r, enum err e, const char *why)
{
    *r->error = (struct manager_error){r->line, (unsigned)(r->at - r->line_at) + 1, why};
    return e;
}

static bool take(struct reader *r, char c)
{
    if (at_end(r) || peek(r) != c)
        return false;
    r->at++;
    return true;
}

static void skip_blanks(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r')
        r->at++;
}

static struct slice take_line(struct reader *r)
{
    struct slice rest = slice_from(r->text, r->at);
    size_t n = slice_find(rest, '\n');
    r->at += n;
    return slice_trim(slice_upto(rest, n), " \t\r");
}

/* Blanks, newlines and comments; the last comment is the origin of what stands on the next line. */
static void skip_lines(struct reader *r)
{
    r->origin = SLICE_NONE;
    for (;;) {
        skip_blanks(r);
        if (take(r, '\n')) {
            r->line++;
            r->line_at = r->at;
        } else if (take(r, '#')) {
            r->origin = take_line(r);
        } else {
            return;
        }
    }
}

static enum err expect_line_end(struct reader *r)
{
    skip_blanks(r);
    if (at_end(r) || peek(r) == '\n' || peek(r) == '#')
        return ERR_NONE;
    return fail(r, ERR_SYNTAX, "expected the end of the line");
}

static bool is_name(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_';
}

/* A name, or names with dots between; empty when none stands here. */
static struct slice take_name(struct reader *r)
{
    size_t from = r->at;
    while (is_name(peek(r)) || (peek(r) == '.' && r->at > from))
        r->at++;
    return slice_of(r->text.ptr + from, r->at - from);
}

/* ---- texts ---- */

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_put_byte(out, (char)c);
    } else if (c < 0x800) {
        buf_put_byte(out, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        buf_put_byte(out, (char)(0xe0 | c >> 12));
        buf_put_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        buf_put_byte(out, (char)(0xf0 | (c >> 18 & 7)));
        buf_put_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_put_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    if (c >= 0x80)
        buf_put_byte(out, (char)(0x80 | (c & 0x3f)));
}

/* Up to max digits of this base; *n how many there were. */
static uint32_t take_digits(struct reader *r, unsigned base, unsigned max, unsigned *n)
{
    uint32_t value = 0;
    for (*n = 0; *n < max; (*n)++) {
        char c = ascii_lower(peek(r));
        unsigned digit = ascii_is_digit(c) ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
        if (digit >= base)
            break;
        value = value * base + digit;
        r->at++;
    }
    return value;
}

/* What stands behind \u: four digits, or one or more numbers in braces. */
static enum err take_unicode(struct reader *r, struct buf *out)
{
    unsigned n;
    if (!take(r, '{')) {
        uint32_t c = take_digits(r, 16, 4, &n);
        put_utf8(out, c);
        return n == 4 ? ERR_NONE : fail(r, ERR_SYNTAX, "expected four hexadecimal digits");
    }
    do {
        uint32_t c = take_digits(r, 16, 6, &n);
        if (n == 0 || c > 0x10ffff)
            return fail(r, ERR_SYNTAX, "expected the number of a character");
        put_utf8(out, c);
        skip_blanks(r);
    } while (!take(r, '}'));
    return ERR_NONE;
}

/* What stands behind the backslash in a text with double quotes. */
static enum err take_escape(struct reader *r, struct buf *out)
{
    static const char letters[] = "ntreabvfs", bytes[] = "\n\t\r\x1b\a\b\v\f ";
    unsigned n;
    if (at_end(r) || peek(r) == '\n')
        return fail(r, ERR_SYNTAX, "this text has no closing quote on its line");
    char c = peek(r);
    if (c >= '0' && c <= '7') {
        buf_put_byte(out, (char)take_digits(r, 8, 3, &n));
        return ERR_NONE;
    }
    r->at++;
    if (c == 'u')
        return take_unicode(r, out);
    if (c == 'x') {
        buf_put_byte(out, (char)take_digits(r, 16, 2, &n));
        return n > 0 ? ERR_NONE : fail(r, ERR_SYNTAX, "expected hexadecimal digits");
    }
    size_t i = slice_find(slice_cstr(letters), c);
    buf_put_byte(out, letters[i] ? bytes[i] : c);
    return ERR_NONE;
}

static enum err read_text_into(struct reader *r, struct buf *out)
{
    char quote = peek(r);
    r->at++;
    for (;;) {
        if (at_end(r) || peek(r) == '\n')
            return fail(r, ERR_SYNTAX, "this text has no closing quote on its line");
        if (take(r, quote))
            return ERR_NONE;
        if (peek(r) != '\\') {
            buf_put_byte(out, peek(r));
            r->at++;
            continue;
        }
        r->at++;
        enum err e = ERR_NONE;
        if (quote == '"')
            e = take_escape(r, out);
        else if (peek(r) != quote && peek(r) != '\\')
            buf_put_byte(out, '\\');
        else
            buf_put_byte(out, r->text.ptr[r->at++]);
        if (e != ERR_NONE)
            return e;
    }
}

static enum err read_text(struct reader *r, struct slice *out)
{
    struct buf text = {0};
    enum err e = read_text_into(r, &text);
    if (e == ERR_NONE)
        *out = slice_of(arena_cstr(r->arena, slice_of(text.len ? text.ptr : "", text.len)), text.len);
    buf_fini(&text);
    return e;
}

/* ---- other values ---- */

/* 7, 0660, 297.0, -1, 1.0e+16 (which is clamped: nothing here is counted that far). */
static enum err read_number(struct reader *r, int64_t *thousandths)
{
    const uint64_t max = INT64_MAX / 1000 - 1;
    bool negative = take(r, '-');
    unsigned base = peek(r) == '0' ? 8 : 10, n;
    uint64_t whole = 0;
    size_t from = r->at;
    for (; ascii_is_digit(peek(r)) || (peek(r) == '_' && r->at > from); r->at++) {
        if (peek(r) == '_')
            continue;
        unsigned digit = (unsigned)(peek(r) - '0');
        if (base == 8 && digit > 7)
            return fail(r, ERR_SYNTAX, "a number that begins with 0 is octal");
        whole = whole > max / 10 ? max : whole * base + digit;
    }
    if (r->at == from)
        return fail(r, ERR_SYNTAX, "expected a number");
    uint32_t part = 0;
    if (take(r, '.')) {
        part = take_digits(r, 10, 3, &n);
        for (; n > 0 && n < 3; n++)
            part *= 10;
        while (ascii_is_digit(peek(r)))
            r->at++;
    }
    if (take(r, 'e') || take(r, 'E')) {
        whole = peek(r) == '-' ? 0 : max;
        (void)(take(r, '-') || take(r, '+'));
        (void)take_digits(r, 10, 4, &n);
        if (n == 0)
            return fail(r, ERR_SYNTAX, "expected the number's exponent");
    }
    int64_t value = (int64_t)whole * 1000 + part;
    *thousandths = negative ? -value : value;
    return is_name(peek(r)) ? fail(r, ERR_SYNTAX, "a number with letters behind it") : ERR_NONE;
}

static enum err read_value(struct reader *r, struct manager_value *out, unsigned depth);

static enum err read_list(struct reader *r, struct manager_value *out, unsigned depth)
{
    struct manager_value **end = &out->first;
    if (depth >= LIST_DEPTH_MAX)
        return fail(r, ERR_LIMIT, "lists are nested too deeply");
    r->at++;
    for (;;) {
        skip_lines(r);
        if (take(r, ']'))
            return ERR_NONE;
        struct manager_value *item = arena_zalloc(r->arena, sizeof(*item));
        enum err e = read_value(r, item, depth + 1);
        if (e != ERR_NONE)
            return e;
        *end = item;
        end = &item->next;
        skip_lines(r);
        if (!take(r, ',') && peek(r) != ']')
            return fail(r, ERR_SYNTAX, "expected `,` or `]`");
    }
}

static enum err read_word(struct reader *r, struct manager_value *out)
{
    struct reader before = *r;
    struct slice word = take_name(r);
    if (slice_eq_cstr(word, "nil")) {
        out->kind = MANAGER_NIL;
    } else if (slice_eq_cstr(word, "true") || slice_eq_cstr(word, "false")) {
        out->kind = MANAGER_FLAG;
        out->flag = slice_eq_cstr(word, "true");
    } else {
        *r = before;
        return fail(r, ERR_SYNTAX, "expected a text, a number, nil, true, false or a list");
    }
    return ERR_NONE;
}

static enum err read_value(struct reader *r, struct manager_value *out, unsigned depth)
{
    char c = peek(r);
    if (c == '"' || c == '\'') {
        out->kind = MANAGER_TEXT;
        return read_text(r, &out->text);
    }
    if (c == '[') {
        out->kind = MANAGER_LIST;
        return read_list(r, out, depth);
    }
    if (c == '-' || ascii_is_digit(c)) {
        out->kind = MANAGER_NUMBER;
        return read_number(r, &out->thousandths);
    }
    return read_word(r, out);
}

/* ---- items and blocks ---- */

/* What stands behind the key. */
static enum err read_item(struct reader *r, struct slice key, struct slice origin, struct manager_item ***end)
{
    struct manager_item *item = arena_zalloc(r->arena, sizeof(*item));
    *item = (struct manager_item){.key = key, .line = r->line, .origin = origin};
    skip_blanks(r);
    if (!take(r, '='))
        return fail(r, ERR_SYNTAX, "expected `=`");
    skip_blanks(r);
    size_t from = r->at;
    enum err e = read_value(r, &item->value, 0);
    if (e != ERR_NONE)
        return e;
    item->raw = slice_of(r->text.ptr + from, r->at - from);
    **end = item;
    *end = &item->next;
    return expect_line_end(r);
}

/* ("NAME") do |variable| */
static enum err read_block_head(struct reader *r, struct slice *name, struct slice *variable)
{
    enum err e;
    if (!take(r, '('))
        return fail(r, ERR_SYNTAX, "expected `(`");
    if (peek(r) != '"' && peek(r) != '\'')
        return fail(r, ERR_SYNTAX, "expected a name in quotes");
    if ((e = read_text(r, name)) != ERR_NONE)
        return e;
    if (!take(r, ')'))
        return fail(r, ERR_SYNTAX, "expected `)`");
    skip_blanks(r);
    if (!slice_eq_cstr(take_name(r), "do"))
        return fail(r, ERR_SYNTAX, "expected `do |milter|`");
    skip_blanks(r);
    bool opened = take(r, '|');
    *variable = take_name(r);
    if (!opened || variable->len == 0 || !take(r, '|'))
        return fail(r, ERR_SYNTAX, "expected `|milter|`");
    return expect_line_end(r);
}

static enum err read_block(struct reader *r, struct manager_block ***end)
{
    struct manager_block *block = arena_zalloc(r->arena, sizeof(*block));
    struct manager_item **items = &block->items;
    struct slice variable = SLICE_NONE;
    block->line = r->line;
    enum err e = read_block_head(r, &block->name, &variable);
    if (e != ERR_NONE)
        return e;
    **end = block;
    *end = &block->next;
    for (;;) {
        skip_lines(r);
        struct slice origin = r->origin, key = take_name(r), rest = key;
        if (slice_eq_cstr(key, "end"))
            return expect_line_end(r);
        if (at_end(r) && key.len == 0)
            return fail(r, ERR_SYNTAX, "this block has no `end`");
        if (!slice_eq(slice_cut(&rest, '.'), variable) || rest.len == 0)
            return fail(r, ERR_SYNTAX, "expected a setting of the block, or `end`");
        if ((e = read_item(r, rest, origin, &items)) != ERR_NONE)
            return e;
    }
}

struct ends {
    struct manager_item **items;
    struct manager_block **conditions, **milters;
    size_t n_blocks;
};

static enum err read_statement(struct reader *r, struct manager_config *out, struct ends *ends)
{
    struct reader before = *r;
    struct slice origin = r->origin, key = take_name(r);
    bool is_milter = slice_eq_cstr(key, "define_milter");
    if (is_milter || slice_eq_cstr(key, "define_applicable_condition")) {
        if (ends->n_blocks++ >= MANAGER_BLOCKS_MAX)
            return fail(r, ERR_LIMIT, "more than 1000 milters and conditions");
        out->n_milters += is_milter;
        return read_block(r, is_milter ? &ends->milters : &ends->conditions);
    }
    if (slice_find(key, '.') < key.len)
        return read_item(r, key, origin, &ends->items);
    *r = before;
    return fail(r, ERR_SYNTAX, "no setting of milter-manager's --show-config");
}

enum err manager_parse(struct arena *arena, struct slice text, struct manager_config *out, struct manager_error *error)
{
    struct reader r = {.arena = arena, .text = text, .line = 1, .error = error};
    *out = (struct manager_config){0};
    *error = (struct manager_error){0};
    if (text.len > MANAGER_TEXT_MAX_BYTES)
        return fail(&r, ERR_LIMIT, "longer than 4 MiB");
    struct ends ends = {&out->items, &out->conditions, &out->milters, 0};
    for (;;) {
        skip_lines(&r);
        if (at_end(&r))
            break;
        if (peek(&r) == '[') { /* milter-manager logs to the same output what it does not like */
            (void)take_line(&r);
            out->n_strays++;
            continue;
        }
        enum err e = read_statement(&r, out, &ends);
        if (e != ERR_NONE)
            return e;
    }
    if (!out->items && !out->milters)
        return fail(&r, ERR_SYNTAX, "there is no setting of milter-manager's --show-config in it");
    return ERR_NONE;
}

const struct manager_item *manager_find(const struct manager_item *items, const char *key)
{
    const struct manager_item *found = NULL;
    for (; items; items = items->next)
        if (slice_eq_cstr(items->key, key))
            found = items;
    return found;
}
