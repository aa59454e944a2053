/* gzip.c - lines of plain and of compressed files, at the edges of blocks, and files that are damaged. */
#include "gzip/gzip.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char path[] = "/tmp/test-gzip-XXXXXX";

static void write_file(const char *bytes, size_t n, bool compressed)
{
    gzFile f = gzopen(path, compressed ? "wb" : "wbT");
    CHECK(f && (n == 0 || gzwrite(f, bytes, (unsigned)n) == (int)n));
    CHECK_INT(gzclose(f), Z_OK);
}

static struct gzip *open_file(void)
{
    struct gzip *g;
    CHECK_INT(gzip_open(path, &g), ERR_NONE);
    return g;
}

static void lines(void)
{
    static const char text[] = "one\n\ntwo\nlast";
    for (int compressed = 0; compressed < 2; compressed++) {
        struct slice s;
        write_file(text, strlen(text), compressed);
        struct gzip *g = open_file();
        CHECK(gzip_line(g, 100, &s) && slice_eq_cstr(s, "one"));
        CHECK(gzip_line(g, 100, &s) && s.len == 0);
        CHECK(gzip_line(g, 2, &s) && slice_eq_cstr(s, "tw"));
        CHECK(gzip_line(g, 100, &s) && slice_eq_cstr(s, "last"));
        CHECK(!gzip_line(g, 100, &s));
        CHECK(gzip_error(g) == NULL);
        CHECK(gzip_size_bytes(g) > 0 && gzip_written(g).sec > 0);
        gzip_close(g);
    }
}

/* A line of each length around a block's end; the numbers prove that none is lost and none is cut. */
static void edges_of_blocks(void)
{
    enum { LINES = 3000, LONGEST = 300 };
    char *text = malloc(LINES * (LONGEST + 1));
    size_t n = 0, length;
    for (size_t i = 0; i < LINES; i++) {
        length = i * 7 % LONGEST;
        memset(text + n, 'a' + (int)(i % 26), length);
        n += length;
        text[n++] = '\n';
    }
    write_file(text, n, true);
    struct gzip *g = open_file();
    struct slice s;
    size_t at = 0, count = 0;
    while (gzip_line(g, 100, &s)) {
        length = count * 7 % LONGEST;
        CHECK(s.len == (length < 100 ? length : 100) && memcmp(s.ptr, text + at, s.len) == 0);
        at += length + 1;
        count++;
    }
    CHECK_INT(count, LINES);
    gzip_close(g);
    free(text);
}

static void damaged(void)
{
    struct slice s;
    char text[20000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * i % 251);
    write_file(text, sizeof(text), true);
    struct gzip *g = open_file();
    CHECK_INT(truncate(path, (long)gzip_size_bytes(g) / 2), 0);
    while (gzip_line(g, 1000, &s)) {
    }
    CHECK(gzip_error(g) != NULL);
    gzip_close(g);
    CHECK_INT(gzip_open("/nowhere/at/all", &g), ERR_IO);
    CHECK(g == NULL);
    CHECK_INT(gzip_open("/tmp", &g), ERR_IO);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0)
        return 1;
    TEST(lines);
    TEST(edges_of_blocks);
    TEST(damaged);
    (void)unlink(path);
    return TEST_END();
}
