/* load.c - files into one generation. Touches nothing of the running daemon. */
#include "daemon/load.h"
#include "daemon/mta.h"
#include "setup/files.h"
#include "setup/generation.h"

enum { MTA_FILE_MAX_BYTES = 4 << 20 };

/* What cannot be read is empty: Postfix may be elsewhere. */
static void mta_file(const char *dir, const char *name, struct buf *out)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s", dir, name);
    if (file_read(buf_cstr(&path), MTA_FILE_MAX_BYTES, out) != ERR_NONE)
        buf_clear(out);
    buf_fini(&path);
}

static uint32_t mta_read(const char *dir)
{
    struct buf main_cf = {0}, master_cf = {0};
    mta_file(dir, "main.cf", &main_cf);
    mta_file(dir, "master.cf", &master_cf);
    uint32_t sessions = mta_sessions(buf_slice(&main_cf), buf_slice(&master_cf));
    buf_fini(&main_cf);
    buf_fini(&master_cf);
    return sessions;
}

void loaded_read(const char *conf_file, const char *postfix_dir, struct loaded *out)
{
    *out = (struct loaded){0};
    diags_init(&out->diags);
    out->plan = generation_read(conf_file, &out->diags);
    out->mta_sessions = mta_read(postfix_dir);
}

void loaded_fini(struct loaded *l)
{
    plan_unref(l->plan);
    diags_fini(&l->diags);
}
