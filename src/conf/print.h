/* print.h - the whole effective configuration in canonical form, each part under a comment that says where it came from. */
#ifndef TARSIER_CONF_PRINT_H
#define TARSIER_CONF_PRINT_H

#include "conf/conf.h"

/* Parses back (conf_load) to the same configuration. */
void conf_print(const struct conf *c, struct buf *out);

/* One ACL line, one expression in canonical form, for logs and explain. */
void conf_print_acl(const struct conf_acl *acl, struct buf *out);
void conf_print_expr(const struct conf_expr *expr, struct buf *out);

/* The settings as mdoc list items for the manual page: name, argument, default, bounds, text. Global ones, a filter's. */
void conf_print_manual(struct buf *out);
void conf_print_filter_manual(struct buf *out);

#endif
