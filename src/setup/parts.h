/*
 * parts.h - what a backup has beside the records: files of the state directory, each line a line of kind PART. A new file of that kind is a
 * row of the table.
 */
#ifndef TARSIER_SETUP_PARTS_H
#define TARSIER_SETUP_PARTS_H

#include "base/buf.h"

#include <stddef.h>

struct part {
    const char *name; /* in the backup */
    const char *path; /* below the state directory */
};

extern const struct part parts[];
extern const size_t n_parts;

/* NULL: no such part. */
const struct part *part_find(struct slice name);

/*
 * Append a part's lines to out; a file that is not there has none. *lines: how many. Errors: ERR_IO (errno tells), ERR_LIMIT.
 */
MUST_CHECK enum err part_put(const struct part *part, const char *directory, struct buf *out, uint64_t *lines);

/* Bytes as a line of kind PART has them: its text is UTF-8, one character a byte. */
void part_text_to_bytes(struct slice text, struct buf *out);

/* Put a file in a part's place: mode 0600, synced, all or nothing. Errors: ERR_IO. */
MUST_CHECK enum err part_write(const struct part *part, const char *directory, struct slice content);

#endif
