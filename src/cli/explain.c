/* explain.c - `tarsier explain`: facts from the command line, DNS and the daemon; the explanation to stdout. */
#include "cli/cli.h"
#include "base/mem.h"
#include "cli/ask_dns.h"
#include "cli/ctl.h"
#include "explain/explain.h"
#include "explain/lookup.h"
#include "formats/lines.h"
#include "grey/decide.h"
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

struct explain_options {
    struct cli_daemon at;
    bool json, resolves, records;
};

/* Returns NULL, or what is wrong; "": that has been told. */
static const char *read_options(const struct command *command, int argc, char **argv, struct explain_facts *f,
                                struct explain_options *o)
{
    int c;
    while ((c = cli_option(command, argc, argv)) != -1) {
        switch (c) {
        case 'f':
            o->at.file = optarg;
            break;
        case 'S':
            o->at.socket = optarg;
            break;
        case 'k':
            o->records = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'R':
            o->resolves = true;
            break;
        case 'H':
            f->helo = slice_cstr(optarg);
            break;
        case 's':
            f->state = slice_cstr(optarg);
            break;
        case 'r':
            if (!read_resolve(optarg, &f->resolve))
                return "--client-resolve takes ok, forged, temp or fail";
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
            return "";
        }
    }
    if (o->resolves && (f->resolve != RESOLVE_ABSENT || f->ptr.len))
        return "--resolve looks up what --client-resolve and --ptr say";
    if (o->records && f->state.len)
        return "--records asks for what --state says";
    if (o->at.socket && !o->records)
        return "--socket is where --records asks";
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
        return "--client-resolve ok needs a name";
    f->sender = slice_cstr(argv[2]);
    f->recipient = slice_cstr(argv[3]);
    return NULL;
}

/* ---- DNS ---- */

static void take_answer(void *ctx, const struct event *answer)
{
    lookup_answer(ctx, answer);
}

/* The name given is what a log says of then; what DNS says now counts. */
static void warn_of_name(const struct explain_facts *f, struct slice given)
{
    if (given.len && !slice_eq_nocase(given, f->name))
        fprintf(stderr, "tarsier explain: DNS now %s \"%.*s\"\n",
                f->name.len ? "verifies another name than" : "verifies no name; it was given as", SLICE_ARG(given));
}

/* False, and said why: nobody can be asked. Owner of the facts' new text: l. */
static bool look_up(struct lookup *l, struct explain_facts *f)
{
    struct effect question;
    struct buf why = {0};
    struct slice given = f->name;
    bool ok = true;
    lookup_begin(l, &f->client, f->helo);
    while (ok && lookup_question(l, &question))
        ok = ask_dns(&question, NULL, take_answer, l, &why) == ERR_NONE;
    if (ok) {
        lookup_facts(l, f);
        warn_of_name(f, given);
    } else {
        fprintf(stderr, "tarsier explain: %s\n", buf_cstr(&why));
    }
    buf_fini(&why);
    return ok;
}

/* ---- the daemon ---- */

struct asked {
    struct arena arena; /* the records' texts */
    struct grey_record records[GREY_SLOTS];
    size_t n;
    bool strange; /* a row that is none of ours */
};

static void take_record(void *ctx, const struct ctl_line *row)
{
    struct asked *a = ctx;
    struct line line;
    const char *why;
    struct slice text = arena_slice(&a->arena, ctl_field(row, 0));
    if (line_parse(&a->arena, text, &line, &why) != ERR_NONE || line.kind != LINE_RECORD || a->n == COUNT_OF(a->records))
        a->strange = true;
    else
        a->records[a->n++] = line.record;
}

/* Returns CLI_OK, or an exit status after it was said why. Owner of the facts' new texts: a. */
static int ask_records(const struct command *c, const struct cli_daemon *at, const struct plan *plan, struct asked *a,
                       struct explain_facts *f)
{
    struct wanted wanted;
    struct slice words[1 + WANTED_WORDS_MAX] = {SLICE_LIT("explain")};
    explain_wanted(plan, f, &a->arena, &wanted);
    size_t n = 1 + wanted_put(&wanted, &a->arena, words + 1);
    int status = cli_ask(c, at, words, n, take_record, a);
    if (status == CLI_OK && a->strange) {
        fprintf(stderr, "tarsier explain: the daemon's answer cannot be read: is it of another version?\n");
        return CLI_FAILED;
    }
    f->has_records = true;
    f->records = a->records;
    f->n_records = a->n;
    return status;
}

static int tell(struct plan *plan, const struct explain_facts *facts, bool json)
{
    struct buf text = {0};
    const char *error = NULL;
    int status = CLI_OK;
    if ((json ? explain_json : explain)(plan, facts, &text, &error) == ERR_NONE) {
        fputs(buf_cstr(&text), stdout);
    } else {
        fprintf(stderr, "tarsier explain: --state \"%.*s\" cannot be read; it understands %s\n", SLICE_ARG(facts->state),
                error);
        status = CLI_USAGE;
    }
    buf_fini(&text);
    return status;
}

int cli_explain(const struct command *c, int argc, char **argv)
{
    struct explain_facts facts = {.now = {time(NULL)}};
    struct explain_options options = {0};
    struct lookup lookup = {0};
    struct asked asked = {.n = 0};
    const char *error = read_options(c, argc, argv, &facts, &options);
    if (!error)
        error = read_arguments(argc - optind, argv + optind, &facts);
    if (error)
        return cli_usage(c, error);
    struct plan *plan = cli_plan(options.at.file);
    if (!plan)
        return CLI_FAILED;
    int status = !options.resolves || look_up(&lookup, &facts) ? CLI_OK : CLI_FAILED;
    if (status == CLI_OK && options.records)
        status = ask_records(c, &options.at, plan, &asked, &facts);
    if (status == CLI_OK)
        status = tell(plan, &facts, options.json);
    arena_fini(&asked.arena);
    lookup_fini(&lookup);
    plan_unref(plan);
    return status;
}
