/* unread.c - a form is the line with its particulars struck out. */
#include "replay/unread.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { FORM_MAX = 64, SAMPLE_MAX = 400 };

struct form {
    char text[FORM_MAX];
    size_t len;
    uint64_t count;
    char sample[SAMPLE_MAX];
    size_t sample_len;
};

struct unread {
    uint64_t count, others; /* others: of forms beyond the bound */
    size_t n;
    struct form forms[UNREAD_FORMS_MAX];
};

struct unread *unread_new(void)
{
    return mem_zalloc(sizeof(struct unread));
}

void unread_free(struct unread *u)
{
    free(u);
}

static bool is_particular(struct slice word)
{
    bool letters = true;
    for (size_t i = 0; i < word.len; i++)
        letters = letters && (ascii_is_alpha(word.ptr[i]) || strchr(":/_-'", word.ptr[i]));
    return !letters;
}

/* Words with anything but letters in them are told by a star. The program's name is kept, its process number is not. */
static size_t strike_out(struct slice text, char out[FORM_MAX])
{
    size_t n = 0;
    for (bool is_first = true; text.len > 0 && n + 2 < FORM_MAX; is_first = false) {
        struct slice word = slice_cut(&text, ' ');
        if (is_first)
            word = slice_upto(word, slice_find(word, '['));
        else if (is_particular(word))
            word = SLICE_LIT("*");
        word = slice_upto(word, FORM_MAX - n - 1);
        memcpy(out + n, word.ptr, word.len);
        n += word.len;
        out[n++] = ' ';
    }
    return n;
}

void unread_note(struct unread *u, struct slice text)
{
    char form[FORM_MAX];
    size_t len = strike_out(text, form), i = 0;
    u->count++;
    while (i < u->n && (u->forms[i].len != len || memcmp(u->forms[i].text, form, len) != 0))
        i++;
    if (i == UNREAD_FORMS_MAX) {
        u->others++;
        return;
    }
    struct form *f = &u->forms[i];
    if (i == u->n) {
        u->n++;
        memcpy(f->text, form, len);
        f->len = len;
        f->sample_len = text.len < SAMPLE_MAX ? text.len : SAMPLE_MAX;
        memcpy(f->sample, text.ptr, f->sample_len);
    }
    f->count++;
}

uint64_t unread_count(const struct unread *u)
{
    return u->count;
}

static int compare(const void *a, const void *b)
{
    const struct form *const *x = a, *const *y = b;
    if ((*x)->count != (*y)->count)
        return (*x)->count > (*y)->count ? -1 : 1;
    return *x < *y ? -1 : *x > *y;
}

void unread_put(const struct unread *u, struct buf *out)
{
    const struct form *order[UNREAD_FORMS_MAX];
    for (size_t i = 0; i < u->n; i++)
        order[i] = &u->forms[i];
    qsort(order, u->n, sizeof(order[0]), compare);
    for (size_t i = 0; i < u->n; i++) {
        buf_printf(out, "%8llu  ", (unsigned long long)order[i]->count);
        buf_put_visible(out, slice_of(order[i]->sample, order[i]->sample_len));
        buf_put_byte(out, '\n');
    }
    if (u->others)
        buf_printf(out, "%8llu  of other forms\n", (unsigned long long)u->others);
}
