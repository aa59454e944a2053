/* replace.c - write beside, sync, rename, sync the folder. */
#include "file/replace.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the new file is to be. */
struct form {
    mode_t mode;
    bool has_owner;
    uid_t uid;
    gid_t gid;
};

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

static void folder_of(const char *path, struct buf *out)
{
    const char *slash = strrchr(path, '/');
    if (slash)
        buf_put_slice(out, slice_of(path, slash == path ? 1 : (size_t)(slash - path)));
    else
        buf_put_cstr(out, ".");
    (void)buf_cstr(out);
}

/* So that the new name is on disk as well. */
static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES;
    bool done = fsync(fd) == 0 || errno == EINVAL;
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

/* The owner before the mode: chown(2) takes setuid and setgid bits away. */
static bool fill(int fd, struct slice content, const struct form *form)
{
    bool same_owner = !form->has_owner || (form->uid == geteuid() && form->gid == getegid());
    bool done = write_all(fd, content) && (same_owner || fchown(fd, form->uid, form->gid) == 0) &&
                fchmod(fd, form->mode) == 0 && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && done) {
        done = false;
        error = errno;
    }
    errno = error;
    return done;
}

static enum err put(const char *path, const char *folder, struct slice content, const struct form *form)
{
    struct buf beside = {0};
    buf_printf(&beside, "%s.XXXXXX", path);
    (void)buf_cstr(&beside);
    int fd = mkostemp(beside.ptr, O_CLOEXEC); /* 0600, and a name that nobody else has */
    bool is_made = fd >= 0, done = is_made && fill(fd, content, form) && rename(beside.ptr, path) == 0;
    int error = errno;
    if (is_made && !done)
        (void)unlink(beside.ptr);
    buf_fini(&beside);
    errno = error;
    return done && sync_folder(folder) ? ERR_NONE : ERR_IO;
}

enum err file_replace(const char *path, struct slice content, unsigned mode, enum file_owner owner)
{
    struct form form = {.mode = (mode_t)mode};
    struct buf folder = {0};
    struct stat st;
    folder_of(path, &folder);
    enum err e = ERR_NONE;
    if (owner == FILE_OF_FOLDER && geteuid() == 0) {
        e = stat(folder.ptr, &st) == 0 ? ERR_NONE : ERR_IO;
        form.has_owner = true;
        form.uid = st.st_uid;
        form.gid = st.st_gid;
    }
    if (e == ERR_NONE)
        e = put(path, folder.ptr, content, &form);
    int error = errno;
    buf_fini(&folder);
    errno = error;
    return e;
}

enum err file_exchange(const char *path, struct slice content)
{
    struct buf folder = {0};
    struct stat st;
    enum err e = ERR_IO;
    char *real = realpath(path, NULL);
    if (real && stat(real, &st) == 0) {
        const struct form form = {.mode = st.st_mode & 07777, .has_owner = true, .uid = st.st_uid, .gid = st.st_gid};
        folder_of(real, &folder);
        e = put(real, folder.ptr, content, &form);
    }
    int error = errno;
    buf_fini(&folder);
    free(real);
    errno = error;
    return e;
}
