/*
 * manager_conf.h - the tarsier.conf that does what a milter-manager did: its settings and milters in our words, and as comments what
 * has none. Knows both languages as text; opens nothing.
 */
#ifndef TARSIER_FORMATS_MANAGER_CONF_H
#define TARSIER_FORMATS_MANAGER_CONF_H

#include "base/buf.h"
#include "formats/manager.h"

struct manager_conf_options {
    const char *greylist_conf; /* milter-greylist's configuration, to include; NULL: it was not found */
};

/* Append it. What it says loads without errors, as long as greylist_conf does. */
void manager_put_conf(const struct manager_config *from, const struct manager_conf_options *options, struct buf *out);

#endif
