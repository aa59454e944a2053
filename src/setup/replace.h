/*
 * replace.h - a file's content exchanged at once: whoever reads it sees the old one or the new one, also after a power
 * loss.
 */
#ifndef TARSIER_SETUP_REPLACE_H
#define TARSIER_SETUP_REPLACE_H

#include "base/buf.h"

/*
 * The file must be there; it keeps owner and mode. A symbolic link stays one. Errors: ERR_IO with words in why; the file is
 * as it was.
 */
MUST_CHECK enum err file_exchange(const char *path, struct slice content, struct buf *why);

#endif
