/* manager_put.h - what the two files that write tarsier.conf for milter-manager's settings share. */
#ifndef TARSIER_FORMATS_MANAGER_PUT_H
#define TARSIER_FORMATS_MANAGER_PUT_H

#include "base/buf.h"
#include "formats/manager.h"

/* The value of this key, where there is one of this kind. */
struct slice manager_text(const struct manager_item *items, const char *key);                 /* SLICE_NONE: none */
int64_t manager_number(const struct manager_item *items, const char *key, int64_t otherwise); /* whole part */
bool manager_flag(const struct manager_item *items, const char *key, bool otherwise);

/* accept, tempfail, reject, discard for milter-manager's word; NULL: no such word. */
const char *manager_fallback(struct slice status);

/* Each line of the text as a comment. */
void manager_put_comment(struct buf *out, const char *indent, struct slice text);
/* A setting that has no counterpart, as it stood, with the reason. */
void manager_put_left(struct buf *out, const char *indent, const char *prefix, const struct manager_item *item,
                      const char *why);

struct manager_used { /* what the filters need outside of their blocks */
    bool dnsbl, greylist;
};

/* All milters as filter blocks. */
void manager_put_filters(const struct manager_config *from, struct manager_used *used, struct buf *out);

/* Whether this condition of milter-manager's has a counterpart. */
bool manager_condition_is_known(struct slice name);

#endif
