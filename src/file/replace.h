/*
 * replace.h - a file written anew at once: whoever reads it sees the old content or the new one, also after a loss of power. The new
 * content is written into a file beside it, PATH.XXXXXX, synced and renamed, and the folder is synced. A crash in the middle leaves at
 * most that file behind. Blocks: at the start, on a worker thread, in the command. Knows base only.
 *
 * Errors are ERR_IO, and errno tells. The file is as it was then, but where the last step failed, the folder's sync: it has the new
 * content, and whether a loss of power would leave it so is not known. A folder that may not be read, or whose file system cannot sync
 * folders, is no error.
 */
#ifndef TARSIER_FILE_REPLACE_H
#define TARSIER_FILE_REPLACE_H

#include "base/slice.h"

enum file_owner {
    FILE_OF_WRITER, /* who runs this */
    FILE_OF_FOLDER, /* the folder's owner and group, where root runs this */
};

/*
 * Make the file, or put a new one in its place: what stood there gives it neither its mode nor its owner, and a symbolic link is
 * replaced, not followed. mode: as chmod(2), whatever the umask is.
 */
MUST_CHECK enum err file_replace(const char *path, struct slice content, unsigned mode, enum file_owner owner);

/*
 * Other content for a file that is there: it keeps its mode and its owner. A symbolic link stays one, and what it leads to is replaced.
 */
MUST_CHECK enum err file_exchange(const char *path, struct slice content);

#endif
