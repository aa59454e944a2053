/*
 * format.c - any bytes as a format string and as the facts that fill it in: never a crash, and no control byte in what comes out
 * that the format itself does not have. Input: the format, LF, then the text of every fact.
 */
#include "base/mem.h"
#include "match/regex.h"
#include "policy/format.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice macro(const void *ctx, struct slice name)
{
    return name.len % 2 ? *(const struct slice *)ctx : SLICE_NONE;
}

static void fill_in(const struct format *format, struct slice text)
{
    struct slice groups[REGEX_GROUPS_MAX];
    for (int i = 0; i < REGEX_GROUPS_MAX; i++)
        groups[i] = i % 2 ? text : SLICE_NONE;
    struct format_facts facts = {
        .sender = text,
        .recipient = text,
        .host = text,
        .helo = text,
        .hostname = text,
        .if_addr = text,
        .code = text,
        .ecode = text,
        .acl_id = text,
        .groups = groups,
        .macro = macro,
        .macro_ctx = &text,
    };
    if (text.len >= 4) {
        facts.client.family = text.ptr[0] & 1 ? IP_V4 : IP_V6;
        memcpy(facts.client.bytes, text.ptr, 4);
        memcpy(&facts.now.sec, text.ptr, 4);
        facts.elapsed_sec = (int64_t)text.ptr[1] << 55;
    }
    struct buf out = {0};
    format_expand(format, &facts, &out);
    for (size_t i = 0; i < out.len; i++)
        if ((uint8_t)out.ptr[i] < 0x20 || out.ptr[i] == 0x7f)
            PANIC("control byte from outside");
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct slice text = slice_cut(&rest, '\n');
    struct arena arena = {0};
    struct format *format;
    struct format_error error = {0};
    bool plain = true;
    for (size_t i = 0; i < text.len; i++)
        plain = plain && (uint8_t)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f;
    if (format_compile(text, &arena, &format, &error) != ERR_NONE) {
        if (!error.message || error.offset > text.len)
            PANIC("error without its place");
    } else {
        for (const char *const *m = format_macros(format); *m; m++)
            if (!**m)
                PANIC("macro without a name");
        if (plain)
            fill_in(format, rest);
    }
    arena_fini(&arena);
    return 0;
}
