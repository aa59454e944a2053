/* parts.c - what a backup has beside the records. */
#include "setup/parts.h"

#include "base/mem.h"
#include "file/replace.h"
#include "formats/lines.h"
#include "setup/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PART_MAX_BYTES = 256 << 20 };

const struct part parts[] = {
    {"allows", "allows"},
    {"pause", "pause"},
    {"statistics", "journal/statistics"},
};
const size_t n_parts = COUNT_OF(parts);

const struct part *part_find(struct slice name)
{
    for (size_t i = 0; i < n_parts; i++)
        if (slice_eq_cstr(name, parts[i].name))
            return &parts[i];
    return NULL;
}

enum err part_put(const struct part *part, const char *directory, struct buf *out, uint64_t *lines)
{
    struct buf path = {0}, text = {0};
    buf_printf(&path, "%s/%s", directory, part->path);
    enum err e = file_read(buf_cstr(&path), PART_MAX_BYTES, &text);
    *lines = 0;
    for (struct slice rest = buf_slice(&text); e == ERR_NONE && rest.len > 0; ++*lines)
        line_put(out, &(struct line){.kind = LINE_PART, .part = slice_cstr(part->name), .text = slice_cut(&rest, '\n')});
    buf_fini(&path);
    buf_fini(&text);
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

void part_text_to_bytes(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool two = (c == 0xc2 || c == 0xc3) && i + 1 < text.len; /* U+0080 to U+00FF */
        buf_put_byte(out, two ? (char)((c & 3) << 6 | ((unsigned char)text.ptr[++i] & 0x3f)) : (char)c);
    }
}

/* The last folder of a path that is not the state directory's own. */
static bool make_folder(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
    *slash = '/';
    return ok;
}

enum err part_write(const struct part *part, const char *directory, struct slice content)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", directory, part->path);
    (void)buf_cstr(&path);
    enum err e = ERR_IO;
    if (make_folder(path.ptr))
        e = file_replace(path.ptr, content, 0600, FILE_OF_FOLDER);
    int saved = errno;
    buf_fini(&path);
    errno = saved;
    return e;
}
