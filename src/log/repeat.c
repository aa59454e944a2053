/* repeat.c - the last lines, each with the end of its quiet time. */
#include "log/repeat.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void repeats_fini(struct repeats *r)
{
    for (size_t i = 0; i < REPEAT_LINES_MAX; i++)
        free(r->lines[i].text);
}

static struct repeat *find(struct repeats *r, int level, struct slice text)
{
    for (size_t i = 0; i < REPEAT_LINES_MAX; i++) {
        struct repeat *line = &r->lines[i];
        if (line->text && line->level == level && slice_eq(slice_of(line->text, line->len), text))
            return line;
    }
    return NULL;
}

/* A free place, else the oldest line that has not come again: it is forgotten. NULL: all have. */
static struct repeat *place(struct repeats *r)
{
    struct repeat *oldest = NULL;
    for (size_t i = 0; i < REPEAT_LINES_MAX; i++) {
        struct repeat *line = &r->lines[i];
        if (!line->text)
            return line;
        if (line->times == 0 && (!oldest || line->until_ms < oldest->until_ms))
            oldest = line;
    }
    return oldest;
}

bool repeats_take(struct repeats *r, int level, struct slice text, int64_t now_ms)
{
    struct repeat *line = find(r, level, text);
    if (line && now_ms < line->until_ms) {
        line->times++;
        return false;
    }
    if (!line)
        line = place(r);
    if (!line)
        return true;
    free(line->text);
    *line = (struct repeat){
        .text = mem_alloc(text.len + 1), .len = text.len, .level = level, .until_ms = now_ms + REPEAT_QUIET_SEC * 1000};
    if (text.len > 0)
        memcpy(line->text, text.ptr, text.len);
    return true;
}

/* It is said now, so that another quiet time begins; without any repeat in it, it ends unsaid. */
bool repeats_due(struct repeats *r, int64_t now_ms, struct repeat_due *out)
{
    for (size_t i = 0; i < REPEAT_LINES_MAX; i++) {
        struct repeat *line = &r->lines[i];
        if (!line->text || line->times == 0 || now_ms < line->until_ms)
            continue;
        *out = (struct repeat_due){.level = line->level, .text = slice_of(line->text, line->len), .times = line->times};
        line->times = 0;
        line->until_ms = now_ms == INT64_MAX ? now_ms : now_ms + REPEAT_QUIET_SEC * 1000;
        return true;
    }
    return false;
}

int64_t repeats_next_ms(const struct repeats *r)
{
    int64_t next = -1;
    for (size_t i = 0; i < REPEAT_LINES_MAX; i++) {
        const struct repeat *line = &r->lines[i];
        if (line->text && line->times > 0 && (next < 0 || line->until_ms < next))
            next = line->until_ms;
    }
    return next;
}
