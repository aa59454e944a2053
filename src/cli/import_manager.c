/*
 * import_manager.c - `tarsier import milter-manager`: what --show-config prints, from a file or from standard input, as a
 * tarsier.conf on standard output. Changes nothing.
 */
#include "cli/cli.h"
#include "formats/manager_conf.h"
#include "setup/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where packages of milter-greylist have their configuration: Debian, Red Hat and the source, FreeBSD. */
static const char *find_greylist_conf(void)
{
    static const char *const paths[] = {"/etc/milter-greylist/greylist.conf", "/etc/mail/greylist.conf",
                                        "/usr/local/etc/mail/greylist.conf"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (access(paths[i], F_OK) == 0)
            return paths[i];
    return NULL;
}

static enum err read_input(const char *path, struct buf *text)
{
    if (strcmp(path, "-") != 0)
        return file_read(path, MANAGER_TEXT_MAX_BYTES, text);
    int fd = dup(STDIN_FILENO);
    return fd < 0 ? ERR_IO : file_finish(fd, MANAGER_TEXT_MAX_BYTES, text);
}

static bool convert(const char *name, struct slice text, struct buf *out)
{
    struct arena arena = {0};
    struct manager_config config;
    struct manager_error error;
    const struct manager_conf_options options = {.greylist_conf = find_greylist_conf()};
    enum err e = manager_parse(&arena, text, &config, &error);
    if (e == ERR_NONE)
        manager_put_conf(&config, &options, out);
    else
        fprintf(stderr,
                "tarsier import: %s:%u:%u: %s\n"
                "It reads what `milter-manager --show-config` prints, not milter-manager.conf itself, which is a Ruby "
                "program.\n",
                name, error.line, error.column, error.why);
    arena_fini(&arena);
    return e == ERR_NONE;
}

int cli_import_manager(const struct command *c, int argc, char **argv)
{
    if (argc != 2 || (argv[1][0] == '-' && argv[1][1]))
        return cli_usage(c, "it takes one file: what `milter-manager --show-config` printed, or - for standard input");
    const char *path = argv[1], *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct buf text = {0}, out = {0};
    enum err e = read_input(path, &text);
    bool done = false;
    if (e != ERR_NONE)
        fprintf(stderr, "tarsier import: %s: %s\n", name, e == ERR_IO || e == ERR_NOT_FOUND ? strerror(errno) : err_text(e));
    else
        done = convert(name, buf_slice(&text), &out);
    if (done && (fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout) != 0)) {
        fprintf(stderr, "tarsier import: cannot write: %s\n", strerror(errno));
        done = false;
    }
    buf_fini(&text);
    buf_fini(&out);
    return done ? CLI_OK : CLI_FAILED;
}
