/* options.h - tarsierd's command line. */
#ifndef TARSIER_DAEMON_OPTIONS_H
#define TARSIER_DAEMON_OPTIONS_H

#include <stdbool.h>

enum options_job { JOB_RUN, JOB_CHECK, JOB_SHOW_CONFIG, JOB_VERSION, JOB_HELP };

struct options {
    enum options_job job;
    bool quiet;              /* of --check: errors alone */
    const char *file;        /* NULL: none is named */
    const char *postfix_dir; /* where main.cf and master.cf are */
    bool postfix_named;      /* --postfix was given: --check compares Postfix's networks */
};

/* False after a message to stderr when the line is wrong. Strings are argv's. */
bool options_parse(int argc, char **argv, struct options *out);
void options_print_help(void); /* to stdout */

#endif
