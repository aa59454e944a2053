/* libmilter_numbers.c - the numbers as libmilter's own headers give them. Apart from our headers: the names are the same. */
#include "numbers.h"

#ifdef HAVE_LIBMILTER
#include <sys/types.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

#define ROW(name) {#name, (long)(name)},
const struct number libmilter_numbers[] = {NUMBERS_ALL(ROW)};
const size_t libmilter_numbers_count = sizeof(libmilter_numbers) / sizeof(libmilter_numbers[0]);
#else
const struct number libmilter_numbers[1];
const size_t libmilter_numbers_count = 0;
#endif
