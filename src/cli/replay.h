/* replay.h - what the files of `tarsier replay` share. */
#ifndef TARSIER_CLI_REPLAY_H
#define TARSIER_CLI_REPLAY_H

#include "cli/cli.h"
#include "gzip/gzip.h"
#include "replay/report.h"
#include "replay/trace.h"

struct replay_command {
    const char *conf; /* NULL: the default one */
    struct replay_options options;
    struct replay_reading reading;
    struct replay *replay;
    bool json, show_unread, shows_progress;
    uint64_t all_bytes; /* of all files; 0: not known */
    uint64_t progress_calls;
};

/* Call for each line. */
void replay_progress(struct replay_command *r, uint64_t read_bytes);
/* Say that a file cannot be read; returns CLI_FAILED. */
int replay_failed(const char *path, const char *why);

#endif
