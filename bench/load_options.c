/* load_options.c - the load generator's command line. */
#include "load_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: load --connect unix:PATH|inet:PORT@ADDRESS [options]\n"
    "  --kind ordinary|suspicious   the clients' names (ordinary)\n"
    "  --sessions N                 end after N sessions\n"
    "  --seconds T                  end after T seconds (10)\n"
    "  --concurrent N               sessions at once (20)\n"
    "  --rate N                     start at most N sessions a second\n"
    "  --rcpts N                    recipients a session (1)\n"
    "  --message                    send a message after an accepted recipient\n"
    "  --headers N --body BYTES     its size (10, 2048)\n"
    "  --first N                    number of the first tuple (0); each session takes the next\n"
    "  --tuples N                   instead: a random one of the tuples 0 to N-1\n"
    "  --clients N                  spread over N client addresses of 198.18.0.0/15 (all)\n"
    "  --hold N                     open N sessions, keep them at RCPT for T seconds, report what came\n"
    "  --real-clients               a true TCP connection behind each session\n"
    "  --daemon-address A           where those end (127.0.0.1)\n"
    "  --seed N                     of the random tuples (1)\n"
    "  --show-terms                 also print what the filter asked for\n";

enum {
    OPT_CONNECT = 256,
    OPT_KIND,
    OPT_SESSIONS,
    OPT_SECONDS,
    OPT_CONCURRENT,
    OPT_RATE,
    OPT_RCPTS,
    OPT_MESSAGE,
    OPT_HEADERS,
    OPT_BODY,
    OPT_FIRST,
    OPT_TUPLES,
    OPT_CLIENTS,
    OPT_HOLD,
    OPT_REAL,
    OPT_DAEMON,
    OPT_SEED,
    OPT_TERMS,
};

static const struct option long_options[] = {
    {"connect", required_argument, NULL, OPT_CONNECT},
    {"kind", required_argument, NULL, OPT_KIND},
    {"sessions", required_argument, NULL, OPT_SESSIONS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"concurrent", required_argument, NULL, OPT_CONCURRENT},
    {"rate", required_argument, NULL, OPT_RATE},
    {"rcpts", required_argument, NULL, OPT_RCPTS},
    {"message", no_argument, NULL, OPT_MESSAGE},
    {"headers", required_argument, NULL, OPT_HEADERS},
    {"body", required_argument, NULL, OPT_BODY},
    {"first", required_argument, NULL, OPT_FIRST},
    {"tuples", required_argument, NULL, OPT_TUPLES},
    {"clients", required_argument, NULL, OPT_CLIENTS},
    {"hold", required_argument, NULL, OPT_HOLD},
    {"real-clients", no_argument, NULL, OPT_REAL},
    {"daemon-address", required_argument, NULL, OPT_DAEMON},
    {"seed", required_argument, NULL, OPT_SEED},
    {"show-terms", no_argument, NULL, OPT_TERMS},
    {NULL, 0, NULL, 0},
};

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
    uint64_t v;
    if (slice_to_u64(slice_cstr(text), &v) != ERR_NONE || v < min || v > max) {
        fprintf(stderr, "load: %s: not a number from %llu to %llu\n", text, (unsigned long long)min,
                (unsigned long long)max);
        exit(64);
    }
    return v;
}

static bool take_option(struct load_options *o, int c, const char *arg)
{
    switch (c) {
    case OPT_CONNECT:
        return socket_parse(arg, &o->filter) == ERR_NONE;
    case OPT_KIND:
        o->dialogue.kind = slice_eq_cstr(slice_cstr(arg), "suspicious") ? DIALOGUE_SUSPICIOUS : DIALOGUE_ORDINARY;
        return o->dialogue.kind == DIALOGUE_SUSPICIOUS || slice_eq_cstr(slice_cstr(arg), "ordinary");
    case OPT_SESSIONS:
        o->sessions = number(arg, 1, UINT64_MAX);
        return true;
    case OPT_SECONDS:
        o->seconds = (double)number(arg, 1, 86400);
        return true;
    case OPT_CONCURRENT:
        o->concurrent = (uint32_t)number(arg, 1, 100000);
        return true;
    case OPT_RATE:
        o->rate = (double)number(arg, 1, 1000000);
        return true;
    case OPT_RCPTS:
        o->dialogue.recipients = (unsigned)number(arg, 1, 1000);
        return true;
    case OPT_MESSAGE:
        o->dialogue.message = true;
        return true;
    case OPT_HEADERS:
        o->dialogue.headers = (unsigned)number(arg, 0, 1000);
        return true;
    case OPT_BODY:
        o->dialogue.body_bytes = number(arg, 0, 100000000);
        return true;
    case OPT_FIRST:
        o->first = number(arg, 0, UINT64_MAX / 2);
        return true;
    case OPT_TUPLES:
        o->tuples = number(arg, 1, UINT64_MAX / 2);
        return true;
    case OPT_CLIENTS:
        o->dialogue.clients = (uint32_t)number(arg, 1, TUPLE_CLIENTS_MAX);
        return true;
    case OPT_HOLD:
        o->hold = (uint32_t)number(arg, 1, 1000000);
        return true;
    case OPT_REAL:
        o->real_clients = true;
        return true;
    case OPT_DAEMON:
        snprintf(o->dialogue.daemon_address, sizeof(o->dialogue.daemon_address), "%s", arg);
        return true;
    case OPT_SEED:
        o->seed = number(arg, 1, UINT64_MAX);
        return true;
    case OPT_TERMS:
        o->show_terms = true;
        return true;
    default:
        return false;
    }
}

void load_options_parse(struct load_options *o, int argc, char **argv)
{
    *o = (struct load_options){.seconds = 10, .concurrent = 20, .seed = 1};
    o->dialogue = (struct dialogue_settings){.recipients = 1,
                                             .headers = 10,
                                             .body_bytes = 2048,
                                             .host = SLICE_LIT("mx.example.net"),
                                             .daemon_address = "127.0.0.1",
                                             .daemon_port = 25,
                                             .clients = TUPLE_CLIENTS_MAX};
    bool ok = true;
    for (int c; ok && (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
        ok = take_option(o, c, optarg);
    if (!ok || optind != argc || o->filter.len == 0) {
        fputs(usage, stderr);
        exit(64);
    }
    /* bounded always: without --seconds a number of sessions has ten minutes */
    if (o->sessions > 0 && o->seconds == 10)
        o->seconds = 600;
}
