/* export.h - records of the store as text, to whom it may concern: `tarsier export` and `tarsier backup`. */
#ifndef TARSIER_CLI_EXPORT_H
#define TARSIER_CLI_EXPORT_H

#include "cli/access.h"
#include "grey/filter.h"

#include <stdio.h>

enum export_form { EXPORT_LINES, EXPORT_DUMP };

/*
 * Write every record that the filter means. False after it was said what is wrong. *records counts those that are written; a dump has no
 * place for some.
 */
bool export_records(struct access *a, const struct grey_filter *filter, enum export_form form, FILE *out, uint64_t *records);

/* The first line of lines of ours, and the last one. */
void export_put_head(FILE *out);
void export_put_end(FILE *out, uint64_t records, uint64_t parts);

#endif
