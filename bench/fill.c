/*
 * fill.c - write tuples 0 to N-1 as a database file of milter-greylist, for `tarsier import`: a store of any size in one go.
 * Knows the file's form, nothing of the store.
 */
#include "tuple.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] = "usage: fill --tuples N [--clients N] [--pending] > FILE\n"
                            "  --clients N   spread over N client addresses (default all of 198.18.0.0/15)\n"
                            "  --pending     tuples still to be confirmed; default: ones that have passed (AUTO)\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {{"tuples", required_argument, NULL, 't'},
                                            {"clients", required_argument, NULL, 'c'},
                                            {"pending", no_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    uint64_t tuples = 0;
    uint32_t clients = TUPLE_CLIENTS_MAX;
    const char *tail = " AUTO";
    /* the end of what has passed; the accept time of what is pending */
    long long when = (long long)time(NULL) + 30 * 86400;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't':
            tuples = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            clients = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            tail = "";
            when = (long long)time(NULL) + 1800;
            break;
        default:
            fputs(usage, stderr);
            return 64;
        }
    }
    if (tuples == 0 || clients == 0 || clients > TUPLE_CLIENTS_MAX) {
        fputs(usage, stderr);
        return 64;
    }
    for (uint64_t n = 0; n < tuples; n++) {
        char address[16], sender[TUPLE_TEXT_MAX], recipient[TUPLE_TEXT_MAX];
        tuple_address(tuple_client(n, clients), address);
        tuple_sender(n, sender);
        tuple_recipient(n, 0, recipient);
        printf("%s\t%s\t%s\t%lld%s\n", address, sender, recipient, when, tail);
    }
    return fflush(stdout) != 0;
}
