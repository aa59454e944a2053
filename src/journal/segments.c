/* segments.c - the journal's files: which there are, which one is written to, which ones go. */
#include "journal/internal.h"
#include "base/mem.h"
#include "file/replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *path_join(const char *directory, const char *name)
{
    struct buf b = {0};
    buf_printf(&b, "%s/%s", directory, name);
    (void)buf_cstr(&b);
    return b.ptr;
}

static bool parse_name(const char *name, int64_t *begun_sec)
{
    uint64_t sec;
    if (strncmp(name, "rows.", 5) != 0 || slice_to_u64(slice_cstr(name + 5), &sec) != ERR_NONE || sec > INT64_MAX)
        return false;
    *begun_sec = (int64_t)sec;
    return true;
}

static int by_age(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return (x->begun_sec > y->begun_sec) - (x->begun_sec < y->begun_sec);
}

enum err segments_list(const char *directory, struct segments *out)
{
    *out = (struct segments){0};
    DIR *d = opendir(directory);
    if (!d)
        return errno == ENOENT ? ERR_NONE : ERR_IO;
    for (const struct dirent *entry; (entry = readdir(d));) {
        struct segment s = {0};
        struct stat st;
        if (strlen(entry->d_name) >= sizeof(s.name) || !parse_name(entry->d_name, &s.begun_sec) ||
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        memcpy(s.name, entry->d_name, strlen(entry->d_name) + 1);
        s.bytes = (uint64_t)st.st_size;
        out->items = mem_grow(out->items, &out->cap, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = s;
    }
    closedir(d);
    if (out->count > 0)
        qsort(out->items, out->count, sizeof(*out->items), by_age);
    return ERR_NONE;
}

/* The last row of a segment was written when the next one was begun, at the latest. */
static bool is_too_old(const struct segments *s, size_t i, int64_t now_sec, int64_t keep_sec)
{
    return i + 1 < s->count && s->items[i + 1].begun_sec < now_sec - keep_sec;
}

bool segments_trim(const char *directory, struct segments *s, int64_t now_sec, int64_t keep_sec, uint64_t max_bytes)
{
    uint64_t all = 0;
    size_t gone = 0;
    bool good = true;
    for (size_t i = 0; i < s->count; i++)
        all += s->items[i].bytes;
    while (gone + 1 < s->count && (all > max_bytes || is_too_old(s, gone, now_sec, keep_sec))) {
        char *path = path_join(directory, s->items[gone].name);
        good &= unlink(path) == 0 || errno == ENOENT;
        free(path);
        all -= s->items[gone++].bytes;
    }
    s->count -= gone;
    if (gone > 0)
        memmove(s->items, s->items + gone, s->count * sizeof(*s->items));
    return good;
}

int segments_append(const char *directory, struct segments *s, int64_t now_sec, uint64_t segment_bytes)
{
    const struct segment *last = s->count > 0 ? &s->items[s->count - 1] : NULL;
    if (!last || last->bytes >= segment_bytes) {
        /* a name of its own, also where the clock was set back */
        struct segment fresh = {.begun_sec = last && last->begun_sec >= now_sec ? last->begun_sec + 1 : now_sec};
        snprintf(fresh.name, sizeof(fresh.name), "rows.%" PRId64, fresh.begun_sec);
        s->items = mem_grow(s->items, &s->cap, s->count + 1, sizeof(*s->items));
        s->items[s->count++] = fresh;
        last = &s->items[s->count - 1];
    }
    char *path = path_join(directory, last->name);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT && mkdir(directory, 0700) == 0)
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(path);
    return fd;
}

enum err segments_put_beside(const char *directory, const char *name, struct slice text)
{
    char *path = path_join(directory, name);
    enum err e = file_replace(path, text, 0600, FILE_OF_WRITER);
    if (e != ERR_NONE && errno == ENOENT && mkdir(directory, 0700) == 0)
        e = file_replace(path, text, 0600, FILE_OF_WRITER);
    int error = errno;
    free(path);
    errno = error;
    return e;
}
