/*
 * macros.h - the macros that a child gets with a command: of those that the MTA has sent the ones that it would have been sent if
 * it spoke to the MTA alone, and those that its filter's `provide` adds.
 */
#ifndef TARSIER_FILTER_MACROS_H
#define TARSIER_FILTER_MACROS_H

#include "filter/filter.h"

/* Names that a child gets at a stage for which it has asked for none. */
const char *macros_default(const struct plan *plan, enum milter_stage stage);
/* names: what it has asked for at this stage; NONE: nothing. pairs: as the MTA has sent them. */
void macros_put(const struct filter *f, const struct filter_common *common, uint8_t cmd, struct slice names,
                struct slice pairs, struct buf *out);
/* What has to be looked up first is there, or asked for now. */
bool macros_ready(struct filter *f, struct filter_common *common);
/* False: the answer is not to a question of ours. */
bool macros_resolved(struct filter_common *common, const struct event *event);

#endif
