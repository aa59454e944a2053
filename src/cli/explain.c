/* explain.c - `tarsier explain`: facts from the command line, the explanation to stdout. */
#include "cli/cli.h"
#include "explain/explain.h"
#include "setup/files.h"
#include "setup/generation.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct plan *cli_plan(const char *path)
{
    struct diags diags;
    struct buf text = {0};
    diags_init(&diags);
    struct plan *plan = generation_read(path ? path : files_default(), &diags);
    if (!plan) {
        diags_print(&diags, &text);
        fputs(buf_cstr(&text), stderr);
    }
    buf_fini(&text);
    diags_fini(&diags);
    return plan;
}

static const struct {
    const char *name;
    enum policy_resolve resolve;
} resolves[] = {{"ok", RESOLVE_OK}, {"forged", RESOLVE_FORGED}, {"temp", RESOLVE_TEMP}, {"fail", RESOLVE_FAIL}};

static bool read_resolve(const char *word, enum policy_resolve *out)
{
    for (size_t i = 0; i < sizeof(resolves) / sizeof(resolves[0]); i++)
        if (strcmp(word, resolves[i].name) == 0) {
            *out = resolves[i].resolve;
            return true;
        }
    return false;
}

static const struct option options[] = {
    {"file", required_argument, NULL, 'f'},  {"helo", required_argument, NULL, 'H'},
    {"state", required_argument, NULL, 's'}, {"resolve", required_argument, NULL, 'r'},
    {"ptr", required_argument, NULL, 'p'},   {"auth", required_argument, NULL, 'a'},
    {"unwatched", no_argument, NULL, 'u'},   {NULL, 0, NULL, 0},
};

/* Returns NULL, or what is wrong. */
static const char *read_options(int argc, char **argv, struct explain_facts *f, const char **file)
{
    int c;
    while ((c = getopt_long(argc, argv, "f:", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            *file = optarg;
            break;
        case 'H':
            f->helo = slice_cstr(optarg);
            break;
        case 's':
            f->state = slice_cstr(optarg);
            break;
        case 'r':
            if (!read_resolve(optarg, &f->resolve))
                return "--resolve takes ok, forged, temp or fail";
            break;
        case 'p':
            f->ptr = slice_cstr(optarg);
            break;
        case 'a':
            f->authenticated = slice_cstr(optarg);
            break;
        case 'u':
            f->unwatched = true;
            break;
        default:
            return "an option that it does not know, or one without its argument";
        }
    }
    return NULL;
}

/* NAME ADDRESS SENDER RECIPIENT */
static const char *read_arguments(int argc, char **argv, struct explain_facts *f)
{
    if (argc != 4)
        return "it takes four arguments: the client's name (\"unknown\" when it has none), its address, the "
               "sender and the recipient";
    if (ip_parse(slice_cstr(argv[1]), &f->client) != ERR_NONE)
        return "the second argument is the client's IP address";
    struct slice name = slice_cstr(argv[0]);
    if (name.len && !slice_eq_cstr(name, "unknown") && !slice_eq_cstr(name, "-") && name.ptr[0] != '[')
        f->name = name;
    if (f->name.len && (f->resolve == RESOLVE_FORGED || f->resolve == RESOLVE_TEMP)) {
        f->ptr = f->name; /* a name that is not verified */
        f->name = SLICE_NONE;
    }
    if (f->resolve == RESOLVE_OK && !f->name.len)
        return "--resolve ok needs a name";
    f->sender = slice_cstr(argv[2]);
    f->recipient = slice_cstr(argv[3]);
    return NULL;
}

int cli_explain(const struct command *c, int argc, char **argv)
{
    struct explain_facts facts = {.now = {time(NULL)}};
    const char *file = NULL, *error = read_options(argc, argv, &facts, &file);
    if (!error)
        error = read_arguments(argc - optind, argv + optind, &facts);
    if (error)
        return cli_usage(c, error);
    struct plan *plan = cli_plan(file);
    if (!plan)
        return CLI_FAILED;
    struct buf text = {0};
    int status = CLI_OK;
    if (explain(plan, &facts, &text, &error) == ERR_NONE) {
        fputs(buf_cstr(&text), stdout);
    } else {
        fprintf(stderr, "tarsier explain: --state \"%.*s\" cannot be read; it understands %s\n", SLICE_ARG(facts.state),
                error);
        status = CLI_USAGE;
    }
    buf_fini(&text);
    plan_unref(plan);
    return status;
}
