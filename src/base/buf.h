/* buf.h - growing byte buffer. Always NUL-terminated after buf_cstr(), the NUL not counted. */
#ifndef TARSIER_BASE_BUF_H
#define TARSIER_BASE_BUF_H

#include "base/slice.h"

#include <stdarg.h>

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
};

/* A zeroed struct buf is an empty buffer; buf_init is the same. Owner: buf_fini frees; buf_clear keeps the memory. */
void buf_init(struct buf *b);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b);

/* Room for n more bytes; returns where they go. The caller adds to b->len what it wrote. */
char *buf_reserve(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_put_byte(struct buf *b, char c);
void buf_put_slice(struct buf *b, struct slice s);
void buf_put_cstr(struct buf *b, const char *s);
/*
 * Text from outside, for one line of a log, header or reply: control bytes (NUL, CR, LF, ESC …) become `?`,
 * and so do U+0080 to U+009F, which terminals obey too.
 */
void buf_put_visible(struct buf *b, struct slice s);
/*
 * A string of JSON with its quotes (RFC 8259 7). Control characters, those of C1 too, are written as \u00XX; a byte that is no UTF-8
 * becomes U+FFFD.
 */
void buf_put_json(struct buf *b, struct slice s);
/* In decimal, without sign and zeros in front. */
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_u16be(struct buf *b, uint16_t v);
void buf_put_u32be(struct buf *b, uint32_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Drop n bytes from the front. */
void buf_drop(struct buf *b, size_t n);

/* Borrowed until the buffer changes. */
struct slice buf_slice(const struct buf *b);
const char *buf_cstr(struct buf *b);

#endif
