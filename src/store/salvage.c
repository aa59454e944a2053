/* salvage.c - what is whole in a damaged store becomes a new one. */
#include "store/salvage.h"

#include "base/mem.h"
#include "store/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORDS_PER_COMMIT = 5000 };

#define MAP_BYTES_LEAST ((size_t)64 << 20)

static char *path_of(const char *directory, const char *name)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", directory, name);
    return path.ptr ? (char *)(uintptr_t)buf_cstr(&path) : mem_strdup(name);
}

static int open_data(const char *directory, struct pages_report *out)
{
    char *path = path_of(directory, "data.mdb");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *out = (struct pages_report){.verdict = PAGES_UNREADABLE, .error = errno};
    if (fd < 0 && errno == ENOENT)
        *out = (struct pages_report){.verdict = PAGES_EMPTY};
    free(path);
    return fd;
}

/* ---- what every store of ours has ---- */

struct content {
    struct grey_secret secret;
    bool has_secret;
    bool has_format;
    uint8_t format;
    bool has_state;
    struct tables_state state;
};

static bool is(struct slice s, const char *text)
{
    return slice_eq_cstr(s, text);
}

/* Pages that no table leads to are believed for the secret, which never changes, and for no more. */
static void take_meta(struct content *c, struct slice table, struct slice key, struct slice value)
{
    bool known = table.ptr != NULL;
    if (known && !is(table, "meta"))
        return;
    if (is(key, "secret") && value.len == sizeof(c->secret) && !c->has_secret) {
        memcpy(&c->secret, value.ptr, sizeof(c->secret));
        c->has_secret = true;
    } else if (known && is(key, "format") && value.len == 1) {
        c->format = (uint8_t)value.ptr[0];
        c->has_format = true;
    } else if (known && is(key, "state")) {
        c->has_state = tables_state_decode(value, &c->state);
    }
}

static void content_entry(void *ctx, struct slice table, struct slice key, struct slice value)
{
    take_meta(ctx, table, key, value);
}

/* A store that is whole as a file but lacks what the first commit writes cannot be ours as we left it. */
static void check_content(const struct content *c, struct pages_report *out)
{
    bool ours = c->has_format && c->format == TABLES_FORMAT;
    if (out->verdict != PAGES_FINE || !ours || (c->has_secret && c->has_state))
        return;
    out->verdict = PAGES_DAMAGED;
    out->bad++;
    (void)snprintf(out->why, sizeof(out->why), "its %s is missing", c->has_secret ? "state" : "secret");
}

static void examine_fd(int fd, struct content *c, struct salvage_report *out)
{
    pages_walk(fd, content_entry, c, &out->pages);
    check_content(c, &out->pages);
}

void salvage_examine(const char *directory, bool afresh, struct salvage_report *out)
{
    struct content c = {0};
    *out = (struct salvage_report){0};
    int fd = open_data(directory, &out->pages);
    if (fd < 0)
        return;
    if (afresh)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    examine_fd(fd, &c, out);
    close(fd);
}

/* ---- a new store ---- */

struct maker {
    struct tables tables;
    struct records_txn rt;
    uint32_t highest;     /* of the numbers given */
    bool any;             /* was given */
    bool keys_are_others; /* made with a secret that is lost */
    unsigned waiting;     /* records since the last commit */
    uint64_t records;
    int rc; /* the first thing that failed */
};

static int begin(struct maker *m)
{
    struct tables_state *s = &m->tables.state;
    m->rt = (struct records_txn){.tables = &m->tables, .unconfirmed = s->unconfirmed, .sequence = s->sequence};
    return mdb_txn_begin(m->tables.env, NULL, 0, &m->rt.txn);
}

static int commit(struct maker *m)
{
    m->tables.state.unconfirmed = m->rt.unconfirmed < 0 ? 0 : m->rt.unconfirmed;
    m->tables.state.sequence = m->highest;
    m->records += (uint64_t)m->rt.added;
    m->waiting = 0;
    int rc = tables_put_state(&m->tables, m->rt.txn, &m->tables.state);
    if (rc == 0)
        rc = mdb_txn_commit(m->rt.txn);
    else
        mdb_txn_abort(m->rt.txn);
    m->rt.txn = NULL;
    return rc;
}

/*
 * A record holds the texts that its key is made of: so a damaged key is mended, and a new secret costs nothing. False: the key cannot be
 * made, and cannot be believed.
 */
static bool make_key(const struct maker *m, const struct grey_record *r, struct grey_key *key)
{
    const struct grey_secret *secret = &m->tables.secret;
    if (grey_client_is_domain(key->client)) {
        if (r->domain.len > 0)
            grey_client_domain(secret, r->domain, key->client);
        else if (m->keys_are_others)
            return false;
    }
    if (r->type == GREY_RECORD_TUPLE)
        grey_tail_tuple(secret, r->sender, r->recipient, key->tail);
    else if (r->type == GREY_RECORD_PAIR)
        grey_tail_pair(secret, r->sender, key->tail);
    else if (r->type == GREY_RECORD_NETWORK)
        grey_tail_network(secret, r->sender, key->tail);
    return true;
}

/* Numbers are given in the order of the changes: of two versions of a record the higher number is the later one. */
static int put(struct maker *m, const struct grey_key *key, uint32_t sequence, const struct grey_record *record)
{
    struct records_old old;
    struct slice bytes;
    int rc = records_read(&m->tables, m->rt.txn, key, &old, &bytes);
    if (rc != 0 || (old.present && (int32_t)(sequence - old.sequence) <= 0))
        return rc;
    if (old.present)
        rc = records_remove(&m->rt, key, &old);
    old = (struct records_old){0};
    m->rt.sequence = sequence - 1; /* so that it keeps its number */
    if (!m->any || (int32_t)(sequence - m->highest) > 0)
        m->highest = sequence;
    m->any = true;
    return rc ? rc : records_put(&m->rt, key, &old, record);
}

static void record_entry(void *ctx, struct slice table, struct slice key, struct slice value)
{
    struct maker *m = ctx;
    struct grey_key k;
    struct grey_record record;
    uint32_t sequence;
    MDB_val v = {value.len, (void *)(uintptr_t)value.ptr};
    if (m->rc != 0 || (table.ptr && !is(table, "records")) || key.len != sizeof(k))
        return;
    struct slice bytes = records_strip(&v, &sequence);
    if (!bytes.ptr || grey_record_decode(bytes, &record) != ERR_NONE)
        return;
    memcpy(&k, key.ptr, sizeof(k));
    if (!make_key(m, &record, &k))
        return;
    m->rc = put(m, &k, sequence, &record);
    if (m->rc == 0 && ++m->waiting == RECORDS_PER_COMMIT) {
        m->rc = commit(m);
        m->rc = m->rc ? m->rc : begin(m);
    }
}

static void remove_new(const char *directory)
{
    static const char *const names[] = {"salvage/data.mdb", "salvage/lock.mdb", "salvage/writer.lock", "salvage"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = path_of(directory, names[i]);
        (void)remove(path);
        free(path);
    }
}

static int fill(struct maker *m, int fd, struct content *c, struct salvage_report *out)
{
    struct pages_report again;
    m->tables.state = (struct tables_state){.newest_commit = c->state.newest_commit};
    m->keys_are_others = !c->has_secret;
    m->rc = begin(m);
    if (m->rc == 0 && c->has_secret) {
        m->tables.secret = c->secret;
        m->rc = tables_put(&m->tables, m->rt.txn, TABLE_META, "secret", 6, &c->secret, sizeof(c->secret));
    }
    if (m->rc == 0) {
        pages_salvage(fd, record_entry, m, &again);
        if (again.verdict == PAGES_UNREADABLE)
            m->rc = again.error;
    }
    if (m->rc == 0)
        m->rc = commit(m);
    if (m->rt.txn)
        mdb_txn_abort(m->rt.txn);
    out->records = m->records;
    return m->rc;
}

static int make(const char *directory, int fd, struct content *c, struct salvage_report *out)
{
    struct maker m = {0};
    struct buf why = {0};
    struct stat st = {0};
    remove_new(directory);
    (void)fstat(fd, &st);
    char *path = path_of(directory, "salvage");
    int rc = EIO;
    errno = 0;
    if (tables_open(&m.tables, path, MAP_BYTES_LEAST + 2 * (size_t)st.st_size, false, &why) == ERR_NONE) {
        rc = fill(&m, fd, c, out);
        tables_close(&m.tables);
    } else if (errno) {
        rc = errno;
    }
    free(path);
    buf_fini(&why);
    return rc;
}

void salvage_make(const char *directory, struct salvage_report *out)
{
    struct content c = {0};
    *out = (struct salvage_report){0};
    int fd = open_data(directory, &out->pages);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    examine_fd(fd, &c, out);
    if (out->pages.verdict == PAGES_DAMAGED) {
        struct pages_report unused;
        if (!c.has_secret)
            pages_salvage(fd, content_entry, &c, &unused);
        out->failed = make(directory, fd, &c, out);
    }
    close(fd);
}

/* ---- the exchange ---- */

static int move(const char *directory, const char *from, const char *to, bool keep, struct buf *why)
{
    char *a = path_of(directory, from), *b = path_of(directory, to);
    int rc = (keep ? link(a, b) : rename(a, b)) == 0 ? 0 : errno;
    if (rc == EPERM && keep) /* a file system without links */
        rc = rename(a, b) == 0 ? 0 : errno;
    if (rc != 0)
        buf_printf(why, "%s to %s", a, to);
    free(a);
    free(b);
    return rc;
}

static void sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int salvage_put_in_place(const char *directory, struct buf *why)
{
    int rc = move(directory, "damaged.1.mdb", "damaged.2.mdb", false, why);
    if (rc == ENOENT) {
        buf_clear(why);
        rc = 0;
    }
    if (rc == 0)
        rc = move(directory, "data.mdb", "damaged.1.mdb", true, why);
    if (rc == 0)
        rc = move(directory, "salvage/data.mdb", "data.mdb", false, why);
    if (rc != 0)
        return rc;
    /* It tells the number of the last transaction, and whoever reads the old store may have it open still. */
    char *path = path_of(directory, "lock.mdb");
    (void)unlink(path);
    free(path);
    remove_new(directory);
    sync_directory(directory);
    return 0;
}
