/* print_generic.c - generic_rdns in canonical form: threshold, weights, and the words of each class. */
#include "conf/print.h"
#include "conf/print_parts.h"

#include <inttypes.h>

enum { LINE_COLUMNS = 100 };

static bool same_origin(const struct conf_where *a, const struct conf_where *b)
{
    return a->file == b->file && (!a->file || a->line == b->line);
}

/* As many words in a line as it takes, all of one origin. */
static void put_words(const struct conf_generic_word *words, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n;) {
        size_t from = out->len, first = i;
        buf_put_cstr(out, "   ");
        do
            buf_printf(out, " \"%.*s\"", SLICE_ARG(words[i].text));
        while (++i < n && same_origin(&words[first].where, &words[i].where) &&
               out->len - from + words[i].text.len + 3 <= LINE_COLUMNS);
        print_padded_origin(out, from, &words[first].where);
    }
}

void print_generic(const struct conf_generic *g, struct buf *out)
{
    size_t from = out->len + 1;
    buf_printf(out, "\ngeneric_rdns threshold %" PRId64, g->threshold);
    print_padded_origin(out, from, &g->threshold_where);
    for (size_t i = 0; i < CONF_GENERIC_WEIGHTS; i++) {
        from = out->len;
        buf_printf(out, "generic_rdns weight %s %" PRId64, conf_generic_weights[i].name, g->weight[i]);
        print_padded_origin(out, from, &g->weight_where[i]);
    }
    for (size_t class = 0; class < CONF_GENERIC_CLASSES; class ++) {
        buf_put_byte(out, '\n');
        print_origin(out, &g->words_where[class]);
        buf_printf(out, "generic_rdns words %s {\n", conf_generic_classes[class].name);
        put_words(g->words[class], g->n_words[class], out);
        buf_put_cstr(out, "}\n");
    }
}
