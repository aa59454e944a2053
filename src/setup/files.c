/* files.c - reading files and expanding patterns, with what was lent out kept until the end. */
#include "setup/files.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { CONF_FILE_MAX_BYTES = 17 << 20 }; /* more than the language allows, so that it can say so itself */

/* Texts are kept, each of its own: while an included file is read, the one that includes it is not finished. */
struct files {
    struct buf *texts;
    size_t count, cap;
    glob_t found;
    bool has_found;
};

static enum err content_read(int fd, size_t max_bytes, struct buf *out)
{
    size_t from = out->len;
    for (;;) {
        char *to = buf_reserve(out, 65536);
        ssize_t n = read(fd, to, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            return ERR_NONE;
        out->len += (size_t)n;
        if (out->len - from > max_bytes)
            return ERR_LIMIT;
    }
}

static void close_keeping_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
}

enum err file_open(const char *path, int *fd)
{
    /* NONBLOCK: a pipe that somebody put there must not stop us. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    struct stat st;
    enum err e = ERR_IO;
    if (fstat(*fd, &st) == 0)
        e = S_ISREG(st.st_mode) ? ERR_NONE : ERR_UNSUPPORTED;
    if (e == ERR_NONE)
        return e;
    close_keeping_errno(*fd);
    *fd = -1;
    return e;
}

enum err file_finish(int fd, size_t max_bytes, struct buf *out)
{
    enum err e = content_read(fd, max_bytes, out);
    close_keeping_errno(fd);
    return e;
}

enum err file_read(const char *path, size_t max_bytes, struct buf *out)
{
    int fd;
    enum err e = file_open(path, &fd);
    return e == ERR_NONE ? file_finish(fd, max_bytes, out) : e;
}

struct files *files_open(void)
{
    return mem_zalloc(sizeof(struct files));
}

void files_close(struct files *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        buf_fini(&f->texts[i]);
    free(f->texts);
    if (f->has_found)
        globfree(&f->found);
    free(f);
}

static enum err source_read(void *ctx, const char *path, struct slice *text)
{
    struct files *f = ctx;
    f->texts = mem_grow(f->texts, &f->cap, f->count + 1, sizeof(*f->texts));
    struct buf *b = &f->texts[f->count++];
    buf_init(b);
    enum err e = file_read(path, CONF_FILE_MAX_BYTES, b);
    if (e == ERR_NONE)
        *text = slice_of(buf_cstr(b), b->len);
    return e;
}

/* A directory that is not there has no files, which is no error; one that cannot be read may have some. */
static int directory_failed(const char *path, int error)
{
    (void)path;
    return error != ENOENT;
}

static enum err source_expand(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    struct files *f = ctx;
    *paths = NULL;
    *n = 0;
    if (f->has_found)
        globfree(&f->found);
    int r = glob(pattern, 0, directory_failed, &f->found);
    f->has_found = r == 0;
    if (r == GLOB_NOMATCH)
        return ERR_NONE;
    if (r != 0)
        return ERR_IO;
    *paths = (const char *const *)f->found.gl_pathv;
    *n = f->found.gl_pathc;
    return ERR_NONE;
}

struct conf_source files_source(struct files *f)
{
    return (struct conf_source){.ctx = f, .read = source_read, .expand = source_expand};
}

const char *files_default(void)
{
    static const char etc[] = "/etc/tarsier/tarsier.conf";
    static const char shipped[] = TARSIER_DATADIR "/tarsier.conf";
    return access(etc, F_OK) == 0 || access(shipped, F_OK) != 0 ? etc : shipped;
}

char *files_hostname(void)
{
    struct utsname u;
    return mem_strdup(uname(&u) == 0 && u.nodename[0] ? u.nodename : "localhost");
}
