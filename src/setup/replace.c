/* replace.c - write beside, fsync, rename. */
#include "setup/replace.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, struct slice content)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            content = slice_from(content, (size_t)n);
    }
    return true;
}

/* So that the new name is on disk as well. */
static void sync_directory(const char *path)
{
    char *dir = mem_strdup(path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

static bool make(const char *path, const struct stat *like, struct slice content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool same_owner = like->st_uid == geteuid() && like->st_gid == getegid();
    bool done = write_all(fd, content) && (same_owner || fchown(fd, like->st_uid, like->st_gid) == 0) &&
                fchmod(fd, like->st_mode & 07777) == 0 && fsync(fd) == 0;
    int error = errno;
    done = close(fd) == 0 && done;
    if (!done) {
        (void)unlink(path);
        errno = error;
    }
    return done;
}

enum err file_exchange(const char *path, struct slice content, struct buf *why)
{
    struct stat st;
    struct buf beside = {0};
    char *real = realpath(path, NULL);
    bool done = real && stat(real, &st) == 0;
    if (done) {
        buf_printf(&beside, "%s.%ld.new", real, (long)getpid());
        done = make(buf_cstr(&beside), &st, content);
    }
    if (done && rename(buf_cstr(&beside), real) != 0) {
        int error = errno;
        (void)unlink(buf_cstr(&beside));
        errno = error;
        done = false;
    }
    if (done)
        sync_directory(real);
    else
        buf_printf(why, "%s cannot be written: %s", path, strerror(errno));
    buf_fini(&beside);
    free(real);
    return done ? ERR_NONE : ERR_IO;
}
