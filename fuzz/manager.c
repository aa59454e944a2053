/* manager.c - fuzz: any bytes as what milter-manager --show-config prints; what is made of it always loads. */
#include "conf/conf.h"
#include "formats/manager_conf.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_loads(struct buf *text)
{
    struct slice whole = buf_slice(text);
    struct conf_source source = conf_source_text(&whole);
    struct diags diags;
    diags_init(&diags);
    struct conf *c = conf_load(&source, "tarsier.conf", &diags);
    if (diags.errors > 0) {
        struct buf said = {0};
        diags_print(&diags, &said);
        fprintf(stderr, "%s----\n%s", buf_cstr(text), buf_cstr(&said));
        abort();
    }
    conf_free(c);
    diags_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct manager_config config;
    struct manager_error error;
    struct buf out = {0};
    enum err e = manager_parse(&arena, slice_of(data, size), &config, &error);
    if (e != ERR_NONE && (!error.why || error.line == 0 || error.column == 0))
        abort();
    if (e == ERR_NONE) {
        manager_put_conf(&config, &(struct manager_conf_options){0}, &out);
        check_loads(&out);
    }
    buf_fini(&out);
    arena_fini(&arena);
    return 0;
}
