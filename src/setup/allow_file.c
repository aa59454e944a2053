/* allow_file.c - DIRECTORY/allows: read, and changed. */
#include "setup/allow_file.h"
#include "file/replace.h"
#include "setup/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 256 * 1024 * 1024 };

static enum err failed(const char *what, const char *path, struct buf *why)
{
    buf_printf(why, "cannot %s %s: %s", what, path, strerror(errno));
    return ERR_IO;
}

static enum err read_list(const char *path, struct allows *list, struct buf *why)
{
    struct buf text = {0};
    size_t unknown = 0;
    enum err e = file_read(path, FILE_MAX_BYTES, &text);
    if (e == ERR_IO)
        e = failed("read", path, why);
    else if (e == ERR_NONE)
        e = allows_parse(list, buf_slice(&text), &unknown);
    else if (e == ERR_NOT_FOUND)
        e = ERR_NONE;
    if (e == ERR_LIMIT)
        buf_printf(why, "%s has more than %d entries", path, ALLOWS_MAX);
    else if (e == ERR_UNSUPPORTED)
        buf_printf(why, "%s is no regular file", path);
    else if (e == ERR_NONE && unknown)
        buf_printf(why, "%s: %zu line%s not understood, and kept", path, unknown, unknown == 1 ? " is" : "s are");
    buf_fini(&text);
    return e;
}

enum err allow_file_read(const char *directory, struct allows **out, struct buf *why)
{
    struct buf path = {0};
    struct allows *list = allows_new();
    buf_printf(&path, "%s/allows", directory);
    enum err e = read_list(buf_cstr(&path), list, why);
    buf_fini(&path);
    *out = NULL;
    if (e != ERR_NONE) {
        allows_unref(list);
        return e;
    }
    allows_index(list);
    *out = list;
    return ERR_NONE;
}

/* Root writes it for the daemon's user. */
static bool give_to_owner(int fd, const char *directory)
{
    struct stat st;
    if (stat(directory, &st) != 0)
        return false;
    return geteuid() != 0 || fchown(fd, st.st_uid, st.st_gid) == 0;
}

/* On disk when it returns: an allow that was acknowledged outlives a loss of power. */
static enum err write_list(const char *path, const struct allows *list, struct wall now, struct buf *why)
{
    struct buf text = {0};
    allows_put(list, now, &text);
    enum err e = file_replace(path, buf_slice(&text), 0600, FILE_OF_FOLDER);
    if (e != ERR_NONE)
        e = failed("write", path, why);
    buf_fini(&text);
    return e;
}

static enum err apply(struct allows *list, const struct allow_change *change, struct buf *why)
{
    enum err e = change->add ? allows_add(list, change->add) : allows_remove(list, change->remove);
    if (e == ERR_NOT_FOUND)
        buf_printf(why, "no entry has the id %s; `tarsier allow list` shows them", change->remove);
    else if (e == ERR_LIMIT)
        buf_printf(why, "there are %d entries, and no more are taken", ALLOWS_MAX);
    else if (e == ERR_SYNTAX)
        buf_put_cstr(why, "the entry says neither a client nor a sender nor a recipient");
    return e;
}

static int lock_of(const char *directory)
{
    struct buf path = {0};
    buf_printf(&path, "%s/allows.lock", directory);
    int fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && (!give_to_owner(fd, directory) || flock(fd, LOCK_EX) != 0)) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    buf_fini(&path);
    return fd;
}

enum err allow_file_change(const char *directory, const struct allow_change *change, struct wall now, struct allows **out,
                           struct buf *why)
{
    struct buf path = {0}, unread = {0};
    struct allows *list = allows_new();
    int lock = lock_of(directory);
    buf_printf(&path, "%s/allows", directory);
    enum err e = lock < 0 ? failed("lock", buf_cstr(&path), why) : read_list(buf_cstr(&path), list, &unread);
    if (e != ERR_NONE && unread.len)
        buf_put_slice(why, buf_slice(&unread));
    allows_drop_ended(list, now);
    if (e == ERR_NONE)
        e = apply(list, change, why);
    if (e == ERR_NONE)
        e = write_list(buf_cstr(&path), list, now, why);
    if (lock >= 0)
        close(lock);
    buf_fini(&path);
    buf_fini(&unread);
    *out = NULL;
    if (e != ERR_NONE) {
        allows_unref(list);
        return e;
    }
    allows_index(list);
    *out = list;
    return ERR_NONE;
}
