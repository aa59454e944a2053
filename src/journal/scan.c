/* scan.c - reading the journal, a piece at a time. */
#include "base/mem.h"
#include "journal/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 1024 * 1024, CONNECTIONS_MAX = 64, TALLY_MAX_BYTES = 16 * 1024 * 1024 };

struct journal_scan {
    char *directory;
    struct journal_query query;
    char *text; /* the query's own copy */
    struct segments segments;
    bool is_listed;
    bool is_looking; /* for the connections of a queue id; then it begins anew */
    char *connections[CONNECTIONS_MAX];
    size_t n_connections;
    size_t segment; /* being read */
    uint64_t offset;
    struct buf piece;
};

struct journal_scan *journal_scan_new(const char *directory, const struct journal_query *query)
{
    struct journal_scan *s = mem_zalloc(sizeof(*s));
    s->directory = mem_strdup(directory);
    s->query = *query;
    s->text = mem_alloc(query->text.len + 1);
    memcpy(s->text, query->text.ptr ? query->text.ptr : "", query->text.len);
    s->query.text = slice_of(s->text, query->text.len);
    s->is_looking = query->subject == JOURNAL_BY_QUEUE_ID;
    return s;
}

void journal_scan_free(struct journal_scan *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_connections; i++)
        free(s->connections[i]);
    free(s->segments.items);
    free(s->directory);
    free(s->text);
    buf_fini(&s->piece);
    free(s);
}

static bool is_known(const struct journal_scan *s, struct slice connection)
{
    for (size_t i = 0; i < s->n_connections; i++)
        if (slice_eq_cstr(connection, s->connections[i]))
            return true;
    return false;
}

static void take_connection(struct journal_scan *s, const struct journal_entry *e)
{
    if (!journal_matches(&s->query, e) || is_known(s, e->connection) || s->n_connections == CONNECTIONS_MAX)
        return;
    struct buf name = {0};
    buf_put_slice(&name, e->connection);
    (void)buf_cstr(&name);
    s->connections[s->n_connections++] = name.ptr;
}

static void take_row(struct journal_scan *s, struct slice row, struct buf *out)
{
    struct arena arena = {0};
    struct journal_entry e;
    if (row.len > 0 && row.len <= JOURNAL_ROW_MAX_BYTES && journal_parse_row(row, &e, &arena) == ERR_NONE) {
        bool of_queue = s->query.subject == JOURNAL_BY_QUEUE_ID;
        if (s->is_looking)
            take_connection(s, &e);
        else if (of_queue ? is_known(s, e.connection) : journal_matches(&s->query, &e)) {
            buf_put_slice(out, row);
            buf_put_byte(out, '\n');
        }
    }
    arena_fini(&arena);
}

/* Append up to a piece of the segment at hand. Returns how much came; -1: errno tells. A file that was deleted meanwhile is empty. */
static ssize_t read_piece(struct journal_scan *s)
{
    char *path = path_join(s->directory, s->segments.items[s->segment].name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(path);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    char *to = buf_reserve(&s->piece, PIECE_BYTES);
    ssize_t n = pread(fd, to, PIECE_BYTES, (off_t)s->offset);
    close(fd);
    if (n > 0) {
        s->piece.len += (size_t)n;
        s->offset += (uint64_t)n;
    }
    return n;
}

/* The segment at hand has been read; the last row of the newest one may still be written. */
static void next_segment(struct journal_scan *s)
{
    s->segment++;
    s->offset = 0;
    buf_clear(&s->piece);
    if (s->segment == s->segments.count && s->is_looking) {
        s->is_looking = false;
        s->segment = 0;
    }
}

bool journal_scan_step(struct journal_scan *s, size_t out_bytes, struct buf *out, enum err *e)
{
    *e = ERR_NONE;
    if (!s->is_listed) {
        s->is_listed = true;
        *e = segments_list(s->directory, &s->segments);
    }
    if (*e != ERR_NONE || s->segment >= s->segments.count)
        return false;
    struct slice rest = buf_slice(&s->piece);
    bool need = slice_find(rest, '\n') == rest.len;
    if (need) {
        ssize_t n = read_piece(s);
        if (n < 0)
            *e = ERR_IO;
        if (n <= 0 || s->piece.len > 2 * PIECE_BYTES)
            next_segment(s);
        rest = buf_slice(&s->piece);
    }
    while (out->len < out_bytes && slice_find(rest, '\n') < rest.len)
        take_row(s, slice_cut(&rest, '\n'), out);
    buf_drop(&s->piece, s->piece.len - rest.len);
    return *e == ERR_NONE && s->segment < s->segments.count;
}

enum err journal_read_tally(const char *directory, struct tally *t)
{
    char *path = path_join(directory, "statistics");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(path);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    struct buf text = {0};
    ssize_t n;
    do {
        n = read(fd, buf_reserve(&text, PIECE_BYTES), PIECE_BYTES);
        text.len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && text.len < TALLY_MAX_BYTES);
    unsigned line;
    enum err e = n < 0 ? ERR_IO : tally_parse(t, buf_slice(&text), &line);
    int error = errno;
    close(fd);
    buf_fini(&text);
    errno = error;
    return e;
}
