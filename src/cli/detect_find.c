/*
 * detect_find.c - where a milter listens and whether it is started: systemd's units with their drop-ins, init scripts, and the
 * milter's own files. All of it is somebody's text: bounded and never trusted.
 */
#include "cli/detect.h"
#include "formats/address.h"
#include "setup/files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 1 << 20, ENTRIES_MAX = 4096 };

struct search {
    struct arena *arena;
    const char *root;
    const struct detect_milter *milter;
    struct detect_found *out;
    struct vars vars;
    struct slice command; /* ExecStart= */
    const char *command_from;
};

/* ---- files below root ---- */

static const char *below(const struct search *s, const char *path)
{
    return arena_printf(s->arena, "%s%s", s->root, path);
}

static bool exists(const struct search *s, const char *path)
{
    struct stat st;
    return lstat(below(s, path), &st) == 0;
}

/* SLICE_NONE when it cannot be read. */
static struct slice read_text(const struct search *s, const char *path)
{
    struct buf text = {0};
    struct slice kept = SLICE_NONE;
    if (file_read(below(s, path), FILE_MAX_BYTES, &text) == ERR_NONE)
        kept = arena_slice(s->arena, slice_of(text.len ? text.ptr : "", text.len));
    buf_fini(&text);
    return kept;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a directory, sorted; none when there is no such. */
static const char **list_names(const struct search *s, const char *directory, size_t *n)
{
    const char **names = arena_alloc(s->arena, ENTRIES_MAX * sizeof(*names));
    DIR *d = opendir(below(s, directory));
    struct dirent *entry;
    *n = 0;
    while (d && *n < ENTRIES_MAX && (entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            names[(*n)++] = arena_cstr(s->arena, slice_cstr(entry->d_name));
    if (d)
        closedir(d);
    qsort(names, *n, sizeof(*names), by_name);
    return names;
}

static const char *place(const struct search *s, const char *path, unsigned line)
{
    return arena_printf(s->arena, "%s:%u", path, line);
}

/* ---- systemd ---- */

/* Those of the administrator count before those of packages. */
static const char *const unit_dirs[] = {"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system",
                                        "/lib/systemd/system"};

enum { N_UNIT_DIRS = sizeof(unit_dirs) / sizeof(unit_dirs[0]) };

static void read_environment_file(struct search *s, struct slice path)
{
    if (slice_has_prefix(path, "-"))
        path = slice_from(path, 1);
    path = vars_expand(&s->vars, s->arena, path);
    if (slice_has_prefix(path, "/"))
        vars_read(&s->vars, s->arena, read_text(s, arena_cstr(s->arena, path)));
}

static void read_unit(struct search *s, const char *path)
{
    struct pairs p = {.form = PAIRS_UNIT, .text = read_text(s, path), .line = 1};
    struct pair pair;
    while (pairs_next(&p, s->arena, &pair)) {
        if (!slice_eq_cstr(pair.section, "Service"))
            continue;
        if (slice_eq_cstr(pair.key, "Environment")) {
            vars_read_words(&s->vars, s->arena, pair.value);
        } else if (slice_eq_cstr(pair.key, "EnvironmentFile")) {
            read_environment_file(s, pair.value);
        } else if (slice_eq_cstr(pair.key, "ExecStart")) {
            s->command = pair.value; /* empty: those before do not count */
            s->command_from = place(s, path, pair.line);
        }
    }
}

static void read_drop_ins(struct search *s, const char *unit)
{
    for (size_t i = N_UNIT_DIRS; i-- > 0;) {
        const char *directory = arena_printf(s->arena, "%s/%s.service.d", unit_dirs[i], unit);
        size_t n;
        const char **names = list_names(s, directory, &n);
        for (size_t k = 0; k < n; k++)
            if (slice_has_suffix_nocase(slice_cstr(names[k]), SLICE_LIT(".conf")))
                read_unit(s, arena_printf(s->arena, "%s/%s", directory, names[k]));
    }
}

static bool is_wanted_in(const struct search *s, const char *directory, const char *unit)
{
    size_t n;
    const char **names = list_names(s, directory, &n);
    for (size_t i = 0; i < n; i++) {
        struct slice name = slice_cstr(names[i]);
        if ((slice_has_suffix_nocase(name, SLICE_LIT(".wants")) || slice_has_suffix_nocase(name, SLICE_LIT(".requires"))) &&
            exists(s, arena_printf(s->arena, "%s/%s/%s.service", directory, names[i], unit)))
            return true;
    }
    return false;
}

static bool is_masked(const struct search *s, const char *unit)
{
    char target[16];
    const char *path = below(s, arena_printf(s->arena, "%s/%s.service", unit_dirs[0], unit));
    ssize_t n = readlink(path, target, sizeof(target));
    return n == 9 && memcmp(target, "/dev/null", 9) == 0;
}

static bool find_unit(struct search *s, const char *unit)
{
    const char *path = NULL;
    bool masked = is_masked(s, unit), wanted = false;
    for (size_t i = masked ? 1 : 0; i < N_UNIT_DIRS && !path; i++) {
        path = arena_printf(s->arena, "%s/%s.service", unit_dirs[i], unit);
        path = exists(s, path) ? path : NULL;
    }
    if (!path)
        return false;
    for (size_t i = 0; i < N_UNIT_DIRS; i++)
        wanted = wanted || is_wanted_in(s, unit_dirs[i], unit);
    s->out->is_there = true;
    s->out->service = path;
    s->out->unit = unit;
    s->out->state = masked ? DETECT_MASKED : wanted ? DETECT_ENABLED : DETECT_DISABLED;
    read_unit(s, path);
    read_drop_ins(s, unit);
    return true;
}

/* An init script; systemd makes a unit of it, started where /etc/rc2.d or another of them says so. */
static bool find_script(struct search *s, const char *name)
{
    const char *path = arena_printf(s->arena, "/etc/init.d/%s", name);
    if (!exists(s, path))
        return false;
    s->out->service = path;
    s->out->unit = name;
    s->out->state = DETECT_DISABLED;
    for (char level = '2'; level <= '5'; level++) {
        size_t n;
        const char **names = list_names(s, arena_printf(s->arena, "/etc/rc%c.d", level), &n);
        for (size_t i = 0; i < n; i++)
            if (names[i][0] == 'S' && strlen(names[i]) > 3 && strcmp(names[i] + 3, name) == 0)
                s->out->state = DETECT_ENABLED;
    }
    if (is_masked(s, name)) /* the unit that systemd would make of it */
        s->out->state = DETECT_MASKED;
    vars_read(&s->vars, s->arena, read_text(s, arena_printf(s->arena, "/etc/default/%s", name)));
    return true;
}

static bool has_program(const struct search *s, const char *program)
{
    static const char *const dirs[] = {"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec"};
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        if (exists(s, arena_printf(s->arena, "%s/%s", dirs[i], program)))
            return true;
    return false;
}

/* ---- the address ---- */

/* The first address that somebody names counts, also one that is none: then the administrator has to look. */
static void take_address(struct search *s, struct slice text, const char *from)
{
    struct buf out = {0};
    text = slice_trim(text, " \t\r");
    if (text.len == 0 || s->out->address || s->out->raw)
        return;
    enum err e = s->milter->host_port ? address_put_host_port(text, &out) : address_put(text, true, &out);
    if (e == ERR_NONE)
        s->out->address = arena_cstr(s->arena, buf_slice(&out));
    else
        s->out->raw = arena_cstr(s->arena, slice_upto(text, 200));
    s->out->from = from;
    buf_fini(&out);
}

static bool is_off(const struct detect_file *file, const struct pair *pair)
{
    return file->off && slice_eq_nocase(pair->key, slice_cstr(file->off)) &&
           (!file->off_value || slice_eq_nocase(pair->value, slice_cstr(file->off_value)));
}

static void read_file(struct search *s, const struct detect_file *file)
{
    struct pairs p = {.form = file->form, .text = read_text(s, file->path), .line = 1};
    struct pair pair;
    struct vars vars = {0}; /* of this file alone: a unit's environment has no part in it */
    struct slice address = SLICE_NONE;
    unsigned line = 0;
    if (!p.text.ptr)
        return;
    if (!s->out->conf)
        s->out->conf = file->path;
    while (pairs_next(&p, s->arena, &pair)) {
        if (file->form == PAIRS_SHELL) {
            pair.value = vars_expand(&vars, s->arena, pair.value);
            vars_set(&vars, s->arena, pair.key, pair.value);
        }
        if (is_off(file, &pair) && !s->out->state_from) {
            s->out->state = DETECT_SWITCHED_OFF;
            s->out->state_from = place(s, file->path, pair.line);
        }
        if (!slice_eq_nocase(pair.key, slice_cstr(file->key)))
            continue;
        struct slice value = file->is_options ? command_option(pair.value, s->arena, s->milter->option) : pair.value;
        if (value.len > 0) { /* the last one of a file counts */
            address = value;
            line = pair.line;
        }
    }
    take_address(s, address, place(s, file->path, line));
}

static void find_address(struct search *s)
{
    const struct detect_milter *m = s->milter;
    if (m->option && s->command.len > 0) {
        struct slice command = vars_expand(&s->vars, s->arena, s->command);
        take_address(s, command_option(command, s->arena, m->option), s->command_from);
    }
    for (size_t i = 0; i < DETECT_FILES_MAX && m->files[i].path; i++)
        read_file(s, &m->files[i]);
    bool postfix = m->usual_postfix && exists(s, "/usr/sbin/postfix");
    take_address(s, slice_cstr(postfix ? m->usual_postfix : m->usual), "where it listens unless it is told otherwise");
}

void detect_find(struct arena *arena, const char *root, const struct detect_milter *milter, struct detect_found *out)
{
    struct search s = {.arena = arena, .root = root, .milter = milter, .out = out};
    *out = (struct detect_found){.state = DETECT_DISABLED};
    bool found = false;
    for (size_t i = 0; i < DETECT_UNITS_MAX && milter->units[i] && !found; i++)
        found = find_unit(&s, milter->units[i]);
    bool program = has_program(&s, milter->program);
    for (size_t i = 0; i < DETECT_UNITS_MAX && milter->units[i] && !found; i++)
        found = find_script(&s, milter->units[i]);
    out->is_there = out->is_there || program;
    find_address(&s);
}
