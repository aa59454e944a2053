/* screen.c - wrapping, times and JSON strings. */
#include "cli/screen.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static size_t column_of(const struct buf *out)
{
    struct slice all = buf_slice(out);
    size_t line = slice_rfind(all, '\n'), column = 0;
    for (size_t i = line < all.len ? line + 1 : 0; i < all.len; i++)
        column += ((unsigned char)all.ptr[i] & 0xc0) != 0x80; /* characters, not bytes */
    return column;
}

static size_t characters(struct slice word)
{
    size_t n = 0;
    for (size_t i = 0; i < word.len; i++)
        n += ((unsigned char)word.ptr[i] & 0xc0) != 0x80;
    return n;
}

void screen_put_words(struct buf *out, size_t indent, struct slice words)
{
    while (words.len > 0) {
        struct slice word = slice_cut(&words, ' ');
        size_t column = column_of(out);
        bool is_first = column <= indent;
        if (word.len == 0)
            continue;
        if (!is_first && column + 1 + characters(word) > SCREEN_COLUMNS) {
            buf_printf(out, "\n%*s", (int)indent, "");
            is_first = true;
        }
        if (!is_first && out->ptr[out->len - 1] != ' ')
            buf_put_byte(out, ' ');
        buf_put_visible(out, word);
    }
}

void screen_put_name(struct buf *out, size_t indent, struct slice text)
{
    struct buf visible = {0};
    buf_put_visible(&visible, text);
    size_t column = column_of(out);
    for (size_t i = 0; i < visible.len; i++) {
        bool begins = ((unsigned char)visible.ptr[i] & 0xc0) != 0x80;
        if (begins && column == SCREEN_COLUMNS) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        column += begins;
        buf_put_byte(out, visible.ptr[i]);
    }
    buf_fini(&visible);
}

void screen_put_time(struct buf *out, struct wall at, struct wall now)
{
    struct tm tm, today;
    time_t t = (time_t)at.sec, n = (time_t)now.sec;
    char text[32];
    if (!localtime_r(&t, &tm) || !localtime_r(&n, &today)) {
        buf_printf(out, "%" PRId64, at.sec);
        return;
    }
    strftime(text, sizeof(text), tm.tm_year == today.tm_year ? "%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
    buf_put_cstr(out, text);
}

void screen_put_duration(struct buf *out, int64_t sec)
{
    static const struct {
        const char *name;
        int64_t sec;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    size_t i = 0;
    while (i < 3 && sec < units[i].sec)
        i++;
    buf_printf(out, "%" PRId64 " %s", sec / units[i].sec, units[i].name);
    int64_t rest = i < 3 ? sec % units[i].sec / units[i + 1].sec : 0;
    if (rest > 0)
        buf_printf(out, " %" PRId64 " %s", rest, units[i + 1].name);
}

void screen_put_count(struct buf *out, int64_t n)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
    int first = digits[0] == '-';
    for (int i = 0; i < len; i++) {
        if (i > first && (len - i) % 3 == 0)
            buf_put_byte(out, ',');
        buf_put_byte(out, digits[i]);
    }
}

void screen_put_json(struct buf *out, struct slice text)
{
    buf_put_json(out, text);
}
