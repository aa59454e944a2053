/* domain.h - host and domain names: base domains (Public Suffix List). */
#ifndef TARSIER_MATCH_DOMAIN_H
#define TARSIER_MATCH_DOMAIN_H

#include "base/slice.h"

struct domain_list; /* the Public Suffix List with its private section */

/* The list built into libpsl or the system's; NULL when neither can be had. Owner: domain_list_free. */
struct domain_list *domain_list_open(void);
void domain_list_free(struct domain_list *list);

/*
 * The registrable domain of a host name ("mail.a.co.uk" gives "a.co.uk"), a slice of name. SLICE_NONE when name is itself a
 * suffix, has no known suffix, or is no host name.
 */
struct slice domain_base(const struct domain_list *list, struct slice name);

/*
 * The same by the list's ICANN section alone, where a hoster's own suffixes are no suffixes ("amazonaws.com" is a base domain),
 * for any bytes of any length. An unknown top level counts as a suffix. SLICE_NONE when name is itself a suffix.
 */
struct slice domain_base_icann(const struct domain_list *list, struct slice name);

#endif
