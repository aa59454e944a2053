/* check.h - is a configuration right, and what is in force by it? The same for tarsierd --check and tarsier check. Blocks. */
#ifndef TARSIER_SETUP_CHECK_H
#define TARSIER_SETUP_CHECK_H

#include <stdbool.h>

struct check_question {
    const char *program; /* for messages */
    const char *file, *postfix_dir;
    bool show;     /* print what is in force, instead of asking whether it could start on this machine */
    bool quiet;    /* errors only */
    bool networks; /* compare with Postfix's own networks, and print the lines to add */
};

/* To standard output and standard error. Needs no rights and makes nothing. False: there is an error. */
bool check_tell(const struct check_question *q);

#endif
