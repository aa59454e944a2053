/* gzip.c - lines of a file. zlib reads a plain file too, so that the name does not matter. */
#include "gzip/gzip.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK_BYTES = 128 * 1024 };

struct gzip {
    gzFile file;
    uint64_t size_bytes;
    struct wall written;
    const char *error;
    bool ended;
    struct buf line; /* of one that lies in two blocks */
    size_t at, filled;
    char block[BLOCK_BYTES];
};

enum err gzip_open(const char *path, struct gzip **out)
{
    struct stat st;
    *out = NULL;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        int saved = S_ISDIR(st.st_mode) ? EISDIR : errno;
        (void)close(fd);
        errno = saved;
        return ERR_IO;
    }
    struct gzip *g = mem_alloc(sizeof(*g));
    memset(g, 0, offsetof(struct gzip, block));
    g->file = gzdopen(fd, "rb");
    if (!g->file) {
        (void)close(fd);
        free(g);
        errno = ENOMEM;
        return ERR_IO;
    }
    (void)gzbuffer(g->file, BLOCK_BYTES);
    if (S_ISREG(st.st_mode)) {
        g->size_bytes = (uint64_t)st.st_size;
        g->written.sec = st.st_mtime;
    }
    *out = g;
    return ERR_NONE;
}

void gzip_close(struct gzip *g)
{
    if (!g)
        return;
    (void)gzclose(g->file);
    buf_fini(&g->line);
    free(g);
}

static void fill(struct gzip *g)
{
    int n = gzread(g->file, g->block, BLOCK_BYTES), code = Z_OK;
    g->at = g->filled = 0;
    if (n > 0) {
        g->filled = (size_t)n;
        return;
    }
    g->ended = true;
    const char *text = gzerror(g->file, &code);
    if (code == Z_ERRNO)
        g->error = strerror(errno);
    else if (code != Z_OK && code != Z_STREAM_END)
        g->error = text;
}

/* What of a line still has room. */
static void keep(struct gzip *g, struct slice part, size_t max_bytes)
{
    size_t room = max_bytes - g->line.len;
    buf_put_slice(&g->line, slice_upto(part, room));
}

bool gzip_line(struct gzip *g, size_t max_bytes, struct slice *out)
{
    bool any = false;
    buf_clear(&g->line);
    for (;;) {
        if (g->at == g->filled && !g->ended)
            fill(g);
        if (g->ended) {
            *out = buf_slice(&g->line);
            return any;
        }
        struct slice rest = slice_of(g->block + g->at, g->filled - g->at);
        size_t end = slice_find(rest, '\n');
        bool whole = end < rest.len;
        g->at += end + whole;
        if (whole && !any) { /* nearly always: nothing is copied */
            *out = slice_upto(rest, end < max_bytes ? end : max_bytes);
            return true;
        }
        keep(g, slice_upto(rest, end), max_bytes);
        any = true;
        if (whole) {
            *out = buf_slice(&g->line);
            return true;
        }
    }
}

const char *gzip_error(const struct gzip *g)
{
    return g->error;
}

uint64_t gzip_size_bytes(const struct gzip *g)
{
    return g->size_bytes;
}

uint64_t gzip_read_bytes(const struct gzip *g)
{
    z_off_t offset = gzoffset(g->file);
    return offset > 0 ? (uint64_t)offset : 0;
}

struct wall gzip_written(const struct gzip *g)
{
    return g->written;
}
