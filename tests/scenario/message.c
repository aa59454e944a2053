/* message.c - a mail and the edits on it. Knows Postfix's way with indexes, nothing of packets. */
#include "message.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void message_init(struct message *m, struct arena *arena)
{
    *m = (struct message){.arena = arena};
}

void message_fini(struct message *m)
{
    free(m->headers);
    free(m->recipients);
    buf_fini(&m->body);
    *m = (struct message){.arena = m->arena, .next = m->next};
}

/* ---- headers ---- */

static void put_header(struct message *m, size_t index, struct slice name, struct slice value)
{
    m->headers = mem_grow(m->headers, &m->cap_headers, m->n_headers + 1, sizeof(*m->headers));
    memmove(m->headers + index + 1, m->headers + index, (m->n_headers - index) * sizeof(*m->headers));
    m->headers[index] = (struct message_header){arena_slice(m->arena, name), arena_slice(m->arena, value)};
    m->n_headers++;
}

void message_insert_header(struct message *m, size_t index, struct slice name, struct slice value)
{
    if (index <= m->n_above) {
        put_header(m, index, name, value);
        m->n_above++;
    } else {
        put_header(m, index - 1 < m->n_headers ? index - 1 : m->n_headers, name, value);
    }
}

void message_add_header(struct message *m, struct slice name, struct slice value)
{
    put_header(m, m->n_headers, name, value);
}

void message_change_header(struct message *m, size_t index, struct slice name, struct slice value)
{
    size_t nth = 0, wanted = index ? index : 1;
    for (size_t i = 0; i < m->n_headers; i++) {
        if (!slice_eq_nocase(m->headers[i].name, name) || ++nth != wanted)
            continue;
        if (value.len > 0) {
            m->headers[i].value = arena_slice(m->arena, value);
            return;
        }
        m->n_headers--;
        m->n_above -= i < m->n_above;
        memmove(m->headers + i, m->headers + i + 1, (m->n_headers - i) * sizeof(*m->headers));
        return;
    }
    if (value.len > 0)
        message_add_header(m, name, value);
}

const char *message_header_line(struct arena *arena, const struct message_header *h)
{
    return arena_printf(arena, "%.*s:%.*s", SLICE_ARG(h->name), SLICE_ARG(h->value));
}

/* ---- recipients ---- */

void message_add_recipient(struct message *m, struct slice address)
{
    m->recipients = mem_grow(m->recipients, &m->cap_recipients, m->n_recipients + 1, sizeof(char *));
    m->recipients[m->n_recipients++] = arena_cstr(m->arena, address);
}

bool message_delete_recipient(struct message *m, struct slice address)
{
    for (size_t i = 0; i < m->n_recipients; i++) {
        if (!slice_eq_cstr(address, m->recipients[i]))
            continue;
        m->n_recipients--;
        memmove(m->recipients + i, m->recipients + i + 1, (m->n_recipients - i) * sizeof(char *));
        return true;
    }
    return false;
}

/* ---- body ---- */

void message_replace_body(struct message *m, struct slice piece)
{
    if (!m->body_is_new)
        buf_clear(&m->body);
    m->body_is_new = true;
    buf_put_slice(&m->body, piece);
}

enum { PATTERN_LINE_BYTES = 64 };

/* "000000042 abcdefg…\r\n": says where it belongs. */
static void put_pattern(size_t from, size_t n, struct buf *out)
{
    while (n > 0) {
        char line[PATTERN_LINE_BYTES + 1];
        size_t number = from / PATTERN_LINE_BYTES, at = from % PATTERN_LINE_BYTES;
        for (int i = 8; i >= 0; i--, number /= 10)
            line[i] = (char)('0' + number % 10);
        line[9] = ' ';
        for (size_t i = 10; i < PATTERN_LINE_BYTES - 2; i++)
            line[i] = (char)('a' + i % 26);
        memcpy(line + PATTERN_LINE_BYTES - 2, "\r\n", 2);
        size_t piece = PATTERN_LINE_BYTES - at < n ? PATTERN_LINE_BYTES - at : n;
        buf_put(out, line + at, piece);
        from += piece;
        n -= piece;
    }
}

size_t message_body_length(const char *text)
{
    return text[0] == '*' ? strtoul(text + 1, NULL, 10) : strlen(text) + 2;
}

void message_body_text(const char *text, size_t from, size_t max, struct buf *out)
{
    size_t length = message_body_length(text);
    size_t n = from >= length ? 0 : length - from < max ? length - from : max;
    if (text[0] == '*') {
        put_pattern(from, n, out);
        return;
    }
    struct buf line = {0};
    buf_put_cstr(&line, text);
    buf_put_cstr(&line, "\r\n");
    buf_put_slice(out, slice_upto(slice_from(buf_slice(&line), from), n));
    buf_fini(&line);
}
