/* milters.c - Postfix's lists of milters, and their addresses. */
#include "postfix/milters.h"
#include "formats/address.h"

#include <string.h>

enum { ITEMS_MAX = 1000 };

const char *const postfix_milters_wanted[] = {"smtpd_milters", "non_smtpd_milters", "smtpd_milter_maps", "queue_directory",
                                              NULL};

/* ---- addresses ---- */

/* A path is relative to the queue directory, where smtpd works; within a chroot an absolute one is below it, too. */
static enum err put_path(struct slice path, struct slice queue, bool chrooted, struct buf *out)
{
    struct buf whole = {0};
    if (!slice_has_prefix(path, "/") || chrooted) {
        buf_put_slice(&whole, queue);
        if (!slice_has_prefix(path, "/"))
            buf_put_byte(&whole, '/');
    }
    buf_put_slice(&whole, path);
    enum err e = address_put(slice_of(whole.ptr ? whole.ptr : "", whole.len), true, out);
    buf_fini(&whole);
    return e;
}

/* "unix:path", "local:path", "inet:host:port", "inet:port". */
static const char *address_of(struct arena *arena, struct slice raw, struct slice queue, bool chrooted)
{
    struct buf out = {0};
    struct slice rest = raw, scheme = slice_cut(&rest, ':');
    enum err e = ERR_SYNTAX;
    if (rest.ptr && (slice_eq_cstr(scheme, "unix") || slice_eq_cstr(scheme, "local")))
        e = put_path(rest, queue, chrooted, &out);
    else if (rest.ptr && slice_eq_cstr(scheme, "inet") && slice_rfind(rest, ':') < rest.len)
        e = address_put_host_port(rest, &out);
    else if (rest.ptr && slice_eq_cstr(scheme, "inet"))
        e = address_put_host_port(slice_cstr(arena_printf(arena, "localhost:%.*s", SLICE_ARG(rest))), &out);
    const char *address = e == ERR_NONE ? arena_cstr(arena, buf_slice(&out)) : NULL;
    buf_fini(&out);
    return address;
}

static bool is_loopback(struct slice host)
{
    return slice_eq_nocase(host, SLICE_LIT("localhost")) || slice_has_prefix(host, "127.") || slice_eq_cstr(host, "::1");
}

static bool is_any(struct slice host)
{
    return slice_eq_cstr(host, "0.0.0.0") || slice_eq_cstr(host, "::");
}

static const char *without_var(const char *path)
{
    return strncmp(path, "/var/run/", strlen("/var/run/")) == 0 ? path + strlen("/var") : path;
}

bool postfix_same_address(const char *a, const char *b)
{
    bool unix_a = slice_has_prefix(slice_cstr(a), "unix:"), unix_b = slice_has_prefix(slice_cstr(b), "unix:");
    if (unix_a || unix_b)
        return unix_a && unix_b && strcmp(without_var(a + strlen("unix:")), without_var(b + strlen("unix:"))) == 0;
    struct slice host_a = slice_cstr(a), host_b = slice_cstr(b);
    (void)slice_cut(&host_a, ':');
    (void)slice_cut(&host_b, ':');
    struct slice port_a = slice_cut(&host_a, '@'), port_b = slice_cut(&host_b, '@');
    if (!slice_eq(port_a, port_b))
        return false;
    return slice_eq_nocase(host_a, host_b) || (is_loopback(host_a) && (is_loopback(host_b) || is_any(host_b))) ||
           is_any(host_b);
}

/* ---- lists ---- */

/* The next item: a word, or `{ what stands in braces }`, which come off; false at the end. */
static bool item_next(struct slice *rest, struct slice *item)
{
    *rest = slice_trim(*rest, ", \t\r\n");
    if (!slice_has_prefix(*rest, "{"))
        return postfix_word(rest, item);
    size_t depth = 0, end = 0;
    for (; end < rest->len; end++) {
        depth += rest->ptr[end] == '{';
        depth -= rest->ptr[end] == '}';
        if (depth == 0)
            break;
    }
    *item = slice_trim(slice_from(slice_upto(*rest, end), 1), " \t\r\n");
    *rest = slice_from(*rest, end + 1);
    return true;
}

static void add(struct arena *arena, const struct postfix_milter *milter, struct postfix_milters *out)
{
    if (out->n >= ITEMS_MAX)
        return;
    if (out->n == out->cap) {
        struct postfix_milter *before = out->items;
        out->cap = out->cap ? out->cap * 2 : 16;
        out->items = arena_alloc(arena, out->cap * sizeof(*out->items));
        if (out->n > 0)
            memcpy(out->items, before, out->n * sizeof(*before));
    }
    out->items[out->n++] = *milter;
}

bool postfix_is_chrooted(const struct postfix_values *values, struct slice service)
{
    for (size_t i = 0; i < values->n; i++)
        if (slice_eq_cstr(values->items[i].name, "chroot") && slice_eq(values->items[i].service, service))
            return slice_eq_cstr(values->items[i].value, "y");
    return false;
}

static void add_list(struct arena *arena, const struct postfix_values *values, const struct postfix_value *list,
                     struct postfix_milters *out)
{
    struct slice rest = list->value, item, queue = postfix_value(values, NULL, "queue_directory");
    struct postfix_milter milter = {.service = list->service, .parameter = list->name};
    bool chrooted = postfix_is_chrooted(values, list->service.len ? list->service : SLICE_LIT("smtp/inet"));
    size_t n = 0;
    for (; item_next(&rest, &item); n++) {
        struct slice options = item;
        milter.raw = slice_trim(slice_cut(&options, ','), " \t\r\n");
        milter.options = slice_trim(options, ", \t\r\n");
        milter.address = address_of(arena, milter.raw, queue, chrooted);
        add(arena, &milter, out);
    }
    if (n == 0 && list->service.len > 0)
        add(arena, &milter, out);
}

void postfix_milters_read(struct arena *arena, const struct postfix_values *values, struct postfix_milters *out)
{
    *out = (struct postfix_milters){0};
    for (int services = 0; services < 2; services++)
        for (size_t i = 0; i < values->n; i++) {
            const struct postfix_value *v = &values->items[i];
            bool wanted = slice_eq_cstr(v->name, "smtpd_milters") || slice_eq_cstr(v->name, "non_smtpd_milters");
            if (wanted && (v->service.len > 0) == services)
                add_list(arena, values, v, out);
        }
}
