/* maillog.c - fuzz: any bytes as a mail log. What a line says lies within the line, and no line changes what the next one means. */
#include "formats/maillog.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct slice part, struct slice line)
{
    static const char content[] = "CONTENT"; /* the one name that is ours */
    if (part.ptr && !slice_eq_cstr(part, content) && (part.ptr < line.ptr || part.ptr + part.len > line.ptr + line.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maillog_clock clock = {.latest = {1795000000}};
    struct slice text = slice_of(data, size);
    while (text.len > 0) {
        struct slice line = slice_cut(&text, '\n');
        struct maillog_line l;
        maillog_read(&clock, line, &l);
        const struct slice parts[] = {l.host,  l.program, l.pid,       l.id,   l.name,
                                      l.stage, l.sender,  l.recipient, l.helo, l.login};
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
            check_within(parts[i], line);
        if (l.repeated == 0 || (l.kind == MAILLOG_CLIENT && !l.program.ptr) || (l.kind == MAILLOG_REMOVED && !l.id.ptr))
            abort();
        if ((l.kind == MAILLOG_REFUSED || l.kind == MAILLOG_SEEN) && !l.stage.ptr)
            abort();
    }
    return 0;
}
