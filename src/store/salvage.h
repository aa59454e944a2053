/*
 * salvage.h - is the store in a directory damaged, and what of it can be taken over into a new one? Reads and writes files; needs the
 * writer's lock to be held, and nobody to have the store open for writing. Run in a process of its own (examine.h).
 */
#ifndef TARSIER_STORE_SALVAGE_H
#define TARSIER_STORE_SALVAGE_H

#include "base/buf.h"
#include "store/pages.h"

struct salvage_report {
    struct pages_report pages; /* FINE, too, for what is whole but of another version: that is seen when it is opened */
    uint64_t records;          /* taken over */
    int failed;                /* the new store could not be made: LMDB's code or errno's value; 0: it is there */
};

/* Walk the pages, and look for what every store has. `afresh`: from the disk, not from the kernel's memory of it. */
void salvage_examine(const char *directory, bool afresh, struct salvage_report *out);

/* The same; when it is damaged make the new store, in a directory below. The store itself is only read. */
void salvage_make(const char *directory, struct salvage_report *out);

/*
 * Put the new store in the place of the damaged one, which is kept as damaged.1.mdb; the one before becomes damaged.2.mdb. At no time is
 * there none. Returns errno's value, with the name of what failed in *why.
 */
int salvage_put_in_place(const char *directory, struct buf *why);

#endif
