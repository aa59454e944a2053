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
};

/* Whether a line's progress is to be shown: not each one's is, and only on a terminal. */
bool replay_progress_is_due(struct replay_command *r);
void replay_progress(const struct replay_command *r, uint64_t read_bytes);
/* Say that a file cannot be read; returns CLI_FAILED. */
int replay_failed(const char *path, const char *why);

/* All of these files into r->replay. Returns an exit status; what can be read is read in any case. */
int replay_read_logs(struct replay_command *r, int n, char **paths);

#endif
