/* system.c - users, groups and directories that a configuration names, looked at with stat and the system's own tables. */
#include "setup/system.h"
#include "base/buf.h"
#include "base/mem.h"
#include "conf/settings.h"
#include "setup/rights.h"
#include "setup/stores.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GROUPS_MAX = 256,      /* of one user; those beyond do not count */
    MAY_WRITE = 2,         /* bits of one class of a mode */
    MAY_SEARCH = 1,        /* of a directory */
    MODE_DEFAULT = 0660,   /* of a socket */
    DIRECTORY_MODE = 0750, /* of a socket's directory that the start makes */
};

struct who {
    char *name;
    uid_t uid;
    gid_t groups[GROUPS_MAX];
    int n_groups;
    bool known; /* on this machine */
};

struct looking {
    const struct conf *conf;
    struct diags *diags;
    bool is_root;
    bool is_maker; /* our rights are those that the start has */
    uid_t owner;   /* of what the start makes; (uid_t)-1: the user is missing */
    gid_t group;   /* of what the start makes and gives to no group: the user's is not it, for that is taken later */
    struct who user, mta;
};

static struct conf_where origin(const struct conf *c, const char *setting)
{
    return c->origin[settings_find(settings_global(), slice_cstr(setting), SLICE_NONE)];
}

/* ---- who ---- */

/* Owner: free the name. */
static void who_find(const char *name, struct who *out)
{
    *out = (struct who){.name = mem_strdup(name), .uid = (uid_t)-1};
    const struct passwd *pw = getpwnam(out->name);
    if (!pw)
        return;
    out->uid = pw->pw_uid;
    out->n_groups = GROUPS_MAX;
    if (getgrouplist(out->name, pw->pw_gid, out->groups, &out->n_groups) < 0)
        out->n_groups = GROUPS_MAX;
    out->known = true;
}

/* May he do this (MAY_…) with a file of that owner, group and mode? As the kernel reckons: the first class that fits decides. */
static bool who_may(const struct who *w, unsigned what, uid_t owner, gid_t group, mode_t mode)
{
    if (w->uid == 0)
        return true;
    if (w->uid == owner)
        return (mode >> 6 & what) == what;
    for (int i = 0; i < w->n_groups; i++)
        if (w->groups[i] == group)
            return (mode >> 3 & what) == what;
    return (mode & what) == what;
}

static bool group_find(const char *name, gid_t *gid)
{
    uint64_t number;
    if (slice_to_u64(slice_cstr(name), &number) == ERR_NONE && number < (gid_t)-1) {
        *gid = (gid_t)number;
        return true;
    }
    const struct group *g = getgrnam(name);
    if (g)
        *gid = g->gr_gid;
    return g != NULL;
}

/* The user that the start becomes, and whom a new socket belongs to. */
static void check_user(struct looking *l, bool starting)
{
    l->owner = geteuid();
    if (starting && !l->is_root) {
        const struct passwd *pw = getpwuid(l->owner);
        who_find(pw ? pw->pw_name : "", &l->user);
        return;
    }
    struct buf why = {0};
    struct identity id;
    if (identity_look_up(l->conf->set.user, &id, &why) != ERR_NONE) {
        diags_add(l->diags, l->is_root ? DIAG_ERROR : DIAG_WARNING, origin(l->conf, "user"), NULL, "%s%s", buf_cstr(&why),
                  l->is_root ? "" : "; started by root it would end here");
        l->owner = (uid_t)-1;
    } else {
        l->owner = id.uid;
        who_find(id.login, &l->user);
    }
    identity_fini(&id);
    buf_fini(&why);
}

/* ---- directories ---- */

static void directory_of(const char *path, struct buf *out)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        buf_put_cstr(out, ".");
    else if (slash == path)
        buf_put_cstr(out, "/");
    else
        buf_put(out, path, (size_t)(slash - path));
}

enum directory { DIRECTORY_THERE, DIRECTORY_MISSING, DIRECTORY_BAD, DIRECTORY_UNSEEN };

/* There is a directory, and one in which the start can make something. BAD: *why says what it is instead. */
static enum directory directory_look(const struct looking *l, const char *path, struct stat *st, struct buf *why)
{
    if (stat(path, st) < 0) {
        if (errno == ENOENT)
            return DIRECTORY_MISSING;
        if (errno == EACCES && !l->is_maker)
            return DIRECTORY_UNSEEN;
        buf_printf(why, "the directory %s cannot be used: %s", path, strerror(errno));
        return DIRECTORY_BAD;
    }
    if (!S_ISDIR(st->st_mode)) {
        buf_printf(why, "%s is no directory", path);
        return DIRECTORY_BAD;
    }
    if (l->is_maker && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0) {
        buf_printf(why, "nothing can be made in the directory %s: %s", path, strerror(errno));
        return DIRECTORY_BAD;
    }
    return DIRECTORY_THERE;
}

/*
 * The directory of a thing that the start makes. makes_last: it makes that directory too, but none above it. MISSING only where
 * it can be made; everything else that is wrong is told here.
 */
static enum directory check_directory(struct looking *l, enum diag_level level, struct conf_where where, const char *path,
                                      bool makes_last, struct stat *st)
{
    struct buf dir = {0}, above = {0}, why = {0};
    struct stat st_above;
    directory_of(path, &dir);
    enum directory found = directory_look(l, buf_cstr(&dir), st, &why);
    if (found == DIRECTORY_MISSING) {
        directory_of(buf_cstr(&dir), &above);
        enum directory base = makes_last ? directory_look(l, buf_cstr(&above), &st_above, &why) : DIRECTORY_MISSING;
        if (base == DIRECTORY_MISSING)
            buf_printf(&why,
                       makes_last ? "there is no directory %s, and none above it to make it in" : "there is no directory %s",
                       buf_cstr(&dir));
        if (base != DIRECTORY_THERE && base != DIRECTORY_UNSEEN)
            found = DIRECTORY_BAD;
    }
    if (found == DIRECTORY_BAD)
        diags_add(l->diags, level, where, NULL, "%s", buf_cstr(&why));
    buf_fini(&dir);
    buf_fini(&above);
    buf_fini(&why);
    return found;
}

/* What stands at the path already must be of that type (S_IF…). No link is followed, as none is at the start. */
static void check_type(struct looking *l, struct conf_where where, const char *path, mode_t type, const char *name)
{
    struct stat st;
    if (lstat(path, &st) == 0 && (st.st_mode & S_IFMT) != type)
        diags_add(l->diags, DIAG_ERROR, where, NULL, "%s is there and is no %s", path, name);
}

/* ---- sockets ---- */

/* Whether the MTA gets at a socket: it must search the directory and write to the socket. Where it is unknown: anybody. */
static bool mta_reaches(const struct looking *l, mode_t mode, gid_t group, const struct stat *dir)
{
    if (!l->mta.known)
        return (mode & (MAY_WRITE << 3 | MAY_WRITE)) != 0;
    return who_may(&l->mta, MAY_WRITE, l->owner, group, mode) &&
           who_may(&l->mta, MAY_SEARCH, dir->st_uid, dir->st_gid, dir->st_mode);
}

static void check_reach(struct looking *l, const struct conf_listen *at, gid_t group, const struct stat *dir)
{
    mode_t mode = at->mode >= 0 ? (mode_t)at->mode : MODE_DEFAULT;
    if (mta_reaches(l, mode, group, dir))
        return;
    struct buf hint = {0};
    buf_printf(&hint, "write: listen \"%s\" mode 660 group %s", at->address, l->mta.name);
    diags_add(l->diags, DIAG_WARNING, at->where, buf_cstr(&hint),
              "Postfix's smtpd runs as %s, which gets no connection to this socket (mode %o, directory's mode %o)",
              l->mta.name, (unsigned)mode, (unsigned)dir->st_mode & 0777);
    buf_fini(&hint);
}

static void check_unix(struct looking *l, const struct conf_listen *at, const char *path)
{
    gid_t group = l->group;
    struct stat dir;
    if (at->group && !group_find(at->group, &group)) {
        diags_add(l->diags, DIAG_ERROR, at->where,
                  at->where.file ? NULL : "it is the default of `listen` that names it; a `listen` line names another",
                  "no such group: %s", at->group);
        return;
    }
    enum directory found = check_directory(l, DIAG_ERROR, at->where, path, true, &dir);
    if (found == DIRECTORY_BAD || found == DIRECTORY_UNSEEN)
        return;
    check_type(l, at->where, path, S_IFSOCK, "socket");
    if (l->owner == (uid_t)-1)
        return;
    if (found == DIRECTORY_MISSING)
        dir = (struct stat){.st_uid = l->owner, .st_gid = group, .st_mode = DIRECTORY_MODE};
    else if (!at->group && (dir.st_mode & S_ISGID))
        group = dir.st_gid;
    if (l->user.known && !who_may(&l->user, MAY_WRITE | MAY_SEARCH, dir.st_uid, dir.st_gid, dir.st_mode))
        diags_add(l->diags, DIAG_WARNING, at->where, NULL,
                  "the directory of this socket is not writable for %s: a socket that somebody removes stays away until a "
                  "restart",
                  l->user.name);
    check_reach(l, at, group, &dir);
}

/* ---- all ---- */

static void check_pidfile(struct looking *l)
{
    const char *path = l->conf->set.pidfile;
    struct stat st;
    if (!path)
        return;
    struct conf_where where = origin(l->conf, "pidfile");
    if (check_directory(l, DIAG_ERROR, where, path, false, &st) == DIRECTORY_THERE)
        check_type(l, where, path, S_IFREG, "regular file");
}

static void check_store(struct looking *l)
{
    struct buf kinds = {0};
    if (stores_find(l->conf->set.store))
        return;
    stores_put_kinds(&kinds);
    diags_add(l->diags, DIAG_ERROR, origin(l->conf, "store"), NULL, "there is no such kind of store; there are %s",
              buf_cstr(&kinds));
    buf_fini(&kinds);
}

/* Mail flows without it, but for large messages that filters wait for: they are put off with 451. */
static void check_spool(struct looking *l)
{
    if (!l->conf->set.spool)
        return;
    struct conf_where where = origin(l->conf, "spool");
    struct buf inside = {0};
    struct stat dir;
    buf_printf(&inside, "%s/", l->conf->set.spool);
    enum directory found = check_directory(l, DIAG_WARNING, where, buf_cstr(&inside), true, &dir);
    if (found == DIRECTORY_THERE && l->user.known &&
        !who_may(&l->user, MAY_WRITE | MAY_SEARCH, dir.st_uid, dir.st_gid, dir.st_mode))
        diags_add(l->diags, DIAG_WARNING, where, NULL,
                  "%s is not writable for %s: large messages that filters wait for are put off", l->conf->set.spool,
                  l->user.name);
    buf_fini(&inside);
}

void system_check(const struct conf *c, const struct system_question *q, struct diags *diags)
{
    struct looking l = {.conf = c, .diags = diags, .is_root = geteuid() == 0, .group = getegid()};
    l.is_maker = l.is_root || q->starting;
    who_find(q->mta_user, &l.mta);
    check_user(&l, q->starting);
    for (size_t i = 0; i < c->n_listens; i++)
        if (slice_has_prefix(slice_cstr(c->listens[i].address), "unix:"))
            check_unix(&l, &c->listens[i], c->listens[i].address + strlen("unix:"));
    check_pidfile(&l);
    check_store(&l);
    check_spool(&l);
    free(l.user.name);
    free(l.mta.name);
}
