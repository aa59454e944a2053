/*
 * replycode.c - an SMTP reply as a filter hands it over: status, enhanced code and text of any length cut into lines that
 * libmilter, Sendmail and Postfix all take. Knows nothing of why it is said.
 */
#include "milter/reply.h"

static bool is_status(struct slice s)
{
    return s.len == 3 && (s.ptr[0] == '4' || s.ptr[0] == '5') && ascii_is_digit(s.ptr[1]) && ascii_is_digit(s.ptr[2]);
}

/* One to three digits. */
static bool is_number(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit(s.ptr[i]))
            return false;
    return s.len >= 1 && s.len <= 3;
}

/* RFC 3463: class "." subject "." detail, and the class is the status's. */
static bool is_enhanced_of(struct slice s, char class)
{
    struct slice head = slice_cut(&s, '.');
    if (head.len != 1 || head.ptr[0] != class || !s.ptr)
        return false;
    head = slice_cut(&s, '.');
    return is_number(head) && is_number(s);
}

static bool is_control(char c)
{
    return (uint8_t)c < ' ' || c == 0x7f;
}

static bool is_utf8_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

/* How many bytes of line go out together: all, or up to the last blank, or what fits without cutting a character. */
static size_t piece_bytes(struct slice line)
{
    size_t wire_bytes = 0, blank = 0, i = 0;
    for (; i < line.len; i++) {
        wire_bytes += line.ptr[i] == '%' ? 2 : 1;
        if (wire_bytes > MILTER_REPLY_TEXT_MAX_BYTES)
            break;
        if (line.ptr[i] == ' ' || is_control(line.ptr[i]))
            blank = i;
    }
    if (i == line.len)
        return i;
    if (blank > 0)
        return blank;
    for (unsigned back = 0; back < 3 && is_utf8_continuation(line.ptr[i]); back++)
        i--;
    return i;
}

static void put_text(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%')
            buf_put_byte(out, '%');
        buf_put_byte(out, is_control(c) ? ' ' : c);
    }
}

struct lines {
    struct buf *out;
    struct slice status, enhanced;
    unsigned count;
    size_t separator; /* where the newest line's '-' stands: the last one's becomes a blank */
};

static void put_line(struct lines *l, struct slice text)
{
    char class = l->status.ptr[0];
    if (l->count++ > 0)
        buf_put_cstr(l->out, "\r\n");
    buf_put_slice(l->out, l->status);
    l->separator = l->out->len;
    buf_put_byte(l->out, '-');
    if (l->enhanced.ptr) {
        buf_put_slice(l->out, l->enhanced);
        buf_put_byte(l->out, ' ');
    } else if (text.len > 0 && ascii_is_digit(text.ptr[0]) && text.ptr[0] != class) {
        /* Postfix would take the digit for the class of an enhanced code that does not fit and drop the whole reply */
        buf_put_byte(l->out, class);
        buf_put_cstr(l->out, ".0.0 ");
    }
    put_text(l->out, text);
}

static void put_paragraph(struct lines *l, struct slice text)
{
    do {
        size_t n = piece_bytes(text);
        put_line(l, slice_upto(text, n));
        bool at_blank = n < text.len && (text.ptr[n] == ' ' || is_control(text.ptr[n]));
        text = slice_from(text, n + at_blank);
    } while (text.len > 0 && l->count < MILTER_REPLY_LINES_MAX);
}

void milter_put_replycode(struct buf *out, struct slice status, struct slice enhanced, struct slice text)
{
    struct lines l = {.out = out, .status = is_status(status) ? status : SLICE_LIT("451")};
    if (is_enhanced_of(enhanced, l.status.ptr[0]))
        l.enhanced = enhanced;
    /* a newline at the end begins no line */
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;

    size_t mark = wire_begin(out, SMFIR_REPLYCODE);
    do {
        struct slice line = slice_cut(&text, '\n');
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        put_paragraph(&l, line);
    } while (text.ptr && l.count < MILTER_REPLY_LINES_MAX);
    out->ptr[l.separator] = ' ';
    buf_put_byte(out, '\0');
    wire_end(out, mark);
}
