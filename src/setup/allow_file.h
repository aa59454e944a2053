/*
 * allow_file.h - the list of those who are let in by hand, as a file of its own beside the store: 0600, changed under a lock, replaced
 * as a whole and synced. Blocks: at the start, on a worker thread, in the command.
 */
#ifndef TARSIER_SETUP_ALLOW_FILE_H
#define TARSIER_SETUP_ALLOW_FILE_H

#include "base/buf.h"
#include "policy/allow.h"

/*
 * The list of DIRECTORY/allows, indexed; where there is no file it is empty. *why gets a sentence where lines were not understood (they
 * are kept), else nothing. Errors: ERR_IO, ERR_LIMIT (too many, or too large), with the reason in *why. Owner: allows_unref.
 */
MUST_CHECK enum err allow_file_read(const char *directory, struct allows **out, struct buf *why);

/* One change: an entry to add, or the id of one to remove. */
struct allow_change {
    const struct allow_entry *add; /* NULL: remove */
    const char *remove;
};

/*
 * Change the file and give the list as it is then, indexed. What has ended is left out of the file. The file belongs to whom the
 * directory belongs. Errors: ERR_NOT_FOUND (no such id), ERR_LIMIT, ERR_SYNTAX (an entry that says nothing), ERR_IO; *why has the
 * reason in words, and nothing is changed.
 */
MUST_CHECK enum err allow_file_change(const char *directory, const struct allow_change *change, struct wall now,
                                      struct allows **out, struct buf *why);

#endif
