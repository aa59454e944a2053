/* options.c - getopt_long over a short table. */
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>

enum { OPT_CHECK = 256, OPT_SHOW_CONFIG, OPT_POSTFIX };

static const struct option longs[] = {
    {"file", required_argument, NULL, 'f'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"show-config", no_argument, NULL, OPT_SHOW_CONFIG},
    {"quiet", no_argument, NULL, 'q'},
    {"postfix", optional_argument, NULL, OPT_POSTFIX},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* `--postfix=DIR`, `--postfix DIR`, or `--postfix` alone: getopt's optional arguments know the first and the last. */
static void take_postfix(int argc, char **argv, struct options *out)
{
    out->postfix_named = true;
    if (optarg)
        out->postfix_dir = optarg;
    else if (optind < argc && argv[optind][0] != '-')
        out->postfix_dir = argv[optind++];
}

bool options_parse(int argc, char **argv, struct options *out)
{
    *out = (struct options){.job = JOB_RUN, .postfix_dir = "/etc/postfix"};
    for (int c; (c = getopt_long(argc, argv, "f:qVh", longs, NULL)) != -1;) {
        switch (c) {
        case 'f':
            out->file = optarg;
            break;
        case OPT_CHECK:
            out->job = JOB_CHECK;
            break;
        case OPT_SHOW_CONFIG:
            out->job = JOB_SHOW_CONFIG;
            break;
        case 'q':
            out->quiet = true;
            break;
        case OPT_POSTFIX:
            take_postfix(argc, argv, out);
            break;
        case 'V':
            out->job = JOB_VERSION;
            return true;
        case 'h':
            out->job = JOB_HELP;
            return true;
        default: /* getopt_long has said what is wrong */
            fputs("tarsierd --help tells more\n", stderr);
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "tarsierd: unexpected argument: %s\ntarsierd --help tells more\n", argv[optind]);
        return false;
    }
    return true;
}

void options_print_help(void)
{
    fputs("usage: tarsierd [-f FILE] [--check [-q] | --show-config] [--postfix [DIR]]\n"
          "\n"
          "A milter that holds, greylists and passes. Runs in the foreground; SIGHUP reads the configuration\n"
          "again, SIGTERM ends it.\n"
          "\n"
          "  -f, --file FILE    the configuration; without it /etc/tarsier/tarsier.conf, else the shipped "
          "one.\n"
          "                     A greylist.conf as it stands will do\n"
          "      --check        read the configuration, say what is wrong with it or keeps this machine from\n"
          "                     starting it, and end\n"
          "  -q, --quiet        with --check: errors only\n"
          "      --show-config  print all that is in force, with where each part comes from, and end\n"
          "      --postfix [DIR]  where Postfix's main.cf and master.cf are (/etc/postfix), for its process limit.\n"
          "                     With --check also: compare its mynetworks, relayhost and relay_domains, and print\n"
          "                     the lines to add\n"
          "  -V, --version      print the version, and end\n"
          "  -h, --help         print this, and end\n"
          "\n"
          "Exit status: 0 fine, 1 an error in the configuration or at the start, 2 wrong usage.\n",
          stdout);
}
