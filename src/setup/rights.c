/* rights.c - users, groups, and giving root's rights up. */
#include "setup/rights.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum err fail(struct buf *why, const char *what, const char *name)
{
    buf_printf(why, "%s %s: %s", what, name, strerror(errno));
    return ERR_IO;
}

enum err identity_find(const char *user, struct identity *out, struct buf *why)
{
    *out = (struct identity){.uid = (uid_t)-1, .gid = (gid_t)-1};
    return geteuid() == 0 ? identity_look_up(user, out, why) : ERR_NONE;
}

enum err identity_look_up(const char *user, struct identity *out, struct buf *why)
{
    *out = (struct identity){.uid = (uid_t)-1, .gid = (gid_t)-1};
    struct slice group = slice_cstr(user), login = slice_cut(&group, ':');
    struct buf name = {0};
    buf_put_slice(&name, login);
    const struct passwd *pw = getpwnam(buf_cstr(&name));
    if (!pw) {
        buf_printf(why, "no such user: %s (make it: useradd --system --user-group --no-create-home %s)", buf_cstr(&name),
                   buf_cstr(&name));
        buf_fini(&name);
        return ERR_NOT_FOUND;
    }
    out->change = true;
    out->uid = pw->pw_uid;
    out->gid = pw->pw_gid;
    out->login = mem_strdup(pw->pw_name);
    buf_fini(&name);
    if (group.ptr) {
        const struct group *gr = getgrnam(group.ptr); /* the end of a C string */
        if (!gr) {
            buf_printf(why, "no such group: %s", group.ptr);
            return ERR_NOT_FOUND;
        }
        out->gid = gr->gr_gid;
    }
    if (out->uid == 0) {
        buf_put_cstr(why, "user: tarsierd does not run as root; name a user of its own");
        return ERR_RANGE;
    }
    return ERR_NONE;
}

void identity_fini(struct identity *id)
{
    free(id->login);
    id->login = NULL;
}

enum err rights_make_directory(const char *path, const struct identity *id, struct buf *why)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) /* a disk that takes no change at present is not asked for one */
        return ERR_NONE;
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? ERR_NONE : fail(why, "cannot make the directory", path);
    if (!id->change)
        return ERR_NONE;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum err e = ERR_NONE;
    if (fd < 0 || fchown(fd, id->uid, id->gid) < 0)
        e = fail(why, "cannot give away the directory", path);
    if (fd >= 0)
        close(fd);
    return e;
}

/* Capabilities that a service manager gave to a user who is not root (AmbientCapabilities=): gone for good. */
static bool capabilities_drop(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, none) == 0;
}

enum err rights_drop(const struct identity *id, struct buf *why)
{
    if (id->change) {
        if (initgroups(id->login, id->gid) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
            setresuid(id->uid, id->uid, id->uid) < 0)
            return fail(why, "cannot become", id->login);
        if (setuid(0) == 0 || geteuid() == 0)
            PANIC("root's rights came back");
    }
    if (geteuid() != 0 && !capabilities_drop())
        return fail(why, "cannot give up", "capabilities");
    /* Nothing is ever executed; and if it were, no set-uid bit shall count. */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return ERR_NONE;
}

enum err pidfile_open(const char *path, struct pidfile *out, struct buf *why)
{
    *out = (struct pidfile){.fd = -1, .path = path};
    if (!path)
        return ERR_NONE;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return fail(why, "cannot write the pid file", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        buf_printf(why, "another process holds the pid file %s", path);
        close(fd);
        return ERR_BUSY;
    }
    /* 0644 whatever the umask: others read it, and what we can no longer remove is emptied. */
    if (fchmod(fd, 0644) < 0 || ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0) {
        enum err e = fail(why, "cannot write the pid file", path);
        close(fd);
        return e;
    }
    out->fd = fd;
    return ERR_NONE;
}

void pidfile_close(struct pidfile *p)
{
    if (p->fd < 0)
        return;
    if (unlink(p->path) < 0 && ftruncate(p->fd, 0) < 0)
        p->path = NULL; /* nothing more to be done about it */
    close(p->fd);
    p->fd = -1;
}
