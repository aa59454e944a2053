/*
 * spool_file.h - a file without a name: made, written, read. Blocks: for worker threads. Everything returns 0 or errno's value.
 */
#ifndef TARSIER_IO_SPOOL_FILE_H
#define TARSIER_IO_SPOOL_FILE_H

#include "base/slice.h"

/* Mode 0600, gone when *fd is closed. Owner: the caller closes *fd. */
MUST_CHECK int spool_file_make(const char *directory, int *fd);
/* The same on a file system without O_TMPFILE: the file has a name for a moment. Called by spool_file_make. */
MUST_CHECK int spool_file_make_named(const char *directory, int *fd);

/* All of bytes, or an error; then some of them may have been written. */
MUST_CHECK int spool_file_write(int fd, uint64_t offset, struct slice bytes);
/* All of length, or an error: EIO when the file ends before. */
MUST_CHECK int spool_file_read(int fd, uint64_t offset, char *out, size_t length);

#endif
