/* file.h - the store's files, read and spoilt. */
#ifndef TARSIER_TESTS_STORE_FILE_H
#define TARSIER_TESTS_STORE_FILE_H

#include "rig.h"

#include <fcntl.h>

enum { PAGE = 4096 };

static inline void rig_path(const struct rig *r, const char *name, char path[400])
{
    snprintf(path, 400, "%s/%s", r->dir, name);
}

static inline bool rig_has(const struct rig *r, const char *name)
{
    char path[400];
    rig_path(r, name, path);
    return access(path, F_OK) == 0;
}

static inline int rig_file(const struct rig *r, const char *name)
{
    char path[400];
    rig_path(r, name, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static inline off_t file_pages(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_size / PAGE : 0;
}

/* What stands in the page: LMDB's flags (2 a leaf), and the length of its first key. */
static inline unsigned page_flags(int fd, off_t page)
{
    uint16_t flags = 0;
    return pread(fd, &flags, 2, page * PAGE + 10) == 2 ? flags : 0;
}

static inline unsigned first_key_len(int fd, off_t page)
{
    uint16_t at = 0, len = 0;
    if (pread(fd, &at, 2, page * PAGE + 16) != 2 || at > PAGE - 8 || pread(fd, &len, 2, page * PAGE + at + 6) != 2)
        return 0;
    return len;
}

/* Other bytes over a page. */
static inline void spoil_page(int fd, off_t page)
{
    char bytes[PAGE];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 37 + 11);
    CHECK_INT(pwrite(fd, bytes, sizeof(bytes), page * PAGE), PAGE);
}

/* Tuples from..to-1 of the usual client are greylisted. */
static inline void greylist(struct rig *r, unsigned from, unsigned to)
{
    size_t before = r->answers;
    for (unsigned i = from; i < to; i++) {
        char text[40];
        struct grey_request req = rig_request(r, GREY_DECIDE, NULL, i, text);
        rig_submit(r, &req);
    }
    rig_await(r, before + to - from);
}

/* How many of them are known. */
static inline unsigned known(struct rig *r, unsigned to)
{
    unsigned n = 0;
    for (unsigned i = 0; i < to; i++)
        n += !rig_ask(r, GREY_LOOK, i)->failed && r->got.state == GREY_PENDING;
    return n;
}

/* Until the store is there; the test's own time-out ends this where it never is. */
static inline void await_open(struct rig *r)
{
    struct store_stats stats;
    for (store_get_stats(r->store, &stats); !stats.is_open; store_get_stats(r->store, &stats))
        usleep(2000);
    while (rig_ask(r, GREY_LOOK, 999999)->failed)
        usleep(2000);
}

static inline void await_log(struct rig *r, const char *text)
{
    while (!rig_logged(r, text))
        usleep(2000);
}

#endif
