/* metrics.c - `tarsier metrics`: Prometheus's text form to standard output, or into a file as node_exporter wants it. */
#include "cli/ctl.h"
#include "file/replace.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void take(void *ctx, const struct ctl_line *row)
{
    struct buf *out = ctx;
    buf_put_slice(out, ctl_field(row, 0));
    buf_put_byte(out, '\n');
}

/* Whoever reads the file never sees a part of it, and need not be the one who writes it. */
static int write_file(const char *path, struct slice text)
{
    if (file_replace(path, text, 0644, FILE_OF_WRITER) == ERR_NONE)
        return CLI_OK;
    fprintf(stderr, "tarsier metrics: %s: %s\n", path, strerror(errno));
    return CLI_FAILED;
}

int cli_metrics(const struct command *c, int argc, char **argv)
{
    struct cli_daemon at = {0};
    struct buf out = {0};
    const char *path = NULL;
    for (int o; (o = cli_option(c, argc, argv)) != -1;) {
        if (o == 'o')
            path = optarg;
        else if (o == 'f')
            at.file = optarg;
        else if (o == 'S')
            at.socket = optarg;
        else
            return cli_usage(c, NULL);
    }
    if (argc != optind)
        return cli_usage(c, "it takes no arguments beside its options");
    int status = cli_ask(c, &at, (struct slice[]){SLICE_LIT("metrics")}, 1, take, &out);
    if (status == CLI_OK && path)
        status = write_file(path, buf_slice(&out));
    else if (status == CLI_OK && (fwrite(out.ptr ? out.ptr : "", 1, out.len, stdout) != out.len || fflush(stdout) != 0))
        status = CLI_FAILED;
    buf_fini(&out);
    return status;
}
