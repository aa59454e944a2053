/* load.c - files into one generation. Touches nothing of the running daemon. */
#include "setup/load.h"
#include "base/mem.h"
#include "postfix/mta.h"
#include "milter/protocol.h"
#include "setup/files.h"
#include "setup/generation.h"
#include "setup/system.h"

#include <stdlib.h>

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

/* What a filter behind the MTA alone would get without asking for it. */
static void macros_read(struct slice main_cf, struct plan *plan)
{
    static const char *const names[PLAN_MTA_STAGES] = {
        [SMFIM_CONNECT] = "milter_connect_macros",   [SMFIM_HELO] = "milter_helo_macros",
        [SMFIM_ENVFROM] = "milter_mail_macros",      [SMFIM_ENVRCPT] = "milter_rcpt_macros",
        [SMFIM_DATA] = "milter_data_macros",         [SMFIM_EOM] = "milter_end_of_data_macros",
        [SMFIM_EOH] = "milter_end_of_header_macros",
    };
    for (int i = 0; i < PLAN_MTA_STAGES; i++) {
        struct buf value = {0};
        bool is_set = mta_parameter(main_cf, names[i], &value);
        for (size_t at = 0; at < value.len; at++) /* names may stand with commas between */
            if (value.ptr[at] == ',')
                value.ptr[at] = ' ';
        if (is_set)
            plan->mta_macros[i] = mem_strdup(buf_cstr(&value));
        buf_fini(&value);
    }
}

/* Whom its smtpd runs as. */
static char *user_read(struct slice main_cf)
{
    struct buf name = {0};
    bool is_set = mta_parameter(main_cf, "mail_owner", &name) && name.len > 0;
    char *user = mem_strdup(is_set ? buf_cstr(&name) : "postfix");
    buf_fini(&name);
    return user;
}

static void mta_read(const char *dir, struct loaded *out)
{
    struct buf main_cf = {0}, master_cf = {0};
    mta_file(dir, "main.cf", &main_cf);
    mta_file(dir, "master.cf", &master_cf);
    out->mta_sessions = mta_sessions(buf_slice(&main_cf), buf_slice(&master_cf));
    out->mta_user = user_read(buf_slice(&main_cf));
    if (out->plan)
        macros_read(buf_slice(&main_cf), out->plan);
    buf_fini(&main_cf);
    buf_fini(&master_cf);
}

void loaded_read(const char *conf_file, const char *postfix_dir, struct loaded *out)
{
    *out = (struct loaded){0};
    diags_init(&out->diags);
    out->plan = generation_read(conf_file, &out->diags);
    mta_read(postfix_dir, out);
}

void loaded_check_system(struct loaded *l, bool starting)
{
    if (!l->plan)
        return;
    system_check(l->plan->conf, &(struct system_question){.mta_user = l->mta_user, .starting = starting}, &l->diags);
    if (l->diags.errors == 0)
        return;
    plan_unref(l->plan);
    l->plan = NULL;
}

void loaded_fini(struct loaded *l)
{
    plan_unref(l->plan);
    free(l->mta_user);
    diags_fini(&l->diags);
}
