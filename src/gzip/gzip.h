/* gzip.h - a file read from its beginning to its end, plain or compressed with gzip. zlib's only home. */
#ifndef TARSIER_GZIP_GZIP_H
#define TARSIER_GZIP_GZIP_H

#include "base/clock.h"
#include "base/slice.h"

struct gzip;

/* "-" is standard input. Errors: ERR_IO, with errno; *out is NULL then. Owner: gzip_close. */
MUST_CHECK enum err gzip_open(const char *path, struct gzip **out);
void gzip_close(struct gzip *g); /* NULL is harmless */

/*
 * The next line, without its newline; a longer one than max_bytes is given in its first part, the rest is passed over. False: the
 * end, or an error (gzip_error). Owner: the text is the file's until the next call.
 */
MUST_CHECK bool gzip_line(struct gzip *g, size_t max_bytes, struct slice *out);
/* What was wrong, in words that live until gzip_close; NULL: nothing. */
const char *gzip_error(const struct gzip *g);

/* Bytes of the file as it stands on the disk: all of it (0: not known), and read so far. */
uint64_t gzip_size_bytes(const struct gzip *g);
uint64_t gzip_read_bytes(const struct gzip *g);
/* When it was written last; 0: not known. */
struct wall gzip_written(const struct gzip *g);

#endif
