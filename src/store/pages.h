/*
 * pages.h - is an LMDB data file whole? Reads it page by page with pread(2), never through a map, and trusts nothing in it: a file of any
 * bytes is judged in bounded time and memory, and nothing but the file is touched. Knows LMDB's format, not what tarsier keeps in it.
 *
 * Source: the structures in mdb.c of LMDB 0.9.24 (MDB_page, MDB_node, MDB_db, MDB_meta; data version 1), in the machine's own byte order
 * and word size. LMDB writes no check sums, so a changed byte inside a value is not seen here; whoever decodes the value must see it.
 */
#ifndef TARSIER_STORE_PAGES_H
#define TARSIER_STORE_PAGES_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pages_verdict {
    PAGES_FINE,
    PAGES_EMPTY,   /* no byte: LMDB makes a new one of it */
    PAGES_DAMAGED, /* LMDB cannot have written this */
    PAGES_SHORT,   /* of pages_check_header only: the file ends before its last page; a walk tells whether one is missed */
    PAGES_FOREIGN, /* another data version, in both meta pages: not judged */
    PAGES_UNREADABLE, /* the system could not read it (`error`): not judged */
};

struct pages_report {
    enum pages_verdict verdict;
    uint64_t pages, bad; /* reached; of them damaged */
    char why[200];       /* DAMAGED, SHORT: the first thing that is wrong, in words */
    int error;           /* UNREADABLE: errno's value */
};

/*
 * One entry of a table. table is the table's name; SLICE_NONE for what was found in pages that no table leads to any more (see
 * pages_salvage). All borrowed for the call.
 */
typedef void (*pages_entry)(void *ctx, struct slice table, struct slice key, struct slice value);

/* The two meta pages and the length only: what LMDB itself believes at mdb_env_open. Quick; the writer's lock is held. */
void pages_check_header(int fd, struct pages_report *out);

/*
 * Walk every tree: page headers, counts, order of the keys, each page used once, no used page in the free list. `entry` (NULL: nobody
 * listens) hears of every entry that can be read, also in damaged files, tables in no order.
 */
void pages_walk(int fd, pages_entry entry, void *ctx, struct pages_report *out);

/* The same; where it is damaged, also the leaf pages that are neither reached nor free are read. */
void pages_salvage(int fd, pages_entry entry, void *ctx, struct pages_report *out);

#endif
