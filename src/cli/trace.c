/* trace.c - `tarsier trace on|off|list`: every step of some clients' dialogues in the log. */
#include "cli/ctl.h"
#include "cli/screen.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

/* There are none yet; a later daemon may have some. */
static void pass_over(void *ctx, const struct ctl_line *row)
{
    (void)ctx, (void)row;
}

int cli_trace_on(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at = {0};
    int64_t sec = 3600;
    char seconds[24];
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else if (o != 't')
            return cli_usage(c, NULL);
        else if (cli_duration(optarg, &sec) != ERR_NONE)
            return cli_usage(c, "--for takes a time such as 10m or 2h");
    }
    if (argc - optind != 1)
        return cli_usage(c, "it takes an address or a network");
    snprintf(seconds, sizeof(seconds), "%" PRId64, sec);
    const struct slice words[] = {SLICE_LIT("trace"), SLICE_LIT("on"), slice_cstr(argv[optind]), slice_cstr(seconds)};
    return cli_ask(c, &at, words, 4, pass_over, NULL);
}

int cli_trace_off(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at;
    struct slice words[CTL_WORDS_MAX];
    int status = cli_daemon_options(c, argc, argv, &at, NULL);
    if (status != CLI_OK)
        return status;
    if (argc - optind != 1)
        return cli_usage(c, "it takes an address, a network, or all");
    return cli_ask(c, &at, words, cli_words(c, argc, argv, words), pass_over, NULL);
}

struct listing {
    struct buf out;
    bool json;
    unsigned count;
};

static void take(void *ctx, const struct ctl_line *row)
{
    struct listing *l = ctx;
    uint64_t left;
    if (!slice_eq_cstr(ctl_field(row, 0), "trace") || slice_to_u64(ctl_field(row, 2), &left) != ERR_NONE)
        return;
    if (l->json) {
        buf_put_cstr(&l->out, l->count ? ",{\"client\":" : "{\"client\":");
        screen_put_json(&l->out, ctl_field(row, 1));
        buf_printf(&l->out, ",\"left_seconds\":%" PRIu64 "}", left);
    } else {
        buf_put_visible(&l->out, ctl_field(row, 1));
        buf_put_cstr(&l->out, "  for ");
        screen_put_duration(&l->out, (int64_t)left);
        buf_put_byte(&l->out, '\n');
    }
    l->count++;
}

int cli_trace_list(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at;
    struct listing l = {0};
    struct slice words[CTL_WORDS_MAX];
    int status = cli_daemon_options(c, argc, argv, &at, &l.json);
    if (status != CLI_OK)
        return status;
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    status = cli_ask(c, &at, words, cli_words(c, argc, argv, words), take, &l);
    if (status == CLI_OK && l.json)
        printf("[%s]\n", l.count ? buf_cstr(&l.out) : "");
    else if (status == CLI_OK)
        printf("%s", l.count ? buf_cstr(&l.out) : "no client is traced\n");
    buf_fini(&l.out);
    return status;
}
