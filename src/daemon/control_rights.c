/* control_rights.c - names of groups, and the comparison. */
#include "daemon/control_rights.h"

#include <grp.h>

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

static void add(struct control_rights *out, struct slice word, enum ctl_right right)
{
    struct buf name = {0};
    gid_t gid;
    buf_put_slice(&name, word);
    if (out->n_groups < CONTROL_GROUPS_MAX && group_find(buf_cstr(&name), &gid)) {
        out->groups[out->n_groups].gid = gid;
        out->groups[out->n_groups++].right = right;
    } else {
        buf_printf(&out->unknown, "%s%s", out->unknown.len ? " " : "", buf_cstr(&name));
    }
    buf_fini(&name);
}

static void add_all(struct control_rights *out, const char *names, enum ctl_right right)
{
    struct slice rest = slice_cstr(names ? names : "");
    while (rest.len > 0) {
        size_t n = 0;
        while (n < rest.len && rest.ptr[n] != ' ' && rest.ptr[n] != ',')
            n++;
        if (n > 0)
            add(out, slice_upto(rest, n), right);
        rest = slice_from(rest, n + 1);
    }
}

void control_rights_find(const struct conf_settings *set, uid_t owner, struct control_rights *out)
{
    *out = (struct control_rights){.owner = owner};
    add_all(out, set->control_metrics, CTL_METRICS);
    add_all(out, set->control_read, CTL_READ);
    add_all(out, set->control_change, CTL_CHANGE);
}

void control_rights_fini(struct control_rights *rights)
{
    buf_fini(&rights->unknown);
}

static bool is_member(gid_t wanted, gid_t gid, const gid_t *groups, size_t n)
{
    bool found = wanted == gid;
    for (size_t i = 0; i < n && !found; i++)
        found = groups[i] == wanted;
    return found;
}

enum ctl_right control_rights_of(const struct control_rights *rights, uid_t uid, gid_t gid, const gid_t *groups, size_t n)
{
    if (uid == 0 || uid == rights->owner)
        return CTL_CHANGE;
    enum ctl_right most = CTL_LOCAL;
    for (size_t i = 0; i < rights->n_groups; i++)
        if (rights->groups[i].right > most && is_member(rights->groups[i].gid, gid, groups, n))
            most = rights->groups[i].right;
    return most;
}
