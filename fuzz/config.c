/* config.c - any bytes as a configuration: never a crash, and what loads without errors reads back as the same. */
#include "../tests/config/roundtrip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Includes get the same text again: what stands behind a file's name bounds itself. */
static enum err expand(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    static const char *const two[] = {"b.conf", "a.conf"};
    (void)ctx;
    *paths = two;
    *n = strchr(pattern, '*') ? 2 : strchr(pattern, '?') ? 0 : 1;
    return strchr(pattern, '!') ? ERR_IO : ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct conf_source source = conf_source_text(&text);
    source.expand = expand;
    struct diags diags;
    struct buf said = {0}, first = {0}, second = {0}, third = {0}, errors = {0};
    diags_init(&diags);
    struct conf *c = conf_load(&source, "a.conf", &diags);
    diags_print(&diags, &said);
    if (diags.errors == 0) {
        if (!roundtrip(c, &first, &second, &third, &errors)) {
            fprintf(stderr, "%s----\n%s----\n%s", buf_cstr(&first), buf_cstr(&second), buf_cstr(&errors));
            abort();
        }
    } else {
        conf_print(c, &first);
    }
    conf_free(c);
    diags_fini(&diags);
    struct buf *const bufs[] = {&said, &first, &second, &third, &errors};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
        buf_fini(bufs[i]);
    return 0;
}
