/* tell.c - a line for whoever listens to the store. */
#include "store/tell.h"

#include "base/buf.h"

void store_tell(const struct store_config *config, enum log_level level, const char *fmt, ...)
{
    struct buf line = {0};
    va_list ap;
    if (!config->log)
        return;
    va_start(ap, fmt);
    buf_vprintf(&line, fmt, ap);
    va_end(ap);
    config->log(config->ctx, level, buf_cstr(&line));
    buf_fini(&line);
}
