/*
 * manual.c - the manual page's list of settings is what the table of settings says.
 *
 *     conf-manual PAGE          compare
 *     conf-manual --write PAGE  put the table's text into the page
 */
#include "../unit/test.h"
#include "conf/print.h"

#include <string.h>
#include <unistd.h>

static const char begin[] = ".\\\" settings: made from the table in src/conf/settings.c\n";
static const char end[] = ".\\\" settings: end\n";

int main(int argc, char **argv)
{
    struct buf page = {0}, table = {0};
    bool write_mode = argc == 3 && strcmp(argv[1], "--write") == 0;
    FILE *f = argc >= 2 ? fopen(argv[argc - 1], "r+b") : NULL;
    if (!f) {
        fprintf(stderr, "usage: conf-manual [--write] PAGE\n");
        return 2;
    }
    size_t n;
    while ((n = fread(buf_reserve(&page, 65536), 1, 65536, f)) > 0)
        page.len += n;
    conf_print_manual(&table);
    const char *from = strstr(buf_cstr(&page), begin), *to = from ? strstr(from, end) : NULL;
    test_case_ok = CHECK(from && to);
    if (from && to) {
        from += strlen(begin);
        if (write_mode) {
            struct buf rest = {0};
            buf_put_cstr(&rest, to);
            rewind(f);
            fwrite(page.ptr, 1, (size_t)(from - page.ptr), f);
            fwrite(table.ptr, 1, table.len, f);
            fwrite(rest.ptr, 1, rest.len, f);
            fflush(f);
            if (ftruncate(fileno(f), ftell(f)) != 0)
                test_case_ok = false;
            buf_fini(&rest);
        } else {
            CHECK_SLICE(slice_of(from, (size_t)(to - from)), buf_cstr(&table));
        }
    }
    fclose(f);
    buf_fini(&page);
    buf_fini(&table);
    printf("%s 1 - settings in the manual page\n1..1\n", test_case_ok ? "ok" : "not ok");
    return !test_case_ok;
}
