/*
 * main.c - tarsierd: the command line, where the log goes, and the two jobs that need nothing running: --check and --show-config.
 */
#include "conf/print.h"
#include "daemon/daemon.h"
#include "setup/files.h"
#include "setup/postfix.h"

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

static void diags_to_stderr(const struct diags *diags, enum diag_level least)
{
    struct buf text = {0};
    diags_print_from(diags, least, &text);
    fputs(buf_cstr(&text), stderr);
    buf_fini(&text);
}

/*
 * --check --postfix: what the configuration lacks of Postfix's own networks, as lines for it. They are the answer to a question, so
 * --quiet leaves them. False after a message when Postfix cannot be asked.
 */
static bool tell_networks(const struct options *options, const struct plan *plan)
{
    struct buf lines = {0}, why = {0};
    size_t n;
    bool asked = setup_postfix_networks(options->postfix_dir, plan, &lines, &n, &why) == ERR_NONE;
    if (!asked)
        fprintf(stderr, "tarsierd: Postfix's networks cannot be compared: %s\n", buf_cstr(&why));
    else if (n == 0 && !options->quiet)
        printf("Postfix's mynetworks, relayhost and relay_domains: nothing to add\n");
    else if (n > 0)
        printf("# Lines to add before the racl line that holds, best in a file of their own in /etc/tarsier/conf.d/:\n");
    fputs(buf_cstr(&lines), stdout);
    buf_fini(&lines);
    buf_fini(&why);
    return asked;
}

/* --check, --show-config: they need no rights and make nothing. Only --check asks whether it can start on this machine. */
static int tell_config(const struct options *options, const char *file)
{
    struct loaded l;
    loaded_read(file, options->postfix_dir, &l);
    if (options->job == JOB_CHECK)
        loaded_check_system(&l, false);
    diags_to_stderr(&l.diags, options->quiet ? DIAG_ERROR : DIAG_NOTE);
    if (l.plan && options->job == JOB_SHOW_CONFIG) {
        struct buf text = {0};
        conf_print(l.plan->conf, &text);
        fwrite(text.ptr, 1, text.len, stdout);
        buf_fini(&text);
    } else if (l.plan && !options->quiet) {
        printf("%s: no errors, %zu warning%s\n", file, l.diags.warnings, l.diags.warnings == 1 ? "" : "s");
    }
    int status = l.plan ? EXIT_FINE : EXIT_WRONG;
    if (l.plan && options->job == JOB_CHECK && options->postfix_named && !tell_networks(options, l.plan))
        status = EXIT_WRONG;
    loaded_fini(&l);
    if (fflush(stdout) != 0) {
        perror("tarsierd");
        status = EXIT_WRONG;
    }
    return status;
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
