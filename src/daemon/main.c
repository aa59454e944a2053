/*
 * main.c - tarsierd: the command line, where the log goes, and the two jobs that need nothing running: --check and --show-config.
 */
#include "daemon/daemon.h"
#include "setup/check.h"
#include "setup/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_WRONG = 1, EXIT_USAGE = 2 };

/* stderr when somebody reads it: a terminal, a pipe or a file. Else (closed, /dev/null, the journal's socket) syslog. */
static enum log_target target_choose(void)
{
    struct stat st;
    if (fstat(STDERR_FILENO, &st) < 0)
        return LOG_TARGET_SYSLOG;
    bool read = S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || isatty(STDERR_FILENO);
    return read ? LOG_TARGET_STDERR : LOG_TARGET_SYSLOG;
}

/* Nothing that is opened later must become descriptor 0, 1 or 2 by chance. */
static bool standard_files_open(void)
{
    for (;;) {
        int fd = open("/dev/null", O_RDWR);
        if (fd < 0)
            return false;
        if (fd > STDERR_FILENO) {
            close(fd);
            return true;
        }
    }
}

static int tell_config(const struct options *options, const char *file)
{
    const struct check_question q = {.program = "tarsierd",
                                     .file = file,
                                     .postfix_dir = options->postfix_dir,
                                     .show = options->job == JOB_SHOW_CONFIG,
                                     .quiet = options->quiet,
                                     .networks = options->job == JOB_CHECK && options->postfix_named};
    return check_tell(&q) ? EXIT_FINE : EXIT_WRONG;
}

int main(int argc, char **argv)
{
    enum log_target target = target_choose();
    struct options options;
    if (!standard_files_open())
        return EXIT_WRONG;
    if (!options_parse(argc, argv, &options))
        return EXIT_USAGE;
    const char *file = options.file ? options.file : files_default();
    switch (options.job) {
    case JOB_VERSION:
        puts("tarsierd " TARSIER_VERSION);
        return EXIT_FINE;
    case JOB_HELP:
        options_print_help();
        return EXIT_FINE;
    case JOB_CHECK:
    case JOB_SHOW_CONFIG:
        return tell_config(&options, file);
    case JOB_RUN:
        break;
    }
    return daemon_run(&options, file, target);
}
