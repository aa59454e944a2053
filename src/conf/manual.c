/* manual.c - the tables of settings as mdoc, for the manual page. */
#include "conf/print.h"
#include "conf/settings.h"

#include <string.h>

enum { LINE_MAX_BYTES = 78 };

/* A quote would be taken for one of mdoc's own. */
static void put_quoted(const char *s, struct buf *out)
{
    for (; *s; s++) {
        if (*s == '"')
            buf_put_cstr(out, "\\(dq");
        else
            buf_put_byte(out, *s);
    }
}

/* mdoc wants every sentence to begin a line, and no line above 80 bytes. No word of ours begins with a dot. */
static void put_sentences(const char *s, struct buf *out)
{
    size_t column = 0;
    struct slice rest = slice_cstr(s);
    bool sentence_ends = true;
    while (rest.ptr) {
        struct slice word = slice_cut(&rest, ' ');
        bool breaks = sentence_ends || column + 1 + word.len > LINE_MAX_BYTES;
        if (column)
            buf_put_byte(out, breaks ? '\n' : ' ');
        column = breaks ? word.len : column + 1 + word.len;
        buf_put_slice(out, word);
        sentence_ends = word.len && word.ptr[word.len - 1] == '.';
    }
    buf_put_byte(out, '\n');
}

static void put_head(const struct setting *row, struct buf *out)
{
    buf_printf(out, ".It Ic %s", row->name);
    if (row->type == SETTING_FLAG) {
        buf_put_cstr(out, " Op Cm yes | no");
    } else if (row->type == SETTING_CHOICE) {
        for (const struct setting_word *w = row->words; w->word; w++)
            buf_printf(out, " %s %s", w == row->words ? "Cm" : "|", w->word);
    } else {
        buf_put_cstr(out, " Ar ");
        put_quoted(row->argument, out);
        for (const struct setting_word *w = row->words; w && w->word; w++)
            buf_printf(out, " | Cm %s", w->word);
        if (row->type == SETTING_STRING && (!row->default_text || row->may_be_none))
            buf_put_cstr(out, " | Cm none");
    }
    buf_put_byte(out, '\n');
}

static void put_default(const struct setting *row, struct buf *out)
{
    if (row->type == SETTING_STRING && row->default_text) {
        buf_put_cstr(out, "Default:\n.Pa ");
        buf_put_cstr(out, row->default_text);
        buf_put_cstr(out, " .\n");
        return;
    }
    if (row->type != SETTING_STRING && row->default_text) {
        buf_printf(out, "Default: %s.\n", row->default_text);
        return;
    }
    buf_put_cstr(out, "Default:\n.Cm ");
    if (row->type == SETTING_STRING)
        buf_put_cstr(out, "none");
    else
        settings_put_value(row, row->value, out);
    if (row->type == SETTING_FLAG || row->type == SETTING_CHOICE || row->type == SETTING_STRING) {
        buf_put_cstr(out, " .\n");
        return;
    }
    const struct setting plain = {.type = row->type}; /* a bound is a number, whatever word it has */
    buf_put_cstr(out, " ,\nfrom\n.Cm ");
    settings_put_value(&plain, row->min, out);
    buf_put_cstr(out, "\nto\n.Cm ");
    settings_put_value(&plain, row->max, out);
    buf_put_cstr(out, " .\n");
}

static void put_table(const struct settings_table *table, struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        put_head(row, out);
        put_sentences(row->text, out);
        put_default(row, out);
        if (row->needs_restart)
            buf_put_cstr(out, "A change needs a restart.\n");
    }
}

void conf_print_manual(struct buf *out)
{
    put_table(settings_global(), out);
}

void conf_print_filter_manual(struct buf *out)
{
    put_table(settings_filter(), out);
}
