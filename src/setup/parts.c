/* parts.c - what a backup has beside the records. */
#include "setup/parts.h"

#include "base/mem.h"
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

static bool write_file(const char *path, struct slice content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    size_t at = 0;
    while (at < content.len) {
        ssize_t n = write(fd, content.ptr + at, content.len - at);
        if (n < 0)
            break;
        at += (size_t)n;
    }
    bool ok = at == content.len && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

enum err part_write(const struct part *part, const char *directory, struct slice content)
{
    struct buf path = {0}, fresh = {0};
    buf_printf(&path, "%s/%s", directory, part->path);
    buf_printf(&fresh, "%s/%s.new", directory, part->path);
    char *name = mem_strdup(buf_cstr(&path));
    bool ok = make_folder(name) && write_file(buf_cstr(&fresh), content) && rename(buf_cstr(&fresh), name) == 0;
    int saved = errno;
    free(name);
    buf_fini(&path);
    buf_fini(&fresh);
    errno = saved;
    return ok ? ERR_NONE : ERR_IO;
}
