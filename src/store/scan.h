/* scan.h - a slice of the records, read in one short transaction. */
#ifndef TARSIER_STORE_SCAN_H
#define TARSIER_STORE_SCAN_H

#include "port/store.h"
#include "store/tables.h"

/*
 * The next slice; max_us: how long the transaction may live. The caller sees to it that the environment stays open meanwhile. Returns
 * LMDB's code; after any but 0 nothing is found.
 */
int scan_slice(const struct tables *t, struct store_slice *slice, int64_t max_us);

#endif
