/* pages.c - a walk through an LMDB data file. */
#include "store/pages.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    META_PAGES = 2,
    DEPTH_MAX = 32, /* CURSOR_STACK */
    KEY_MAX = 511,
    TABLES_MAX = 32,
    VALUE_MAX = 16 << 20, /* of the free list; what a table keeps is far smaller */
    PAGE_BYTES_MIN = 512,
    PAGE_BYTES_MAX = 32768,
    GUESSED_PAGE_BYTES = 4096,

    FLAG_BRANCH = 0x01,
    FLAG_LEAF = 0x02,
    FLAG_OVERFLOW = 0x04,
    FLAG_META = 0x08,
    FLAGS_TRANSIENT = 0xC010, /* dirty, loose, keep: of memory only, and no harm in a file */

    NODE_BIG = 0x01,   /* the value is in overflow pages */
    NODE_TABLE = 0x02, /* the value is a struct lmdb_table */

    TABLE_INTEGER_KEYS = 0x08
};

#define LMDB_MAGIC   0xBEEFC0DEU
#define LMDB_VERSION 1U
#define NO_PAGE      SIZE_MAX

/* ---- the format ---- */

struct lmdb_page {
    size_t number;
    uint16_t pad, flags;
    uint16_t lower, upper; /* bounds of the free room; of an overflow page: the count of pages, 4 bytes */
};

struct lmdb_node {
    uint16_t low, high; /* length of the value; of a branch: low 32 bits of the page number */
    uint16_t flags;     /* of a branch: the next 16 bits of it */
    uint16_t key_len;
};

struct lmdb_table {
    uint32_t pad; /* of the free list: the page size */
    uint16_t flags, depth;
    size_t branches, leaves, overflows, entries;
    size_t root;
};

struct lmdb_meta {
    uint32_t magic, version;
    size_t address, map_bytes;
    struct lmdb_table free_list, main;
    size_t last_page, txn;
};

enum { PAGE_HEADER = sizeof(struct lmdb_page), NODE_HEADER = sizeof(struct lmdb_node) };

/* ---- the walk ---- */

struct named {
    char name[KEY_MAX];
    size_t name_len;
    struct lmdb_table table;
};

struct walk {
    int fd;
    size_t page_bytes;
    uint64_t last_page;
    uint8_t *seen; /* a bit for each page: reached, or in the free list */
    uint8_t *page[DEPTH_MAX];
    bool cells[PAGE_BYTES_MAX / 2]; /* of one page, two bytes each: taken by a node */
    struct pages_report *report;
    pages_entry entry;
    void *ctx;
    struct named named[TABLES_MAX];
    size_t n_named;
    bool header_bad;
    bool lost; /* damage in a tree that holds entries: some may be reached no more */

    /* of the tree that is walked now */
    const struct named *of; /* NULL: the main table or the free list */
    bool is_free_list;
    uint64_t branches, leaves, overflows, entries;
    uint8_t last[KEY_MAX]; /* the key before */
    size_t last_len;
    bool has_last, last_may_equal;
};

static void damaged(struct walk *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void damaged(struct walk *w, const char *fmt, ...)
{
    struct pages_report *r = w->report;
    w->lost |= !w->is_free_list;
    r->bad++;
    if (r->verdict != PAGES_FINE)
        return;
    va_list ap;
    r->verdict = PAGES_DAMAGED;
    va_start(ap, fmt);
    (void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
    va_end(ap);
}

static bool unreadable(const struct walk *w)
{
    return w->report->verdict == PAGES_UNREADABLE;
}

/* Whether all of it could be read. What the system refuses is no damage. */
static bool read_at(struct walk *w, uint64_t at, void *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = pread(w->fd, (uint8_t *)to + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            w->report->verdict = PAGES_UNREADABLE;
            w->report->error = errno;
        }
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

static bool seen(const struct walk *w, uint64_t page)
{
    return w->seen[page / 8] >> (page % 8) & 1;
}

/* Note that it is used; false: it is used already, or there is no such page. */
static bool take_page(struct walk *w, uint64_t page, const char *what)
{
    if (page < META_PAGES || page > w->last_page) {
        damaged(w, "%s leads to page %llu, which there is not", what, (unsigned long long)page);
        return false;
    }
    if (seen(w, page)) {
        damaged(w, "page %llu is used twice", (unsigned long long)page);
        return false;
    }
    w->seen[page / 8] |= (uint8_t)(1 << page % 8);
    w->report->pages++;
    return true;
}

static uint16_t get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* ---- nodes ---- */

static int compare_keys(const struct walk *w, struct slice key)
{
    if (w->is_free_list) {
        size_t a = 0, b = 0;
        memcpy(&a, w->last, sizeof(a));
        memcpy(&b, key.ptr, sizeof(b));
        return a < b ? -1 : a > b;
    }
    size_t n = w->last_len < key.len ? w->last_len : key.len;
    int d = n > 0 ? memcmp(w->last, key.ptr, n) : 0;
    return d ? d : w->last_len < key.len ? -1 : w->last_len > key.len;
}

/* Keys ascend through the whole tree; a branch's key may be the first one below it. */
static bool in_order(struct walk *w, struct slice key, bool separator)
{
    int d = w->has_last ? compare_keys(w, key) : -1;
    bool good = d < 0 || (d == 0 && w->last_may_equal);
    memcpy(w->last, key.ptr, key.len);
    w->last_len = key.len;
    w->has_last = true;
    w->last_may_equal = separator;
    return good;
}

/* The node at index i of a page: its header and key. False: it lies outside of the page. */
static bool node_get(const struct walk *w, const uint8_t *page, unsigned i, struct lmdb_node *node, struct slice *key,
                     size_t *rest_at)
{
    struct lmdb_page head;
    memcpy(&head, page, sizeof(head));
    size_t at = get16(page + PAGE_HEADER + 2 * (size_t)i);
    if (at < head.lower || at % 2 != 0 || at + NODE_HEADER > w->page_bytes)
        return false;
    memcpy(node, page + at, sizeof(*node));
    if (node->key_len > KEY_MAX || at + NODE_HEADER + node->key_len > w->page_bytes)
        return false;
    *key = slice_of((const char *)page + at + NODE_HEADER, node->key_len);
    *rest_at = at + NODE_HEADER + node->key_len;
    return true;
}

static void free_pages(struct walk *w, struct slice value)
{
    size_t count = 0, page;
    if (value.len >= sizeof(count))
        memcpy(&count, value.ptr, sizeof(count));
    if (value.len % sizeof(count) != 0 || value.len < sizeof(count) || count != value.len / sizeof(count) - 1) {
        damaged(w, "an entry of the free list has a wrong length");
        return;
    }
    for (size_t i = 1; i <= count; i++) {
        memcpy(&page, value.ptr + i * sizeof(page), sizeof(page));
        (void)take_page(w, page, "the free list");
    }
}

static void add_named(struct walk *w, struct slice key, struct slice value)
{
    struct named *n = &w->named[w->n_named];
    if (value.len != sizeof(n->table) || key.len == 0 || w->n_named == TABLES_MAX) {
        damaged(w, "an entry of the main table is no table");
        return;
    }
    memcpy(n->name, key.ptr, key.len);
    n->name_len = key.len;
    memcpy(&n->table, value.ptr, sizeof(n->table));
    w->n_named++;
}

static void tell_entry(struct walk *w, struct slice key, struct slice value, bool is_table)
{
    if (w->is_free_list)
        free_pages(w, value);
    else if (is_table && !w->of)
        add_named(w, key, value);
    else if (w->entry && w->of)
        w->entry(w->ctx, slice_of(w->of->name, w->of->name_len), key, value);
}

/* A value that does not fit into its page: one run of overflow pages, its header in the first. */
static void big_value(struct walk *w, struct slice key, size_t len, size_t first)
{
    struct lmdb_page head;
    uint64_t pages = (PAGE_HEADER + (uint64_t)len + w->page_bytes - 1) / w->page_bytes;
    uint32_t claimed;
    if (len > VALUE_MAX || !read_at(w, (uint64_t)first * w->page_bytes, &head, sizeof(head))) {
        damaged(w, "a value of %zu bytes at page %zu cannot be", len, first);
        return;
    }
    memcpy(&claimed, &head.lower, sizeof(claimed));
    for (uint64_t i = 0; i < pages; i++) {
        if (!take_page(w, first + i, "a large value"))
            return;
    }
    w->overflows += pages;
    if (head.number != first || (head.flags & ~FLAGS_TRANSIENT) != FLAG_OVERFLOW || claimed != pages) {
        damaged(w, "page %zu does not hold the large value that it should", first);
        return;
    }
    char *bytes = mem_alloc(len + 1);
    if (read_at(w, (uint64_t)first * w->page_bytes + PAGE_HEADER, bytes, len))
        tell_entry(w, key, slice_of(bytes, len), false);
    else
        damaged(w, "it is cut off: page %zu is behind the end of the file", first);
    free(bytes);
}

static bool node_flags_good(const struct walk *w, uint16_t flags)
{
    return flags == 0 || flags == NODE_BIG || (flags == NODE_TABLE && !w->of && !w->is_free_list);
}

static void leaf_node(struct walk *w, const uint8_t *page, unsigned i, uint64_t number)
{
    struct lmdb_node node;
    struct slice key;
    size_t at, first;
    if (!node_get(w, page, i, &node, &key, &at) || !node_flags_good(w, node.flags) || key.len == 0 ||
        (w->is_free_list && key.len != sizeof(size_t))) {
        damaged(w, "entry %u of page %llu cannot be", i, (unsigned long long)number);
        return;
    }
    w->entries++;
    if (!in_order(w, key, false))
        damaged(w, "the keys of page %llu are not in order", (unsigned long long)number);
    size_t len = (size_t)node.high << 16 | node.low;
    if (node.flags == NODE_BIG && at + sizeof(first) <= w->page_bytes) {
        memcpy(&first, page + at, sizeof(first));
        big_value(w, key, len, first);
    } else if (node.flags != NODE_BIG && at + len <= w->page_bytes) {
        tell_entry(w, key, slice_of((const char *)page + at, len), node.flags == NODE_TABLE);
    } else {
        damaged(w, "entry %u of page %llu is longer than its page", i, (unsigned long long)number);
    }
}

/* ---- pages and trees ---- */

/* How many nodes; -1: the header is none of this kind of page. */
static int page_nodes(const struct walk *w, const uint8_t *page, uint64_t number, unsigned kind)
{
    struct lmdb_page head;
    memcpy(&head, page, sizeof(head));
    if (head.number != number || (head.flags & ~FLAGS_TRANSIENT) != kind || head.lower < PAGE_HEADER ||
        head.lower > head.upper || head.upper > w->page_bytes || head.lower % 2 != 0)
        return -1;
    return (head.lower - PAGE_HEADER) / 2;
}

/* Bytes that the node takes in its page. */
static size_t node_bytes(const struct lmdb_node *node, bool leaf)
{
    size_t len = !leaf ? 0 : node->flags == NODE_BIG ? sizeof(size_t) : (size_t)node->high << 16 | node->low;
    return (NODE_HEADER + node->key_len + len + 1) & ~(size_t)1;
}

/* Nodes lie side by side up to the end of the page: LMDB moves them by their lengths when it changes one. */
static bool nodes_are_packed(struct walk *w, const uint8_t *page, unsigned n, bool leaf)
{
    struct lmdb_page head;
    size_t total = 0;
    bool good = true;
    memcpy(&head, page, sizeof(head));
    memset(w->cells, 0, sizeof(w->cells));
    for (unsigned i = 0; i < n && good; i++) {
        struct lmdb_node node;
        struct slice key;
        size_t rest, at = get16(page + PAGE_HEADER + 2 * (size_t)i);
        good = at >= head.upper && node_get(w, page, i, &node, &key, &rest);
        size_t bytes = good ? node_bytes(&node, leaf) : 0;
        good = good && at + bytes <= w->page_bytes;
        for (size_t cell = at / 2; good && cell < (at + bytes) / 2; cell++) {
            good = !w->cells[cell];
            w->cells[cell] = true;
        }
        total += bytes;
    }
    return good && total == w->page_bytes - head.upper;
}

static void walk_page(struct walk *w, uint64_t number, unsigned depth, unsigned levels);

static void branch_node(struct walk *w, const uint8_t *page, unsigned i, uint64_t number, unsigned depth, unsigned levels)
{
    struct lmdb_node node;
    struct slice key;
    size_t at;
    bool good = node_get(w, page, i, &node, &key, &at);
    if (!good || (w->is_free_list && i > 0 && key.len != sizeof(size_t)) || (i > 0 && key.len == 0)) {
        damaged(w, "branch %u of page %llu cannot be", i, (unsigned long long)number);
        return;
    }
    if (i > 0 && !in_order(w, key, true)) /* the first one's key is empty, or nobody looks at it */
        damaged(w, "the branches of page %llu are not in order", (unsigned long long)number);
    uint64_t child = node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
    walk_page(w, child, depth + 1, levels);
}

static void walk_page(struct walk *w, uint64_t number, unsigned depth, unsigned levels)
{
    bool leaf = depth + 1 == levels;
    if (unreadable(w) || !take_page(w, number, "a branch"))
        return;
    if (!w->page[depth])
        w->page[depth] = mem_alloc(w->page_bytes);
    uint8_t *page = w->page[depth];
    if (!read_at(w, number * w->page_bytes, page, w->page_bytes)) {
        if (!unreadable(w))
            damaged(w, "it is cut off: page %llu is behind the end of the file", (unsigned long long)number);
        return;
    }
    int n = page_nodes(w, page, number, leaf ? FLAG_LEAF : FLAG_BRANCH);
    if (n < 0 || (n == 0 && w->of) || (!leaf && n < 2)) {
        damaged(w, "page %llu is no %s page", (unsigned long long)number, leaf ? "leaf" : "branch");
        return;
    }
    if (!nodes_are_packed(w, page, (unsigned)n, leaf))
        damaged(w, "the entries of page %llu are not side by side", (unsigned long long)number);
    w->leaves += leaf;
    w->branches += !leaf;
    for (unsigned i = 0; i < (unsigned)n && !unreadable(w); i++) {
        if (leaf)
            leaf_node(w, page, i, number);
        else
            branch_node(w, page, i, number, depth, levels);
    }
}

static void walk_tree(struct walk *w, const struct lmdb_table *t, const struct named *of, bool is_free_list,
                      const char *name)
{
    w->of = of;
    w->is_free_list = is_free_list;
    w->branches = w->leaves = w->overflows = w->entries = 0;
    w->has_last = false;
    uint64_t bad = w->report->bad;
    if (t->flags != (is_free_list ? TABLE_INTEGER_KEYS : 0) || t->depth > DEPTH_MAX ||
        (t->depth == 0) != (t->root == NO_PAGE))
        damaged(w, "the description of table %s cannot be", name);
    else if (t->depth > 0)
        walk_page(w, t->root, 0, t->depth);
    if (w->report->bad == bad && !unreadable(w) &&
        (w->branches != t->branches || w->leaves != t->leaves || w->overflows != t->overflows || w->entries != t->entries))
        damaged(w, "table %s does not hold what it says: %llu entries of %zu", name, (unsigned long long)w->entries,
                t->entries);
    w->is_free_list = false;
}

/* ---- meta pages ---- */

static bool page_bytes_good(uint32_t bytes)
{
    return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

struct metas {
    struct lmdb_meta meta[META_PAGES];
    bool good[META_PAGES], foreign[META_PAGES];
};

static void read_meta(struct walk *w, struct metas *m, unsigned i, size_t at)
{
    uint8_t bytes[PAGE_HEADER + sizeof(struct lmdb_meta)];
    struct lmdb_page head;
    struct lmdb_meta *meta = &m->meta[i];
    if (!read_at(w, at, bytes, sizeof(bytes)))
        return;
    memcpy(&head, bytes, sizeof(head));
    memcpy(meta, bytes + PAGE_HEADER, sizeof(*meta));
    bool is_meta = (head.flags & FLAG_META) && meta->magic == LMDB_MAGIC;
    m->foreign[i] = is_meta && meta->version != LMDB_VERSION;
    /* of transaction n the meta page is n & 1; before the first one both say 0 */
    m->good[i] = is_meta && !m->foreign[i] && head.number == i && page_bytes_good(meta->free_list.pad) &&
                 meta->last_page >= META_PAGES - 1 && (meta->txn == 0 || (meta->txn & 1) == i);
}

/*
 * The newest meta page that can be believed, or NULL. LMDB takes the newer one, whatever it says, and refuses the file when one of the
 * two is none: so both must be good.
 */
static const struct lmdb_meta *choose_meta(struct walk *w, struct metas *m)
{
    *m = (struct metas){0};
    w->page_bytes = GUESSED_PAGE_BYTES;
    read_meta(w, m, 0, 0);
    if (m->good[0])
        w->page_bytes = m->meta[0].free_list.pad;
    read_meta(w, m, 1, w->page_bytes);
    if (unreadable(w))
        return NULL;
    if (m->foreign[0] && m->foreign[1]) {
        w->report->verdict = PAGES_FOREIGN;
        return NULL;
    }
    for (unsigned i = 0; i < META_PAGES; i++) {
        if (!m->good[i])
            damaged(w, "its header is damaged (meta page %u)", i);
    }
    const struct lmdb_meta *a = &m->meta[0], *b = &m->meta[1];
    if (!m->good[0] || !m->good[1])
        return m->good[0] ? a : m->good[1] ? b : NULL;
    const struct lmdb_meta *newer = a->txn < b->txn ? b : a, *older = newer == a ? b : a;
    if (newer->txn - older->txn > 1 || a->free_list.pad != b->free_list.pad)
        damaged(w, "its two meta pages do not belong together");
    return newer;
}

/* The length in bytes; 0 also when it cannot be told (the report says so). */
static uint64_t file_bytes(struct walk *w)
{
    struct stat st;
    if (fstat(w->fd, &st) != 0) {
        w->report->verdict = PAGES_UNREADABLE;
        w->report->error = errno;
        return 0;
    }
    if (st.st_size == 0)
        w->report->verdict = PAGES_EMPTY;
    return (uint64_t)st.st_size;
}

/*
 * A last page that was given back in the transaction that took it is never written: a short file may be a good one. Whether a page is
 * missed that is needed only a walk can tell.
 */
static void check_length(struct walk *w, const struct lmdb_meta *meta, uint64_t bytes)
{
    struct pages_report *r = w->report;
    if (r->verdict != PAGES_FINE || meta->last_page < META_PAGES || bytes / w->page_bytes > meta->last_page)
        return;
    r->verdict = PAGES_SHORT;
    (void)snprintf(r->why, sizeof(r->why), "it is cut off: %zu pages of %zu bytes expected, %llu bytes found",
                   meta->last_page + 1, w->page_bytes, (unsigned long long)bytes);
}

void pages_check_header(int fd, struct pages_report *out)
{
    struct walk w = {.fd = fd, .report = out};
    struct metas m;
    *out = (struct pages_report){.verdict = PAGES_FINE};
    uint64_t bytes = file_bytes(&w);
    const struct lmdb_meta *meta = bytes > 0 ? choose_meta(&w, &m) : NULL;
    if (meta)
        check_length(&w, meta, bytes);
}

/* ---- what no tree leads to ---- */

static void scan_leaf(struct walk *w, uint64_t number)
{
    uint8_t *page = w->page[0];
    if (!read_at(w, number * w->page_bytes, page, w->page_bytes))
        return;
    int n = page_nodes(w, page, number, FLAG_LEAF);
    for (int i = 0; i < n; i++) {
        struct lmdb_node node;
        struct slice key;
        size_t at;
        if (!node_get(w, page, (unsigned)i, &node, &key, &at) || node.flags != 0)
            continue;
        size_t len = (size_t)node.high << 16 | node.low;
        if (at + len <= w->page_bytes)
            w->entry(w->ctx, SLICE_NONE, key, slice_of((const char *)page + at, len));
    }
}

static void scan_lost(struct walk *w, uint64_t pages)
{
    if (!w->page[0])
        w->page[0] = mem_alloc(w->page_bytes);
    for (uint64_t n = META_PAGES; n < pages && !unreadable(w); n++) {
        if (n > w->last_page || !seen(w, n))
            scan_leaf(w, n);
    }
}

/* ---- in all ---- */

static void walk_trees(struct walk *w, const struct lmdb_meta *meta)
{
    walk_tree(w, &meta->main, NULL, false, "main");
    for (size_t i = 0; i < w->n_named && !unreadable(w); i++) {
        char name[40];
        (void)snprintf(name, sizeof(name), "%.*s", (int)w->named[i].name_len, w->named[i].name);
        walk_tree(w, &w->named[i].table, &w->named[i], false, name);
    }
    /* what an older header calls free a later one may have used: then all pages are looked at that no table leads to */
    if (!unreadable(w) && !w->header_bad)
        walk_tree(w, &meta->free_list, NULL, true, "free");
}

static void walk_file(int fd, pages_entry entry, void *ctx, struct pages_report *out, bool salvage)
{
    struct walk *w = mem_zalloc(sizeof(*w));
    struct metas m;
    *out = (struct pages_report){.verdict = PAGES_FINE};
    *w = (struct walk){.fd = fd, .page_bytes = GUESSED_PAGE_BYTES, .report = out, .entry = entry, .ctx = ctx};
    uint64_t bytes = file_bytes(w);
    const struct lmdb_meta *meta = bytes > 0 ? choose_meta(w, &m) : NULL;
    uint64_t pages = bytes / w->page_bytes + 1;
    if (meta) {
        /* a page number beyond the file is as good as none, so the file bounds the memory */
        w->last_page = meta->last_page < pages ? meta->last_page : pages;
        w->seen = mem_zalloc(w->last_page / 8 + 1);
        w->header_bad = out->verdict == PAGES_DAMAGED;
        walk_trees(w, meta);
    }
    if (salvage && entry && out->verdict == PAGES_DAMAGED && (w->lost || !meta))
        scan_lost(w, pages);
    for (size_t i = 0; i < DEPTH_MAX; i++)
        free(w->page[i]);
    free(w->seen);
    free(w);
}

void pages_walk(int fd, pages_entry entry, void *ctx, struct pages_report *out)
{
    walk_file(fd, entry, ctx, out, false);
}

void pages_salvage(int fd, pages_entry entry, void *ctx, struct pages_report *out)
{
    walk_file(fd, entry, ctx, out, true);
}
