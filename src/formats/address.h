/*
 * address.h - where a milter listens, as libmilter, milter-manager and the milters' own files write it, in tarsier.conf's form.
 * Knows text; looks nothing up.
 *
 *     unix:/run/a.sock  local:/run/a.sock  /run/a.sock        "unix:/run/a.sock"
 *     inet:8891@localhost  inet:8891@[127.0.0.1]  inet:8891   "inet:8891@localhost", "inet:8891@127.0.0.1"
 *     inet6:8891@[::1]                                        "inet6:8891@::1"
 */
#ifndef TARSIER_FORMATS_ADDRESS_H
#define TARSIER_FORMATS_ADDRESS_H

#include "base/buf.h"

enum { ADDRESS_UNIX_MAX_BYTES = 107 }; /* sun_path less its NUL */

/*
 * Append the address to out. Where none is named, or all of them are (0.0.0.0, ::, *), who connects wants this host, who listens
 * all of them. Errors: ERR_SYNTAX, ERR_LIMIT (the path is too long); out is untouched then.
 */
MUST_CHECK enum err address_put(struct slice text, bool to_connect, struct buf *out);

/* rspamd's form: "localhost:11332", "*:11332", "[::1]:11332", "/run/a.sock mode=0660 owner=x". */
MUST_CHECK enum err address_put_host_port(struct slice text, struct buf *out);

/* Whether a string of tarsier.conf can hold it as it stands: no quote, no control character, no backslash at its end, not empty. */
bool address_is_quotable(struct slice text);

#endif
