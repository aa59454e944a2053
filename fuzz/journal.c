/* journal.c - fuzz: any bytes as rows of the journal and as its statistics. What is taken is written again as it was. */
#include "port/tally.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(struct slice row)
{
    struct arena arena = {0};
    struct journal_entry e, again;
    struct buf out = {0};
    if (journal_parse_row(row, &e, &arena) == ERR_NONE) {
        journal_put_row(&out, &e);
        if (out.len > JOURNAL_ROW_MAX_BYTES * 4 || slice_find(buf_slice(&out), '\n') + 1 != out.len ||
            journal_parse_row(slice_upto(buf_slice(&out), out.len - 1), &again, &arena) != ERR_NONE ||
            again.what != e.what || again.sec != e.sec || again.at.sec != e.at.sec)
            abort();
        struct journal_query q;
        if (journal_query_parse(e.sender, &q) == ERR_NONE)
            (void)journal_matches(&q, &e);
    }
    buf_fini(&out);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    for (struct slice rest = text; rest.len > 0;)
        check_row(slice_cut(&rest, '\n'));
    struct tally *t = tally_new();
    unsigned line;
    if (tally_parse(t, text, &line) == ERR_NONE) {
        struct tally *back = tally_new();
        struct buf once = {0}, twice = {0};
        tally_put(t, &once);
        if (tally_parse(back, buf_slice(&once), &line) != ERR_NONE)
            abort();
        tally_put(back, &twice);
        if (!slice_eq(buf_slice(&once), buf_slice(&twice)))
            abort();
        buf_fini(&once);
        buf_fini(&twice);
        tally_free(back);
    }
    tally_free(t);
    return 0;
}
