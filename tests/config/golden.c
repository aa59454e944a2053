/*
 * golden.c - read every NAME.conf of a folder and compare: NAME.err with what is said about it; NAME.want with what is printed of
 * it, less what is default; NAME.full with all of it. Files that are not there mean nothing to compare: a file with errors has
 * no .want, one about which nothing is said no .err. What loads is also printed, read back and compared.
 *
 *     golden FOLDER          compare
 *     golden --write FOLDER  write the files that are there to be compared with, for review
 */
#include "../unit/test.h"
#include "roundtrip.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct disk {
    struct buf texts[64];
    size_t n;
    glob_t found;
    bool has_found;
};

static bool read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    size_t n;
    while ((n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0)
        out->len += n;
    fclose(f);
    return true;
}

static enum err disk_read(void *ctx, const char *path, struct slice *text)
{
    struct disk *d = ctx;
    if (d->n == sizeof(d->texts) / sizeof(d->texts[0]))
        return ERR_LIMIT;
    struct buf *b = &d->texts[d->n];
    if (!read_file(path, b))
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    d->n++;
    *text = buf_slice(b);
    return ERR_NONE;
}

static enum err disk_expand(void *ctx, const char *pattern, const char *const **paths, size_t *n)
{
    struct disk *d = ctx;
    if (d->has_found)
        globfree(&d->found);
    d->has_found = glob(pattern, 0, NULL, &d->found) == 0;
    *n = d->has_found ? d->found.gl_pathc : 0;
    *paths = d->has_found ? (const char *const *)d->found.gl_pathv : NULL;
    return ERR_NONE;
}

static void disk_fini(struct disk *d)
{
    for (size_t i = 0; i < d->n; i++)
        buf_fini(&d->texts[i]);
    if (d->has_found)
        globfree(&d->found);
}

/* Without the lines and the paragraphs that come from no file: a new setting changes few golden files then. */
static void drop_defaults(struct slice all, struct buf *out)
{
    bool skip = false, last_blank = true;
    while (all.len) {
        struct slice line = slice_cut(&all, '\n');
        if (line.len == 0)
            skip = false;
        else if (slice_eq_cstr(line, "# default"))
            skip = true;
        bool is_default = slice_has_suffix_nocase(line, SLICE_LIT("# default"));
        if (skip || is_default || (line.len == 0 && last_blank))
            continue;
        last_blank = line.len == 0;
        buf_put_slice(out, line);
        buf_put_byte(out, '\n');
    }
    while (out->len >= 2 && out->ptr[out->len - 1] == '\n' && out->ptr[out->len - 2] == '\n')
        out->len--;
}

static bool write_mode;

static void compare(const char *name, const char *ending, struct slice got, bool wanted)
{
    struct buf path = {0}, want = {0};
    buf_printf(&path, "%s.%s", name, ending);
    bool exists = read_file(buf_cstr(&path), &want);
    if (write_mode && (exists || wanted)) {
        if (!wanted || got.len == 0) {
            unlink(buf_cstr(&path));
        } else {
            FILE *f = fopen(buf_cstr(&path), "wb");
            if (f) {
                fwrite(got.ptr, 1, got.len, f);
                fclose(f);
            }
        }
    } else if (exists != (wanted && got.len > 0)) {
        printf("# %s: %s\n%.*s\n", buf_cstr(&path), exists ? "is there but nothing came" : "is missing", SLICE_ARG(got));
        test_case_ok = false;
    } else if (exists) {
        if (!slice_eq(got, buf_slice(&want)))
            printf("# %s differs\n", buf_cstr(&path));
        CHECK_SLICE(got, buf_cstr(&want));
    }
    buf_fini(&path);
    buf_fini(&want);
}

static void run_case(const char *name)
{
    struct disk disk = {0};
    struct conf_source source = {&disk, disk_read, disk_expand};
    struct diags diags;
    struct buf path = {0}, said = {0}, first = {0}, second = {0}, third = {0}, errors = {0}, brief = {0};
    diags_init(&diags);
    buf_printf(&path, "%s.conf", name);
    struct conf *c = conf_load(&source, buf_cstr(&path), &diags);
    diags_print(&diags, &said);
    compare(name, "err", buf_slice(&said), true);
    bool good = diags.errors == 0;
    if (good && !roundtrip(c, &first, &second, &third, &errors)) {
        printf("# %s: what is printed does not read back:\n%s\n", name, buf_cstr(&errors));
        CHECK_SLICE(buf_slice(&second), buf_cstr(&third));
        test_case_ok = false;
    }
    drop_defaults(buf_slice(&first), &brief);
    compare(name, "want", buf_slice(&brief), good);
    if (strcmp(name, "defaults") == 0)
        compare(name, "full", buf_slice(&first), true);
    conf_free(c);
    diags_fini(&diags);
    disk_fini(&disk);
    struct buf *const bufs[] = {&path, &said, &first, &second, &third, &errors, &brief};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
        buf_fini(bufs[i]);
}

static int is_conf(const struct dirent *e)
{
    return slice_has_suffix_nocase(slice_cstr(e->d_name), SLICE_LIT(".conf"));
}

int main(int argc, char **argv)
{
    write_mode = argc == 3 && strcmp(argv[1], "--write") == 0;
    struct dirent **found;
    int n;
    if (argc < 2 || chdir(argv[argc - 1]) != 0 || (n = scandir(".", &found, is_conf, alphasort)) < 0) {
        fprintf(stderr, "usage: golden [--write] FOLDER\n");
        return 2;
    }
    for (int i = 0; i < n; i++) {
        found[i]->d_name[strlen(found[i]->d_name) - strlen(".conf")] = '\0';
        test_case_ok = true;
        run_case(found[i]->d_name);
        printf("%s %d - %s\n", test_case_ok ? "ok" : "not ok", ++test_count, found[i]->d_name);
        test_failed += !test_case_ok;
        free(found[i]);
    }
    free(found);
    if (test_count == 0)
        test_failed = 1;
    return TEST_END();
}
