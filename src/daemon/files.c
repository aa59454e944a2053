/* files.c - the configuration's files. */
#include "daemon/files.h"
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 16 * 1024 * 1024 + 1 }; /* one more than the language allows, so that it can say so */

struct files {
    struct buf text;
    glob_t found;
    bool has_found;
};

struct files *files_open(void)
{
    return mem_zalloc(sizeof(struct files));
}

void files_close(struct files *f)
{
    if (!f)
        return;
    if (f->has_found)
        globfree(&f->found);
    buf_fini(&f->text);
    free(f);
}

static enum err read_all(int fd, struct buf *out)
{
    buf_clear(out);
    while (out->len < FILE_MAX_BYTES) {
        ssize_t n = read(fd, buf_reserve(out, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            return ERR_NONE;
        out->len += (size_t)n;
    }
    return ERR_LIMIT;
}

static enum err read_file(void *ctx, const char *path, struct slice *text)
{
    struct files *f = ctx;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    enum err e = read_all(fd, &f->text);
    int saved = errno;
    close(fd);
    errno = saved;
    *text = buf_slice(&f->text);
    return e;
}

static enum err expand(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    struct files *f = ctx;
    if (f->has_found)
        globfree(&f->found);
    int r = glob(pattern, 0, NULL, &f->found);
    f->has_found = r == 0;
    *n = r == 0 ? f->found.gl_pathc : 0;
    *paths = r == 0 ? (const char *const *)f->found.gl_pathv : NULL;
    return r == 0 || r == GLOB_NOMATCH ? ERR_NONE : ERR_IO;
}

struct conf_source files_source(struct files *f)
{
    return (struct conf_source){.ctx = f, .read = read_file, .expand = expand};
}

const char *files_default(void)
{
    static const char etc[] = "/etc/tarsier/tarsier.conf";
    return access(etc, F_OK) == 0 ? etc : TARSIER_DATADIR "/tarsier.conf";
}

char *files_hostname(void)
{
    struct utsname u;
    return mem_strdup(uname(&u) == 0 && u.nodename[0] ? u.nodename : "localhost");
}
