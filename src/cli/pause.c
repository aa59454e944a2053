/* pause.c - `tarsier pause 1h`. */
#include "cli/ctl.h"
#include "cli/screen.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void tell(void *ctx, const struct ctl_line *row)
{
    uint64_t until;
    struct buf line = {0};
    (void)ctx;
    if (!slice_eq_cstr(ctl_field(row, 0), "until") || slice_to_u64(ctl_field(row, 1), &until) != ERR_NONE)
        return;
    buf_put_cstr(&line, "Nobody is held or deferred until ");
    screen_put_time(&line, (struct wall){(int64_t)until}, (struct wall){(int64_t)time(NULL)});
    printf("%s. Sooner: tarsier resume\n", buf_cstr(&line));
    buf_fini(&line);
}

int cli_pause(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at;
    int64_t sec;
    char seconds[24];
    int status = cli_daemon_options(c, argc, argv, &at, NULL);
    if (status != CLI_OK)
        return status;
    if (argc - optind != 1 || cli_duration(argv[optind], &sec) != ERR_NONE)
        return cli_usage(c, "it takes a time such as 30m or 1h");
    snprintf(seconds, sizeof(seconds), "%" PRId64, sec);
    return cli_ask(c, &at, (struct slice[]){SLICE_LIT("pause"), slice_cstr(seconds)}, 2, tell, NULL);
}
