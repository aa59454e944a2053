/*
 * files.h - the configuration's files for conf_load, and other texts that one wants whole. Blocks: at start, on a worker thread,
 * never on the loop's. Knows no language.
 */
#ifndef TARSIER_SETUP_FILES_H
#define TARSIER_SETUP_FILES_H

#include "base/buf.h"
#include "conf/conf.h"

/*
 * Append a regular file's whole content to out. Errors: ERR_NOT_FOUND, ERR_LIMIT (above max_bytes), ERR_UNSUPPORTED (a
 * directory, a device), ERR_IO; errno tells more for the first and the last.
 */
MUST_CHECK enum err file_read(const char *path, size_t max_bytes, struct buf *out);

/*
 * file_read in two steps, for what is opened with more rights than it is read with. *fd is -1 after an error; file_finish
 * closes it, errors or not.
 */
MUST_CHECK enum err file_open(const char *path, int *fd);
MUST_CHECK enum err file_finish(int fd, size_t max_bytes, struct buf *out);

struct files; /* what a conf_source has lent out */

/* Owner: files_close, after conf_load has returned; NULL is harmless. */
struct files *files_open(void);
void files_close(struct files *f);
struct conf_source files_source(struct files *f);

/* The file to read when none is named: /etc/tarsier/tarsier.conf, else the one that came with the installation.
 * Where there is neither it is the first one, for that is the file to make. */
const char *files_default(void);

/* This machine's name for %V, from uname; never empty. Owner: the caller frees. */
char *files_hostname(void);

#endif
