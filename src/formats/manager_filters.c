/* manager_filters.c - milter-manager's milters as filter blocks: conditions, fallback, time-outs. */
#include "base/mem.h"
#include "formats/address.h"
#include "formats/manager_put.h"

#include <stdlib.h>
#include <string.h>

enum { FILTERS_MAX = 32, TIMEOUT_MAX_SEC = 86400, NAME_MAX_BYTES = 200 };

/* What a condition of milter-manager's is here: a term of `when`, or something that is provided. In the order of `when`. */
static const struct {
    const char *name, *when, *provide;
} conditions[] = {
    {"Remote Network", "remote", NULL},
    {"Unauthenticated", "unauthenticated", NULL},
    {"Authenticated", "authenticated", NULL},
    {"S25R", "s25r", NULL},
    {"No Stress", "not stress", NULL},
    {"DNSBL Listed", "\"dnsbl listed\"", NULL},
    {"Not DNSBL Listed", "not \"dnsbl listed\"", NULL},
    {"Sendmail Compatible", NULL, "sendmail-macros"},
    {"Stress Notify", NULL, "stress"},
    {"Trust", NULL, "trusted"},
};

enum { N_CONDITIONS = COUNT_OF(conditions) };

static size_t condition_find(struct slice name)
{
    size_t i = 0;
    while (i < N_CONDITIONS && !slice_eq_cstr(name, conditions[i].name))
        i++;
    return i;
}

bool manager_condition_is_known(struct slice name)
{
    return condition_find(name) < N_CONDITIONS;
}

struct filter {
    const struct manager_block *milter;
    bool has[N_CONDITIONS];
    bool greylist; /* milter-greylist: our own does it */
    const char *name;
};

static const struct manager_value *condition_names(const struct manager_block *milter)
{
    const struct manager_item *item = manager_find(milter->items, "applicable_conditions");
    return item && item->value.kind == MANAGER_LIST ? item->value.first : NULL;
}

static bool contains_nocase(struct slice text, struct slice part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (slice_eq_nocase(slice_upto(slice_from(text, i), part.len), part))
            return true;
    return false;
}

/* By its name, or by what it was started with. */
static bool is_milter_greylist(const struct manager_block *milter)
{
    struct slice full = SLICE_LIT("milter-greylist");
    return slice_eq_nocase(milter->name, SLICE_LIT("greylist")) || contains_nocase(milter->name, full) ||
           contains_nocase(manager_text(milter->items, "command"), full) ||
           contains_nocase(manager_text(milter->items, "connection_spec"), full);
}

/* A text that a string of tarsier.conf can hold. */
static void put_tame(struct buf *out, struct slice text, size_t max)
{
    text = slice_upto(text, max);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        buf_put_byte(out, c == '"' ? '\'' : c == '\\' ? '/' : (uint8_t)c < 0x20 || c == 0x7f ? '?' : c);
    }
}

/* ---- the lines of a block ---- */

static void put_when(const struct filter *f, struct buf *out)
{
    const char *join = "    when ";
    for (const struct manager_value *v = condition_names(f->milter); v; v = v->next) {
        if (v->kind != MANAGER_TEXT || manager_condition_is_known(v->text))
            continue;
        struct buf text = {0};
        buf_printf(&text, "not taken over: the condition \"");
        buf_put_visible(&text, v->text);
        buf_put_cstr(&text, "\", Ruby of your own. The filter sees what it left out, until `when` says so.");
        manager_put_comment(out, "    ", buf_slice(&text));
        buf_fini(&text);
    }
    for (size_t i = 0; i < N_CONDITIONS; i++) {
        if (!f->has[i] || !conditions[i].when)
            continue;
        buf_printf(out, "%s%s", join, conditions[i].when);
        join = " and ";
    }
    if (join[0] == ' ' && join[1] == 'a')
        buf_put_byte(out, '\n');
}

static void put_provide(const struct filter *f, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < N_CONDITIONS; i++) {
        if (!f->has[i] || !conditions[i].provide)
            continue;
        buf_printf(out, "%s%s", first ? "    provide " : " ", conditions[i].provide);
        first = false;
    }
    if (!first)
        buf_put_byte(out, '\n');
}

/* Up to the next second, in bounds. */
static void put_timeout(struct buf *out, const char *what, int64_t thousandths)
{
    int64_t sec = thousandths <= 1000 ? 1 : (thousandths - 1) / 1000 + 1;
    buf_printf(out, "    timeout %s %llds\n", what, (long long)(sec > TIMEOUT_MAX_SEC ? TIMEOUT_MAX_SEC : sec));
}

static int64_t timeout_of(const struct filter *f, const char *key, int64_t otherwise_sec)
{
    const struct manager_item *item = manager_find(f->milter->items, key);
    const int64_t max = (int64_t)TIMEOUT_MAX_SEC * 1000;
    int64_t t = item && item->value.kind == MANAGER_NUMBER ? item->value.thousandths : otherwise_sec * 1000;
    return t > max ? max : t;
}

static void put_timeouts(const struct filter *f, struct buf *out)
{
    int64_t answer = timeout_of(f, "writing_timeout", 7) + timeout_of(f, "reading_timeout", 7);
    put_timeout(out, "connect", timeout_of(f, "connection_timeout", 297));
    put_timeout(out, "command", answer);
    put_timeout(out, "message", answer);
    put_timeout(out, "end-of-message", timeout_of(f, "end_of_message_timeout", 297));
}

static void put_fallback(const struct filter *f, struct buf *out)
{
    const char *fallback = manager_fallback(manager_text(f->milter->items, "fallback_status"));
    buf_printf(out, "    fallback %s\n", fallback ? fallback : "accept");
}

/* How it was started: nothing that we do. */
static void put_command(const struct filter *f, struct buf *out)
{
    static const char *const keys[] = {"command", "command_options", "user_name"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const struct manager_item *item = manager_find(f->milter->items, keys[i]);
        if (item && item->value.kind != MANAGER_NIL)
            manager_put_left(out, "    ", "milter.", item,
                             "not taken over: tarsierd starts no milters; systemd does (systemctl enable --now UNIT)");
    }
}

static void put_unknown(const struct filter *f, struct buf *out)
{
    static const char *const known[] = {"connection_spec",
                                        "description",
                                        "enabled",
                                        "fallback_status",
                                        "evaluation_mode",
                                        "command",
                                        "command_options",
                                        "user_name",
                                        "connection_timeout",
                                        "writing_timeout",
                                        "reading_timeout",
                                        "end_of_message_timeout",
                                        "applicable_conditions",
                                        "name"};
    for (const struct manager_item *item = f->milter->items; item; item = item->next) {
        size_t i = 0;
        while (i < COUNT_OF(known) && !slice_eq_cstr(item->key, known[i]))
            i++;
        if (i == COUNT_OF(known) && item->value.kind != MANAGER_NIL)
            manager_put_left(out, "    ", "milter.", item, "not taken over: not known to this version");
    }
}

/* ---- a block ---- */

static void put_body(const struct filter *f, const char *address, struct buf *out)
{
    struct slice description = manager_text(f->milter->items, "description");
    if (description.len > 0) {
        buf_put_cstr(out, "    description \"");
        put_tame(out, description, 1000);
        buf_put_cstr(out, "\"\n");
    }
    if (f->greylist)
        buf_put_cstr(out, "    builtin greylist\n");
    else
        buf_printf(out, "    connect \"%s\"\n", address);
    put_when(f, out);
    if (!manager_flag(f->milter->items, "enabled", true))
        buf_put_cstr(out, "    enabled no\n");
    if (manager_flag(f->milter->items, "evaluation_mode", false))
        buf_put_cstr(out, "    evaluation yes\n");
    if (!f->greylist) {
        put_provide(f, out);
        put_fallback(f, out);
        put_timeouts(f, out);
    }
    put_command(f, out);
    put_unknown(f, out);
}

static void put_greylist_note(const char *address, struct buf *out)
{
    buf_put_cstr(
        out,
        "\n# milter-manager ran milter-greylist for this. Here the daemon does it itself, with the same greylist.conf "
        "(below):\n"
        "# stop and disable milter-greylist. To go on with milter-greylist, write in place of `builtin greylist`, and take\n"
        "# out what is included below:\n");
    buf_printf(out, "#     connect \"%s\"\n#     provide sendmail-macros stress trusted\n", address);
}

static void put_filter(const struct filter *f, const char *address, struct buf *out)
{
    struct buf block = {0};
    buf_printf(&block, "filter \"%s\" {\n", f->name);
    put_body(f, address, &block);
    buf_put_cstr(&block, "}");
    if (f->greylist) {
        put_greylist_note(address, out);
    } else if (!address[0]) {
        buf_put_cstr(out, "\n# Not taken over: where this milter listens is not known, or it is no address: ");
        struct slice spec = manager_text(f->milter->items, "connection_spec");
        buf_put_visible(out, spec.len ? slice_upto(spec, 200) : SLICE_LIT("nil"));
        buf_put_byte(out, '\n');
    } else {
        buf_put_byte(out, '\n');
    }
    if (f->greylist || address[0]) {
        buf_put_slice(out, buf_slice(&block));
        buf_put_byte(out, '\n');
    } else {
        manager_put_comment(out, "", buf_slice(&block));
    }
    buf_fini(&block);
}

/* ---- all of them ---- */

/* The milter's name, made a string of ours and unlike the names before it. Owner: the caller frees. */
static char *name_of(const struct manager_block *milter, const struct filter *before, size_t n)
{
    struct buf tame = {0}, name = {0};
    put_tame(&tame, milter->name.len ? milter->name : SLICE_LIT("milter"), NAME_MAX_BYTES);
    buf_put_slice(&name, buf_slice(&tame));
    for (size_t i = 0, number = 2; i < n; i++) {
        if (strcmp(buf_cstr(&name), before[i].name) != 0)
            continue;
        buf_clear(&name);
        buf_put_slice(&name, buf_slice(&tame));
        buf_printf(&name, " %zu", number++);
        i = (size_t)-1; /* from the first again */
    }
    char *kept = mem_strdup(buf_cstr(&name));
    buf_fini(&tame);
    buf_fini(&name);
    return kept;
}

static void filter_fill(struct filter *f, const struct manager_block *milter, struct manager_used *used)
{
    for (const struct manager_value *v = condition_names(milter); v; v = v->next) {
        size_t i = v->kind == MANAGER_TEXT ? condition_find(v->text) : N_CONDITIONS;
        if (i == N_CONDITIONS)
            continue;
        f->has[i] = true;
        used->dnsbl |= conditions[i].when && strstr(conditions[i].when, "dnsbl");
    }
    f->milter = milter;
    f->greylist = !used->greylist && is_milter_greylist(milter);
    used->greylist |= f->greylist;
}

void manager_put_filters(const struct manager_config *from, struct manager_used *used, struct buf *out)
{
    struct filter filters[FILTERS_MAX] = {{0}};
    struct buf address = {0};
    size_t n = 0, n_taken = 0;
    const struct manager_block *milter = from->milters;
    buf_put_cstr(out, "\n# ---- Filters, in milter-manager's order ----\n");
    for (; milter && n < FILTERS_MAX; milter = milter->next) {
        struct filter *f = &filters[n];
        filter_fill(f, milter, used);
        f->name = name_of(milter, filters, n++);
        buf_clear(&address);
        struct slice spec = manager_text(milter->items, "connection_spec");
        if (spec.ptr && address_put(spec, true, &address) != ERR_NONE)
            buf_clear(&address);
        n_taken += f->greylist || address.len > 0;
        put_filter(f, buf_cstr(&address), out);
    }
    for (; milter; milter = milter->next) {
        buf_put_cstr(out, "\n# Not taken over: there are at most 32 filters. The milter \"");
        buf_put_visible(out, milter->name);
        buf_put_cstr(out, "\"\n");
    }
    if (n_taken == 0)
        buf_put_cstr(out, "\n# There was no milter. Without any filter block everybody would be greylisted.\n"
                          "filter \"greylist\" {\n    builtin greylist\n    enabled no\n}\n");
    while (n > 0)
        free((char *)filters[--n].name);
    buf_fini(&address);
}
