/*
 * control_rights.h - which class of commands a user may use over the control socket: by the settings `control metrics`, `control
 * read` and `control change`, which name groups.
 */
#ifndef TARSIER_DAEMON_CONTROL_RIGHTS_H
#define TARSIER_DAEMON_CONTROL_RIGHTS_H

#include "conf/conf.h"
#include "ctl/commands.h"

#include <sys/types.h>

enum { CONTROL_GROUPS_MAX = 32 };

/* A zeroed one allows root and nobody else. */
struct control_rights {
    struct {
        gid_t gid;
        enum ctl_right right;
    } groups[CONTROL_GROUPS_MAX];
    size_t n_groups;
    uid_t owner;        /* the daemon's user, beside root */
    struct buf unknown; /* groups that are not there, with blanks between. Owner: control_rights_fini */
};

/* Looks groups up, which may block. More than CONTROL_GROUPS_MAX count as unknown. */
void control_rights_find(const struct conf_settings *set, uid_t owner, struct control_rights *out);
void control_rights_fini(struct control_rights *rights);

/* The highest class; CTL_LOCAL: none. */
enum ctl_right control_rights_of(const struct control_rights *rights, uid_t uid, gid_t gid, const gid_t *groups, size_t n);

#endif
