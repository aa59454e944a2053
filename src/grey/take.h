/*
 * take.h - a record that comes from elsewhere (an import, another host's store) beside what is known here. Any kind of record: its key
 * follows from what it says itself, and two of one key become one. Taking the same in twice changes nothing the second time.
 */
#ifndef TARSIER_GREY_TAKE_H
#define TARSIER_GREY_TAKE_H

#include "grey/key.h"
#include "grey/record.h"

/* Where a record stands. addr_bits: of subnetmatch or subnetmatch6, whichever fits its address. */
void grey_record_key(const struct grey_secret *secret, const struct grey_record *r, unsigned addr_bits,
                     struct grey_key *out);

/* Where the client's own record stands, which tells whether what was served is confirmed. */
void grey_record_client_key(const struct grey_record *r, struct grey_key *out);

/* Of one kind and one text: not two that share nothing but a hash. */
bool grey_record_is_same(const struct grey_record *a, const struct grey_record *b);

enum grey_taken { GREY_TAKEN_KNOWN, GREY_TAKEN_CHANGED, GREY_TAKEN_ADDED };

/*
 * Make *record what is to be known from now on. there: the record that stands under its key, or NULL; client: the client's own, or NULL.
 * Owner: *record keeps its own texts.
 */
enum grey_taken grey_take_in(struct grey_record *record, const struct grey_record *there, const struct grey_record *client);

/* lazyaw: an AUTO tuple stands for its client too. What it says of the client; false where it says nothing. */
bool grey_record_lazy(const struct grey_record *r, struct grey_record *out);

#endif
