/*
 * system.h - whether this machine lets a configuration start: users, groups, directories, and who gets at a socket. Makes and
 * changes nothing. Blocks: before the loop runs. `tarsierd --check` and the start ask the same, so they say the same.
 */
#ifndef TARSIER_SETUP_SYSTEM_H
#define TARSIER_SETUP_SYSTEM_H

#include "conf/conf.h"

struct system_question {
    const char *mta_user; /* whom Postfix's smtpd runs as (mail_owner); he need not be on this machine */
    /*
     * This process is to become the daemon. Without root's rights it stays who it is, and `user` means nothing. Else it is only
     * asked, and whoever asks, a start by root is meant.
     */
    bool starting;
};

/*
 * An error is what the start fails of; a warning what goes wrong later, or cannot be told without root's rights. Of the
 * store its kind is looked at, but not its place, which stops no mail when it is bad, and whether somebody listens at a socket now: that may be the daemon itself.
 */
void system_check(const struct conf *c, const struct system_question *q, struct diags *diags);

#endif
