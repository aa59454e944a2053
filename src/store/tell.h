/* tell.h - a line for whoever listens to the store. */
#ifndef TARSIER_STORE_TELL_H
#define TARSIER_STORE_TELL_H

#include "store/store.h"

void store_tell(const struct store_config *config, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
