/*
 * manual.c - the manual page's lists of settings are what the tables of settings say.
 *
 *     conf-manual PAGE          compare
 *     conf-manual --write PAGE  put the tables' text into the page
 */
#include "../unit/test.h"
#include "conf/print.h"

#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *begin, *end;
    void (*print)(struct buf *out);
} parts[] = {
    {"settings", ".\\\" settings: made from the table in src/conf/settings.c\n", ".\\\" settings: end\n", conf_print_manual},
    {"settings of a filter", ".\\\" filter settings: made from the table in src/conf/filter_settings.c\n",
     ".\\\" filter settings: end\n", conf_print_filter_manual},
};

static bool read_page(FILE *f, struct buf *page)
{
    size_t n;
    while ((n = fread(buf_reserve(page, 65536), 1, 65536, f)) > 0)
        page->len += n;
    return !ferror(f);
}

static bool write_page(FILE *f, const struct buf *page)
{
    rewind(f);
    return fwrite(page->ptr, 1, page->len, f) == page->len && fflush(f) == 0 && ftruncate(fileno(f), ftell(f)) == 0;
}

/* One table: compared with the page, or put into it. */
static void run_part(size_t i, struct buf *page, bool write_mode)
{
    struct buf table = {0}, rest = {0};
    parts[i].print(&table);
    const char *text = buf_cstr(page), *from = strstr(text, parts[i].begin), *to = from ? strstr(from, parts[i].end) : NULL;
    if (!CHECK(from && to)) {
        buf_fini(&table);
        return;
    }
    from += strlen(parts[i].begin);
    if (!write_mode) {
        CHECK_SLICE(slice_of(from, (size_t)(to - from)), buf_cstr(&table));
    } else {
        buf_put_cstr(&rest, to);
        page->len = (size_t)(from - text);
        buf_put_slice(page, buf_slice(&table));
        buf_put_slice(page, buf_slice(&rest));
    }
    buf_fini(&table);
    buf_fini(&rest);
}

int main(int argc, char **argv)
{
    struct buf page = {0};
    bool write_mode = argc == 3 && strcmp(argv[1], "--write") == 0;
    FILE *f = argc >= 2 ? fopen(argv[argc - 1], "r+b") : NULL;
    if (!f || !read_page(f, &page)) {
        fprintf(stderr, "usage: conf-manual [--write] PAGE\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        test_case_ok = true;
        run_part(i, &page, write_mode);
        printf("%s %d - %s in the manual page\n", test_case_ok ? "ok" : "not ok", ++test_count, parts[i].name);
        test_failed += !test_case_ok;
    }
    if (write_mode && !write_page(f, &page))
        test_failed++;
    fclose(f);
    buf_fini(&page);
    return TEST_END();
}
