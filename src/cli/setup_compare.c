/*
 * setup_compare.c - postconf -n before and after: the changed main.cf stands in a directory of its own, beside links to all
 * the rest.
 */
#include "cli/setup.h"
#include "setup/postfix.h"
#include "setup/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* With an old date: Postfix's programs wait until a main.cf is two seconds old (mail_conf.c). */
static bool write_file(const char *path, struct slice text)
{
    const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    FILE *f = fopen(path, "wxe");
    bool done = f && fwrite(text.ptr ? text.ptr : "", 1, text.len, f) == text.len;
    return f && fclose(f) == 0 && done && utimensat(AT_FDCWD, path, old, 0) == 0;
}

static bool fill(struct setup *s, const char *dir, struct slice main_cf)
{
    char *whole = realpath(s->config_dir, NULL);
    DIR *d = whole ? opendir(whole) : NULL;
    struct dirent *entry;
    bool done = d != NULL;
    while (done && (entry = readdir(d)) != NULL)
        if (!is_dot(entry->d_name) && strcmp(entry->d_name, "main.cf") != 0)
            done = symlink(arena_printf(&s->arena, "%s/%s", whole, entry->d_name),
                           arena_printf(&s->arena, "%s/%s", dir, entry->d_name)) == 0;
    if (d)
        closedir(d);
    free(whole);
    return done && write_file(arena_printf(&s->arena, "%s/main.cf", dir), main_cf);
}

static void empty(struct setup *s, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    while (d && (entry = readdir(d)) != NULL)
        if (!is_dot(entry->d_name))
            (void)unlink(arena_printf(&s->arena, "%s/%s", dir, entry->d_name));
    if (d)
        closedir(d);
    (void)rmdir(dir);
}

static enum err set_parameters(struct setup *s, const char *dir, struct slice *out, struct buf *why)
{
    static const char *const arguments[] = {"-n", NULL};
    struct buf text = {0};
    enum err e = program_postconf(dir, arguments, &text, why);
    *out = arena_slice(&s->arena, slice_of(text.ptr ? text.ptr : "", text.len));
    buf_fini(&text);
    return e;
}

static bool has_line(struct slice text, struct slice line)
{
    while (text.ptr)
        if (slice_eq(slice_cut(&text, '\n'), line))
            return true;
    return false;
}

/* Lines of one that the other has not. The directory is told too, where it is not the default one: it is no change. */
static void put_missing(struct slice text, struct slice other, char sign, struct buf *out)
{
    while (text.ptr) {
        struct slice line = slice_cut(&text, '\n');
        if (line.len == 0 || has_line(other, line) || slice_has_prefix(line, "config_directory = "))
            continue;
        buf_printf(out, "%c %.*s\n", sign, SLICE_ARG(line));
    }
}

static enum err compare(struct setup *s, const char *dir, struct slice changed, struct postfix_values *values,
                        struct buf *out, struct buf *why)
{
    struct slice before, after;
    if (!fill(s, dir, changed)) {
        buf_printf(why, "%s cannot be filled: %s", dir, strerror(errno));
        return ERR_IO;
    }
    enum err e = set_parameters(s, s->config_dir, &before, why);
    if (e == ERR_NONE)
        e = set_parameters(s, dir, &after, why);
    if (e == ERR_NONE)
        e = setup_postfix_services(dir, postfix_advice_wanted, &s->arena, values, why);
    if (e != ERR_NONE)
        return e;
    put_missing(before, after, '-', out);
    put_missing(after, before, '+', out);
    return ERR_NONE;
}

enum err setup_compare(struct setup *s, struct slice changed, struct postfix_values *values, struct buf *out,
                       struct buf *why)
{
    char dir[] = "/tmp/tarsier-setup-XXXXXX";
    *values = (struct postfix_values){0};
    if (!mkdtemp(dir)) {
        buf_printf(why, "no directory can be made in /tmp: %s", strerror(errno));
        return ERR_IO;
    }
    enum err e = compare(s, dir, changed, values, out, why);
    empty(s, dir);
    return e;
}
