/*
 * mta.h - how many SMTP sessions Postfix allows itself and which macros it sends, read from the text of its main.cf and
 * master.cf. Pure: opens nothing, and follows no $name (who computes this limit sets `holds max` himself).
 */
#ifndef TARSIER_POSTFIX_MTA_H
#define TARSIER_POSTFIX_MTA_H

#include "base/buf.h"

/*
 * The sum of the process limits (master.cf's maxproc column, `-` is main.cf's default_process_limit, 100 when it says
 * nothing) of what listens at port smtp; where that is postscreen, of the `pass` service behind it. 0: cannot be told, or
 * no limit. The daemon and `tarsier setup postfix` both count by this. The daemon asks no postconf(1): it starts no program of others,
 * which may hang at the start or at a reload, and its files may be there where Postfix's programs are not (a container of its own).
 */
uint32_t mta_sessions(struct slice main_cf, struct slice master_cf);

/* "smtp", "25", "192.0.2.1:smtp", "[::1]:25": a service where mail comes from outside. */
bool mta_is_smtp_port(struct slice name);

/*
 * The value of a parameter of main.cf, with its continuation lines, blanks made one, appended to out. False: it is not set
 * there, or it names other parameters ($name).
 */
bool mta_parameter(struct slice main_cf, const char *name, struct buf *out);

#endif
