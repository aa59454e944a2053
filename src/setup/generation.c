/* generation.c - a generation of the configuration out of files. */
#include "setup/generation.h"
#include "setup/files.h"

#include <stdlib.h>

struct plan *generation_read(const char *conf_file, struct diags *diags)
{
    struct files *files = files_open();
    struct conf_source source = files_source(files);
    char *hostname = files_hostname();
    struct plan *plan = plan_build(&source, conf_file, hostname, diags);
    free(hostname);
    files_close(files);
    return plan;
}
