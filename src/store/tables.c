/* tables.c - the LMDB environment and its files. */
#include "store/tables.h"

#include "base/mem.h"

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

enum { STATE_BYTES = 24 };

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
        return ERR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return ERR_UNSUPPORTED;
    case EBUSY:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

static enum err refuse(struct buf *why, const char *what, int rc)
{
    buf_printf(why, "%s: %s", what, mdb_strerror(rc));
    if (rc > 0)
        errno = rc;
    return tables_err(rc);
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
        buf_printf(why, "%s is in use by another process", directory);
        e = ERR_BUSY;
    } else if (rc != 0) {
        e = refuse(why, buf_cstr(&path), rc);
    }
    buf_fini(&path);
    return e;
}

/* A file shorter than its own count of pages would kill us with SIGBUS at some later read. */
static enum err check_file_length(const struct tables *t, struct buf *why)
{
    MDB_envinfo info;
    struct stat st;
    mdb_filehandle_t fd;
    mdb_env_info(t->env, &info);
    if (mdb_env_get_fd(t->env, &fd) != 0 || fstat(fd, &st) != 0)
        return refuse(why, "data.mdb", errno);
    if (info.me_last_pgno > 1 && (uint64_t)st.st_size < (info.me_last_pgno + 1) * (uint64_t)t->page_bytes) {
        buf_printf(why, "data.mdb is cut off: %zu pages of %u bytes expected, %lld bytes found", info.me_last_pgno + 1,
                   t->page_bytes, (long long)st.st_size);
        return ERR_CORRUPT;
    }
    return ERR_NONE;
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
    if (rc != 0 || v.mv_size != STATE_BYTES)
        return MDB_INVALID;
    t->state.newest_commit.sec = get64(v.mv_data);
    t->state.unconfirmed = get64((const uint8_t *)v.mv_data + 8);
    t->state.sequence = (uint32_t)get64((const uint8_t *)v.mv_data + 16);
    return 0;
}

static int open_tables(struct tables *t)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(t->env, NULL, t->read_only ? MDB_RDONLY : 0, &txn);
    if (rc != 0)
        return rc;
    for (int i = 0; rc == 0 && i < TABLES; i++)
        rc = mdb_dbi_open(txn, table_names[i], t->read_only ? 0 : MDB_CREATE, &t->dbi[i]);
    if (rc == 0)
        rc = read_meta(t, txn);
    if (rc == 0)
        return mdb_txn_commit(txn); /* also for a reader: its table handles live on only then */
    mdb_txn_abort(txn);
    return rc;
}

static void close_env(struct tables *t)
{
    if (t->env)
        mdb_env_close(t->env);
    t->env = NULL;
}

static enum err open_all(struct tables *t, const char *directory, size_t map_bytes, struct buf *why)
{
    int rc = open_env_somehow(t, directory, map_bytes);
    if (rc != 0) {
        if (t->read_only && rc == ENOENT) {
            buf_printf(why, "there is no store in %s", directory);
            return ERR_NOT_FOUND;
        }
        return refuse(why, directory, rc);
    }
    enum err e = check_file_length(t, why);
    if (e != ERR_NONE)
        return e;
    rc = open_tables(t);
    if (rc == MDB_VERSION_MISMATCH) {
        buf_printf(why, "the store in %s was written by another version", directory);
        return ERR_UNSUPPORTED;
    }
    return rc == 0 ? ERR_NONE : refuse(why, directory, rc);
}

enum err tables_open(struct tables *t, const char *directory, size_t map_bytes, bool read_only, struct buf *why)
{
    *t = (struct tables){.lock_fd = -1, .read_only = read_only};
    enum err e = ERR_NONE;
    if (!read_only) {
        int rc = make_directory(directory);
        e = rc == 0 ? lock_directory(t, directory, why) : refuse(why, directory, rc);
    }
    if (e == ERR_NONE)
        e = open_all(t, directory, map_bytes, why);
    if (e == ERR_NONE && !read_only) {
        int dead;
        mdb_reader_check(t->env, &dead);
    }
    if (e != ERR_NONE) {
        int saved = errno;
        tables_close(t);
        errno = saved;
    }
    return e;
}

enum err tables_reopen(struct tables *t, const char *directory, struct buf *why)
{
    bool was_new = t->is_new;
    close_env(t);
    enum err e = open_all(t, directory, t->map_bytes, why);
    t->is_new = was_new;
    if (e != ERR_NONE)
        close_env(t);
    return e;
}

void tables_close(struct tables *t)
{
    close_env(t);
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
