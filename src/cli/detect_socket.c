/* detect_socket.c - may a user open a unix socket? By the modes of the path alone: nothing is connected. */
#include "cli/detect.h"

#include "base/buf.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ENTRIES_MAX = 100000 };

static FILE *open_below(struct arena *arena, const char *root, const char *path)
{
    return fopen(arena_printf(arena, "%s%s", root, path), "re");
}

static void add_group(struct detect_user *out, gid_t gid)
{
    if (out->n_groups < DETECT_GROUPS_MAX)
        out->groups[out->n_groups++] = gid;
}

void detect_user_find(const char *root, const char *name, struct detect_user *out)
{
    struct arena arena = {0};
    *out = (struct detect_user){.name = name};
    FILE *f = open_below(&arena, root, "/etc/passwd");
    struct passwd *pw;
    for (unsigned i = 0; f && i < ENTRIES_MAX && !out->exists && (pw = fgetpwent(f)) != NULL; i++) {
        if (strcmp(pw->pw_name, name) != 0)
            continue;
        out->exists = true;
        out->uid = pw->pw_uid;
        add_group(out, pw->pw_gid);
    }
    if (f)
        fclose(f);
    f = out->exists ? open_below(&arena, root, "/etc/group") : NULL;
    struct group *gr;
    for (unsigned i = 0; f && i < ENTRIES_MAX && (gr = fgetgrent(f)) != NULL; i++)
        for (char **member = gr->gr_mem; *member; member++)
            if (strcmp(*member, name) == 0)
                add_group(out, gr->gr_gid);
    if (f)
        fclose(f);
    arena_fini(&arena);
}

/* bit: S_IXOTH or S_IWOTH. */
static bool may(const struct detect_user *user, const struct stat *st, mode_t bit)
{
    if (user->uid == 0)
        return true;
    if (st->st_uid == user->uid)
        return st->st_mode & (bit << 6);
    for (size_t i = 0; i < user->n_groups; i++)
        if (user->groups[i] == st->st_gid)
            return st->st_mode & (bit << 3);
    return st->st_mode & bit;
}

static const char *group_name(struct arena *arena, const char *root, gid_t gid)
{
    FILE *f = open_below(arena, root, "/etc/group");
    const char *name = NULL;
    struct group *gr;
    for (unsigned i = 0; f && !name && i < ENTRIES_MAX && (gr = fgetgrent(f)) != NULL; i++)
        if (gr->gr_gid == gid)
            name = arena_cstr(arena, slice_cstr(gr->gr_name));
    if (f)
        fclose(f);
    return name;
}

/* Whether it would have the right as a member of what owns the path; never of root's group. */
static bool helps_to_join(const struct stat *st, mode_t bit)
{
    return st->st_gid != 0 && (st->st_mode & (bit << 3));
}

static const char *refused(struct arena *arena, const char *root, const struct detect_user *user, const char *path,
                           const struct stat *st, mode_t bit)
{
    const char *group = group_name(arena, root, st->st_gid), *what = S_ISDIR(st->st_mode) ? "enter" : "write to";
    const char *text =
        arena_printf(arena, "%s may not %s %s (mode %03o)", user->name, what, path, (unsigned)st->st_mode & 0777);
    if (group && helps_to_join(st, bit))
        return arena_printf(arena, "%s: usermod -aG %s %s, then restart tarsierd", text, group, user->name);
    return arena_printf(arena, "%s: its group%s%s needs the right", text, group ? " " : "", group ? group : "");
}

/* Debian's /var/run is a link to the absolute /run: below a root it would lead out of it. */
static const char *without_link(struct arena *arena, const char *root, const char *path)
{
    struct stat st;
    bool is_below = strncmp(path, "/var/run/", strlen("/var/run/")) == 0;
    if (is_below && *root && lstat(arena_printf(arena, "%s/var/run", root), &st) == 0 && S_ISLNK(st.st_mode))
        return path + strlen("/var");
    return path;
}

static const char *add_line(struct arena *arena, const char *said, const char *why)
{
    return said ? arena_printf(arena, "%s\nATTENTION: %s", said, why) : why;
}

const char *detect_socket(struct arena *arena, const char *root, const struct detect_user *user, const char *path)
{
    struct detect_user as = *user; /* what it is once it has done what was said */
    const char *said = NULL;
    path = without_link(arena, root, path);
    size_t length = strlen(path);
    for (size_t end = 1; end <= length; end++) {
        struct stat st;
        if (end < length && path[end] != '/')
            continue;
        const char *part = arena_cstr(arena, slice_of(path, end));
        if (stat(arena_printf(arena, "%s%s", root, part), &st) != 0) {
            if (errno == EACCES)
                return add_line(arena, said, "whether it is there cannot be seen: run this as root");
            return add_line(arena, said, arena_printf(arena, "%s does not exist: is the milter running?", path));
        }
        if (end == length && !S_ISSOCK(st.st_mode))
            return add_line(arena, said, arena_printf(arena, "%s is no socket", part));
        mode_t bit = end == length ? S_IWOTH : S_IXOTH;
        if (!user->exists || may(&as, &st, bit))
            continue;
        said = add_line(arena, said, refused(arena, root, user, part, &st, bit));
        if (!helps_to_join(&st, bit))
            return said;
        add_group(&as, st.st_gid);
    }
    return said;
}
