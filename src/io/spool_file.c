/* spool_file.c - the system calls of a spool file. */
#include "io/spool_file.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int spool_file_make_named(const char *directory, int *fd)
{
    struct buf name = {0};
    buf_printf(&name, "%s/.spool-XXXXXX", directory);
    buf_cstr(&name);
    *fd = mkostemp(name.ptr, O_CLOEXEC);
    int error = *fd < 0 ? errno : 0;
    if (!error && unlink(name.ptr) < 0) {
        error = errno;
        close(*fd);
        *fd = -1;
    }
    buf_fini(&name);
    return error;
}

int spool_file_make(const char *directory, int *fd)
{
    *fd = open(directory, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (*fd >= 0)
        return 0;
    /* EISDIR: the kernel does not know the flag, and takes it for its other half, O_DIRECTORY. */
    return errno == EOPNOTSUPP || errno == EISDIR ? spool_file_make_named(directory, fd) : errno;
}

int spool_file_write(int fd, uint64_t offset, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        offset += (uint64_t)n;
        bytes = slice_from(bytes, (size_t)n);
    }
    return 0;
}

int spool_file_read(int fd, uint64_t offset, char *out, size_t length)
{
    while (length > 0) {
        ssize_t n = pread(fd, out, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        offset += (uint64_t)n;
        out += n;
        length -= (size_t)n;
    }
    return 0;
}
