/* load_options.h - what the load generator is to do. */
#ifndef TARSIER_BENCH_LOAD_OPTIONS_H
#define TARSIER_BENCH_LOAD_OPTIONS_H

#include "dialogue.h"
#include "socket.h"

struct load_options {
    struct socket_address filter;
    uint64_t sessions; /* 0: no bound */
    double seconds, rate;
    uint32_t concurrent;
    uint64_t first, tuples, seed;
    uint32_t hold;
    bool real_clients, show_terms;
    struct dialogue_settings dialogue;
};

/* From the command line; ends the program when it is wrong. Texts are borrowed from argv. */
void load_options_parse(struct load_options *o, int argc, char **argv);

#endif
