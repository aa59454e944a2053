/* stores.h - which kind of store the `store` statement means. The one place that knows all kinds: a new one is a row of the table. */
#ifndef TARSIER_SETUP_STORES_H
#define TARSIER_SETUP_STORES_H

#include "base/buf.h"
#include "conf/conf.h"
#include "port/store.h"

/* NULL: there is no such kind. system_check has said so before anybody starts. */
const struct store_kind *stores_find(const char *place);

/* Where the daemon keeps what is no record: the store's directory; where it has none, what `store` says by default. */
const char *stores_state_directory(const struct conf_settings *set);

/* "a directory beginning with \"/\", or \"memory:\"", for error texts. */
void stores_put_kinds(struct buf *out);

#endif
