/*
 * cells.c - how wide a character is. The table has what mail addresses use, after Unicode 15 (EastAsianWidth.txt W and F;
 * general categories Mn, Me). wcwidth(3) would ask the locale, and two machines would answer differently.
 */
#include "top/cells.h"

struct range {
    uint32_t first, last;
};

static const struct range wide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97c},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x17000, 0x18cff},
    {0x1b000, 0x1b2ff}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};
static const struct range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a},
    {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0x302a, 0x302d},
    {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
};
/* What moves the cursor, or turns the rest of the line round. */
static const struct range control[] = {
    {0x0000, 0x001f}, {0x007f, 0x009f}, {0x061c, 0x061c}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
};

static bool is_in(const struct range *ranges, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

#define IS_IN(ranges, c) is_in((ranges), sizeof(ranges) / sizeof((ranges)[0]), (c))

struct character {
    size_t bytes, columns;
    bool is_shown; /* as itself, not as '?' */
};

/* RFC 3629: the number of bytes, and the code point; 0: this is no UTF-8. */
static size_t decode(struct slice s, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)s.ptr[0];
    size_t n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    if (n == 0 || n > s.len)
        return 0;
    *c = n == 1 ? first : first & (0xffU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        unsigned char next = (unsigned char)s.ptr[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (next & 0x3fU);
    }
    return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff) ? 0 : n;
}

static struct character next(struct slice s, bool utf8)
{
    uint32_t c = 0;
    size_t n = decode(s, &c);
    if (n == 0)
        return (struct character){1, 1, false};
    if (IS_IN(control, c) || (n > 1 && !utf8))
        return (struct character){n, 1, false};
    return (struct character){n, IS_IN(combining, c) ? 0 : IS_IN(wide, c) ? 2 : 1, true};
}

size_t cells_fit(struct slice text, size_t columns, bool utf8)
{
    size_t bytes = 0, used = 0;
    while (bytes < text.len) {
        struct character c = next(slice_from(text, bytes), utf8);
        if (bytes > 0 && used + c.columns > columns)
            break;
        used += c.columns;
        bytes += c.bytes;
    }
    return bytes;
}

static size_t put_all(struct buf *out, struct slice text, size_t columns, bool utf8)
{
    size_t used = 0;
    while (text.len > 0) {
        struct character c = next(text, utf8);
        if (used + c.columns > columns)
            break;
        if (c.is_shown)
            buf_put_slice(out, slice_upto(text, c.bytes));
        else
            buf_put_byte(out, '?');
        used += c.columns;
        text = slice_from(text, c.bytes);
    }
    return used;
}

size_t cells_put(struct buf *out, struct slice text, size_t columns, bool pad, bool utf8)
{
    size_t used = 0;
    if (columns > 0 && cells_fit(text, columns, utf8) < text.len) {
        used = put_all(out, text, columns - 1, utf8);
        buf_put_byte(out, '+');
        used++;
    } else {
        used = put_all(out, text, columns, utf8);
    }
    for (; pad && used < columns; used++)
        buf_put_byte(out, ' ');
    return used;
}
