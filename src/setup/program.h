/*
 * program.h - run a program of the system to its end and take what it prints. Blocks; for the command line, never in the
 * daemon's loop.
 */
#ifndef TARSIER_SETUP_PROGRAM_H
#define TARSIER_SETUP_PROGRAM_H

#include "base/buf.h"

enum { PROGRAM_OUTPUT_MAX_BYTES = 8 << 20 };

/*
 * argv[0] is looked for in PATH, then in the directories of administrators' programs. NULL-terminated. Standard output is
 * appended to out; standard input is empty. Errors, with words in why: ERR_NOT_FOUND no such program; ERR_IO it failed (why
 * has the last of what it said); ERR_LIMIT it said too much, or took longer than a minute: it was killed.
 */
MUST_CHECK enum err program_run(const char *const *argv, struct buf *out, struct buf *why);

/* `postconf -c config_dir` with these arguments. NULL-terminated. */
MUST_CHECK enum err program_postconf(const char *config_dir, const char *const *arguments, struct buf *out, struct buf *why);

#endif
