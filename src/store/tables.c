/* tables.c - the LMDB environment and its files. */
#include "store/tables.h"

#include "base/mem.h"
#include "store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const table_names[TABLES] = {"meta", "records", "expiry", "counts", "crowds"};

#define MAP_BYTES_DEFAULT ((size_t)16 << 30)
#define MAP_BYTES_MIN     ((size_t)4 << 20)
#define MAP_BYTES_LEAST   ((size_t)64 << 20) /* what is tried last where address space is short */

enum { STATE_BYTES = 24, READERS_BYTES = 16384 };

enum err tables_err(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return ERR_NONE;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL: /* a way down that has no end */
    case MDB_PAGE_FULL:
        return ERR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return ERR_UNSUPPORTED;
    case EBUSY:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

/* ---- what is wrong, and what to do ---- */

/* The first file that we may not use, if that is it: whose it is, and who we are. */
static void put_owner(struct buf *why, const char *directory)
{
    static const char *const names[] = {"", "/data.mdb", "/lock.mdb", "/writer.lock"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buf path = {0};
        struct stat st;
        buf_printf(&path, "%s%s", directory, names[i]);
        bool refused = stat(buf_cstr(&path), &st) == 0 && access(buf_cstr(&path), R_OK | W_OK) != 0;
        if (refused)
            buf_printf(why, " (%s belongs to uid %u, mode %04o; we are uid %u)", buf_cstr(&path), (unsigned)st.st_uid,
                       (unsigned)st.st_mode & 07777, (unsigned)geteuid());
        buf_fini(&path);
        if (refused)
            return;
    }
}

static const char *advice_for(int rc)
{
    switch (rc) {
    case EACCES:
    case EPERM:
        return "give the directory and what is in it to tarsierd's user (chown -R)";
    case EROFS:
        return "its file system is read-only: mount it for writing";
    case ENOSPC:
    case EDQUOT:
        return "make room on its file system";
    case EIO:
        return "the disk refuses: look at the kernel's log";
    case ENOENT:
        return "make the directory, or restart tarsierd, which makes it";
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
        return "something else stands in its place: move that away";
    default:
        return NULL;
    }
}

static enum err refuse(struct buf *why, const char *directory, const char *what, int rc)
{
    bool missing = access(directory, F_OK) != 0 && errno == ENOENT; /* and not ours to make, then */
    const char *advice = advice_for(missing && (rc == EACCES || rc == EPERM) ? ENOENT : rc);
    buf_printf(why, "%s: %s", what, mdb_strerror(rc));
    if (rc == EACCES || rc == EPERM)
        put_owner(why, directory);
    if (advice)
        buf_printf(why, "; %s", advice);
    if (rc > 0)
        errno = rc;
    return tables_err(rc);
}

static enum err refuse_damaged(struct buf *why, const char *directory, const char *what)
{
    buf_printf(why, "%s/data.mdb is damaged: %s; tarsierd saves what it can of it when it is started", directory, what);
    return ERR_CORRUPT;
}

static enum err refuse_version(struct buf *why, const char *directory)
{
    buf_printf(why,
               "the store in %s was written by another version, or by another program; install what wrote it, or move the "
               "directory away",
               directory);
    return ERR_UNSUPPORTED;
}

/* ---- files ---- */

/* mkdir -p; only the last one is private, its parents may be other people's ways too. */
static int make_directory(const char *directory)
{
    char *path = mem_strdup(directory);
    int rc = 0;
    for (char *p = path + 1; rc == 0 && *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST && errno != EISDIR && errno != EROFS && errno != EACCES)
            rc = errno;
        *p = '/';
    }
    if (rc == 0 && mkdir(path, 0700) != 0 && errno != EEXIST)
        rc = errno;
    free(path);
    return rc;
}

/* flock, not fcntl: LMDB opens and closes files of its own, and a POSIX lock goes with any close. */
static enum err lock_directory(struct tables *t, const char *directory, struct buf *why)
{
    struct buf path = {0};
    buf_printf(&path, "%s/writer.lock", directory);
    t->lock_fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = t->lock_fd < 0 ? errno : 0;
    if (rc == 0 && flock(t->lock_fd, LOCK_EX | LOCK_NB) != 0)
        rc = errno;
    enum err e = ERR_NONE;
    if (rc == EWOULDBLOCK) {
        buf_printf(why, "%s is in use by another process: stop it, or name another directory", directory);
        e = ERR_BUSY;
    } else if (rc != 0) {
        e = refuse(why, directory, buf_cstr(&path), rc);
    }
    if (e != ERR_NONE && t->lock_fd >= 0) {
        close(t->lock_fd);
        t->lock_fd = -1;
    }
    buf_fini(&path);
    return e;
}

/*
 * LMDB maps its table of readers for writing and lets it grow by ftruncate: on a full disk the first touch of such a page is SIGBUS. So
 * its bytes are there before. Where the file system cannot promise them, LMDB's own way has to do.
 */
static int allocate_readers(const char *directory)
{
    struct buf path = {0};
    struct stat st;
    buf_printf(&path, "%s/lock.mdb", directory);
    int fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 || fstat(fd, &st) != 0 ? errno : 0;
    bool has_holes = rc == 0 && (st.st_size < READERS_BYTES || (int64_t)st.st_blocks * 512 < READERS_BYTES);
    if (has_holes)
        rc = posix_fallocate(fd, 0, READERS_BYTES);
    if (fd >= 0)
        close(fd);
    buf_fini(&path);
    return rc == EOPNOTSUPP || rc == EINVAL ? 0 : rc;
}

/* Whether what LMDB believes at once can be believed: a length or page size that is wrong would kill us. */
static enum err check_header(struct tables *t, const char *directory, struct buf *why)
{
    struct buf path = {0};
    struct pages_report report;
    buf_printf(&path, "%s/data.mdb", directory);
    int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    enum err e = ERR_NONE;
    if (fd < 0) { /* it will be made, or LMDB says why not */
        buf_fini(&path);
        return ERR_NONE;
    }
    pages_check_header(fd, &report);
    bool changes = t->read_only && report.verdict != PAGES_SHORT; /* under our hands: LMDB must do */
    if (changes || (report.verdict == PAGES_SHORT && t->examined))
        report.verdict = PAGES_FINE;
    if (report.verdict == PAGES_DAMAGED || report.verdict == PAGES_SHORT)
        e = refuse_damaged(why, directory, report.why);
    else if (report.verdict == PAGES_FOREIGN)
        e = refuse_version(why, directory);
    else if (report.verdict == PAGES_UNREADABLE)
        e = refuse(why, directory, buf_cstr(&path), report.error);
    close(fd);
    buf_fini(&path);
    return e;
}

static bool is_same_file(const char *directory, const char *name, int fd)
{
    struct buf path = {0};
    struct stat here, there;
    buf_printf(&path, "%s/%s", directory, name);
    int rc = stat(buf_cstr(&path), &there) == 0 ? 0 : errno;
    buf_fini(&path);
    if (rc != 0)
        return rc != ENOENT && rc != ENOTDIR;
    return fstat(fd, &here) != 0 || (here.st_dev == there.st_dev && here.st_ino == there.st_ino);
}

bool tables_are_there(const struct tables *t, const char *directory, const char **missing)
{
    mdb_filehandle_t fd;
    *missing = NULL;
    if (mdb_env_get_fd(t->env, &fd) == 0 && !is_same_file(directory, "data.mdb", fd))
        *missing = "data.mdb";
    else if (!is_same_file(directory, "writer.lock", t->lock_fd))
        *missing = "writer.lock";
    return !*missing;
}

/* ---- environment ---- */

static int open_env(struct tables *t, const char *directory, size_t map_bytes)
{
    int rc = mdb_env_create(&t->env);
    if (rc != 0) {
        t->env = NULL;
        return rc;
    }
    mdb_env_set_maxdbs(t->env, TABLES);
    /* NOTLS: a read transaction belongs to its object, so any thread may end it before the environment is closed. */
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (t->read_only ? MDB_RDONLY : 0);
    if (!t->read_only)
        rc = mdb_env_set_mapsize(t->env, map_bytes);
    if (rc == 0)
        rc = mdb_env_open(t->env, directory, flags, 0600);
    if (rc != 0) {
        mdb_env_close(t->env);
        t->env = NULL;
    }
    return rc;
}

/* All the address space that one will ever need, at once: growing the map under a reader crashes LMDB 0.9.24. */
static int open_env_somehow(struct tables *t, const char *directory, size_t map_bytes)
{
    size_t bytes = map_bytes > MAP_BYTES_MIN ? map_bytes : map_bytes ? MAP_BYTES_MIN : MAP_BYTES_DEFAULT;
    int rc;
    while ((rc = open_env(t, directory, bytes)) == ENOMEM && bytes > MAP_BYTES_LEAST)
        bytes /= 2;
    if (rc != 0)
        return rc;
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(t->env, &info);
    mdb_env_stat(t->env, &stat);
    t->map_bytes = info.me_mapsize;
    t->page_bytes = stat.ms_psize;
    return 0;
}

int tables_get(const struct tables *t, MDB_txn *txn, enum table table, const void *key, size_t len, MDB_val *out)
{
    MDB_val k = {len, (void *)(uintptr_t)key};
    return mdb_get(txn, t->dbi[table], &k, out);
}

int tables_put(const struct tables *t, MDB_txn *txn, enum table table, const void *key, size_t key_len, const void *value,
               size_t len)
{
    MDB_val k = {key_len, (void *)(uintptr_t)key}, v = {len, (void *)(uintptr_t)value};
    return mdb_put(txn, t->dbi[table], &k, &v, 0);
}

int tables_delete(const struct tables *t, MDB_txn *txn, enum table table, const void *key, size_t len)
{
    MDB_val k = {len, (void *)(uintptr_t)key};
    int rc = mdb_del(txn, t->dbi[table], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static void put64(uint8_t *p, int64_t v)
{
    uint64_t n = (uint64_t)v;
    for (int i = 7; i >= 0; i--, n >>= 8)
        p[i] = (uint8_t)n;
}

static int64_t get64(const uint8_t *p)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

int tables_put_state(const struct tables *t, MDB_txn *txn, const struct tables_state *state)
{
    uint8_t bytes[STATE_BYTES];
    put64(bytes, state->newest_commit.sec);
    put64(bytes + 8, state->unconfirmed);
    put64(bytes + 16, state->sequence);
    return tables_put(t, txn, TABLE_META, "state", 5, bytes, sizeof(bytes));
}

bool tables_state_decode(struct slice value, struct tables_state *out)
{
    const uint8_t *p = (const uint8_t *)value.ptr;
    if (value.len != STATE_BYTES)
        return false;
    *out = (struct tables_state){{get64(p)}, get64(p + 8), (uint32_t)get64(p + 16)};
    return true;
}

static int create_meta(struct tables *t, MDB_txn *txn)
{
    uint8_t format = TABLES_FORMAT;
    if (getrandom(&t->secret, sizeof(t->secret), 0) != (ssize_t)sizeof(t->secret))
        return errno ? errno : EIO;
    t->is_new = true;
    t->state = (struct tables_state){0};
    int rc = tables_put(t, txn, TABLE_META, "format", 6, &format, 1);
    if (rc == 0)
        rc = tables_put(t, txn, TABLE_META, "secret", 6, &t->secret, sizeof(t->secret));
    return rc ? rc : tables_put_state(t, txn, &t->state);
}

static int read_meta(struct tables *t, MDB_txn *txn)
{
    MDB_val v;
    int rc = tables_get(t, txn, TABLE_META, "format", 6, &v);
    if (rc == MDB_NOTFOUND && !t->read_only)
        return create_meta(t, txn);
    if (rc != 0)
        return rc;
    if (v.mv_size != 1 || *(const uint8_t *)v.mv_data != TABLES_FORMAT)
        return MDB_VERSION_MISMATCH;
    rc = tables_get(t, txn, TABLE_META, "secret", 6, &v);
    if (rc != 0 || v.mv_size != sizeof(t->secret))
        return MDB_INVALID;
    memcpy(&t->secret, v.mv_data, sizeof(t->secret));
    rc = tables_get(t, txn, TABLE_META, "state", 5, &v);
    return rc == 0 && tables_state_decode(slice_of(v.mv_data, v.mv_size), &t->state) ? 0 : MDB_INVALID;
}

/* An environment with tables of somebody else's is left alone. */
static int check_owner(MDB_txn *txn)
{
    MDB_dbi main, meta;
    MDB_stat stat;
    int rc = mdb_dbi_open(txn, NULL, 0, &main);
    if (rc == 0)
        rc = mdb_stat(txn, main, &stat);
    if (rc != 0 || stat.ms_entries == 0)
        return rc;
    rc = mdb_dbi_open(txn, table_names[TABLE_META], 0, &meta);
    return rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE ? MDB_VERSION_MISMATCH : rc;
}

static int open_tables(struct tables *t)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(t->env, NULL, t->read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0)
        return rc;
    rc = check_owner(txn);
    for (int i = 0; rc == 0 && i < TABLES; i++)
        rc = mdb_dbi_open(txn, table_names[i], t->read_only ? 0 : MDB_CREATE, &t->dbi[i]);
    if (rc == 0)
        rc = read_meta(t, txn);
    if (rc == 0)
        return mdb_txn_commit(txn); /* also for a reader: its table handles live on only then */
    mdb_txn_abort(txn);
    return rc;
}

void tables_close_env(struct tables *t)
{
    if (t->env)
        mdb_env_close(t->env);
    t->env = NULL;
}

static enum err open_all(struct tables *t, const char *directory, size_t map_bytes, struct buf *why)
{
    int rc = open_env_somehow(t, directory, map_bytes);
    if (rc == ENOENT && t->read_only) {
        buf_printf(why, "there is no store in %s", directory);
        return ERR_NOT_FOUND;
    }
    if (rc == 0)
        rc = open_tables(t);
    if (rc == MDB_VERSION_MISMATCH)
        return refuse_version(why, directory);
    if (tables_err(rc) == ERR_CORRUPT)
        return refuse_damaged(why, directory, mdb_strerror(rc));
    return rc == 0 ? ERR_NONE : refuse(why, directory, directory, rc);
}

/* What a full disk leaves of a new file would be taken for a damaged one. */
static void remove_stillborn(const char *directory)
{
    struct buf path = {0};
    buf_printf(&path, "%s/data.mdb", directory);
    (void)unlink(buf_cstr(&path));
    buf_fini(&path);
}

static bool has_data(const char *directory)
{
    struct buf path = {0};
    struct stat st;
    buf_printf(&path, "%s/data.mdb", directory);
    bool has = stat(buf_cstr(&path), &st) == 0 ? st.st_size > 0 : errno != ENOENT;
    buf_fini(&path);
    return has;
}

enum err tables_lock(struct tables *t, const char *directory, struct buf *why)
{
    int rc = make_directory(directory);
    return rc == 0 ? lock_directory(t, directory, why) : refuse(why, directory, directory, rc);
}

enum err tables_open_env(struct tables *t, const char *directory, size_t map_bytes, struct buf *why)
{
    bool had_data = has_data(directory);
    t->is_new = false;
    int rc = allocate_readers(directory);
    if (rc != 0)
        return refuse(why, directory, directory, rc);
    enum err e = check_header(t, directory, why);
    if (e == ERR_NONE)
        e = open_all(t, directory, map_bytes, why);
    if (e == ERR_NONE) {
        int dead;
        mdb_reader_check(t->env, &dead);
        return e;
    }
    int saved = errno;
    tables_close_env(t);
    if (!had_data)
        remove_stillborn(directory);
    errno = saved;
    return e;
}

enum err tables_open(struct tables *t, const char *directory, size_t map_bytes, bool read_only, struct buf *why)
{
    *t = (struct tables){.lock_fd = -1, .read_only = read_only};
    enum err e;
    if (read_only) {
        e = check_header(t, directory, why);
        if (e == ERR_NONE)
            e = open_all(t, directory, map_bytes, why);
    } else {
        e = tables_lock(t, directory, why);
        if (e == ERR_NONE)
            e = tables_open_env(t, directory, map_bytes, why);
    }
    if (e != ERR_NONE) {
        int saved = errno;
        tables_close(t);
        errno = saved;
    }
    return e;
}

void tables_close(struct tables *t)
{
    tables_close_env(t);
    if (t->lock_fd >= 0)
        close(t->lock_fd);
    t->lock_fd = -1;
}

size_t tables_used_bytes(const struct tables *t, MDB_txn *txn)
{
    size_t pages = 8; /* the two meta pages, the main table and the free list, roughly */
    for (int i = 0; i < TABLES; i++) {
        MDB_stat s;
        if (mdb_stat(txn, t->dbi[i], &s) == 0)
            pages += s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages;
    }
    return pages * t->page_bytes;
}

uint64_t tables_count_records(const struct tables *t, MDB_txn *txn)
{
    MDB_stat s;
    return mdb_stat(txn, t->dbi[TABLE_RECORDS], &s) == 0 ? s.ms_entries : 0;
}
