/* buf.c - growing byte buffer. */
#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

void buf_fini(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

/* What most packets fit into: a buffer that begins with less would grow several times over while one is written. */
enum { FIRST_BYTES = 64 };

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->cap - b->len < n) {
        size_t want = b->len + n;
        b->ptr = mem_grow(b->ptr, &b->cap, b->cap == 0 && want < FIRST_BYTES ? FIRST_BYTES : want, 1);
    }
    return b->ptr + b->len;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    memcpy(buf_reserve(b, n), bytes, n);
    b->len += n;
}

void buf_put_byte(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_put_slice(struct buf *b, struct slice s)
{
    buf_put(b, s.ptr, s.len);
}

void buf_put_cstr(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_put_visible(struct buf *b, struct slice s)
{
    if (s.len == 0)
        return;
    char *to = buf_reserve(b, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i], next = i + 1 < s.len ? (unsigned char)s.ptr[i + 1] : 0;
        bool c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f; /* U+0080 to U+009F: a terminal obeys them as it does ESC */
        to[n++] = c < 0x20 || c == 0x7f || c1 ? '?' : (char)c;
        i += c1;
    }
    b->len += n;
}

/* Length of the well-formed UTF-8 character at the front (RFC 3629); 0: there is none. */
static size_t utf8_length(struct slice s)
{
    unsigned char c = (unsigned char)s.ptr[0];
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (len == 0 || len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
            return 0;
    unsigned char second = len > 1 ? (unsigned char)s.ptr[1] : 0;
    bool is_bad = (c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
                  (c == 0xf4 && second > 0x8f);
    return is_bad ? 0 : len;
}

void buf_put_json(struct buf *b, struct slice s)
{
    buf_put_byte(b, '"');
    while (s.len > 0) {
        size_t len = utf8_length(s);
        unsigned char c = (unsigned char)s.ptr[0], next = s.len > 1 ? (unsigned char)s.ptr[1] : 0;
        if (len == 0)
            buf_put_cstr(b, "\\ufffd");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", c);
        else if (c == 0xc2 && next <= 0x9f)
            buf_printf(b, "\\u%04x", next);
        else if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else
            buf_put(b, s.ptr, len);
        s = slice_from(s, len ? len : 1);
    }
    buf_put_byte(b, '"');
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_put_u16be(struct buf *b, uint16_t v)
{
    const uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    buf_put(b, bytes, sizeof(bytes));
}

void buf_put_u32be(struct buf *b, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    buf_put(b, bytes, sizeof(bytes));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(b->ptr ? b->ptr + b->len : NULL, b->cap - b->len, fmt, ap);
    if (n < 0)
        PANIC("bad format");
    if ((size_t)n >= b->cap - b->len)
        vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    va_end(again);
    b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
}

struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->ptr, b->len};
}

const char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return b->ptr;
}
