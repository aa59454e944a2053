/* replay.c - run a fuzz target over the files of a folder: the corpus as a regression test, without libFuzzer. */
#include "base/buf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    struct buf b = {0};
    size_t n;
    while ((n = fread(buf_reserve(&b, 65536), 1, 65536, f)) > 0)
        b.len += n;
    fclose(f);
    /* an exact copy, so that a sanitizer sees one byte too many */
    uint8_t *exact = malloc(b.len ? b.len : 1);
    for (size_t i = 0; i < b.len; i++)
        exact[i] = (uint8_t)b.ptr[i];
    (void)LLVMFuzzerTestOneInput(exact, b.len);
    free(exact);
    buf_fini(&b);
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (!d) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *e; (e = readdir(d)) != NULL;) {
            if (e->d_name[0] == '.')
                continue;
            struct buf path = {0};
            buf_printf(&path, "%s/%s", argv[i], e->d_name);
            run_file(buf_cstr(&path));
            buf_fini(&path);
            count++;
        }
        closedir(d);
    }
    printf("%d inputs\n", count);
    return count == 0;
}
