/* source.c - a configuration that is one text in memory: tests, fuzz targets, benchmarks. */
#include "conf/conf.h"

static enum err read_text(void *ctx, const char *path, struct slice *text)
{
    (void)path;
    *text = *(const struct slice *)ctx;
    return ERR_NONE;
}

static enum err expand_nothing(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    (void)ctx;
    (void)pattern;
    *paths = NULL;
    *n = 0;
    return ERR_NONE;
}

struct conf_source conf_source_text(const struct slice *text)
{
    return (struct conf_source){.ctx = (void *)(uintptr_t)text, .read = read_text, .expand = expand_nothing};
}
