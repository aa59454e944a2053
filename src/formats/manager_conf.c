/* manager_conf.c - milter-manager's settings as tarsier.conf: the globals, what is left over, and the order of the file. */
#include "formats/manager_conf.h"

#include "base/mem.h"
#include "formats/address.h"
#include "formats/manager_put.h"

/* ---- values ---- */

struct slice manager_text(const struct manager_item *items, const char *key)
{
    const struct manager_item *item = manager_find(items, key);
    return item && item->value.kind == MANAGER_TEXT ? item->value.text : SLICE_NONE;
}

int64_t manager_number(const struct manager_item *items, const char *key, int64_t otherwise)
{
    const struct manager_item *item = manager_find(items, key);
    return item && item->value.kind == MANAGER_NUMBER ? item->value.thousandths / 1000 : otherwise;
}

bool manager_flag(const struct manager_item *items, const char *key, bool otherwise)
{
    const struct manager_item *item = manager_find(items, key);
    return item && item->value.kind == MANAGER_FLAG ? item->value.flag : otherwise;
}

const char *manager_fallback(struct slice status)
{
    static const struct {
        const char *theirs, *ours;
    } words[] = {{"accept", "accept"}, {"temporary-failure", "tempfail"}, {"reject", "reject"}, {"discard", "discard"}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq_cstr(status, words[i].theirs))
            return words[i].ours;
    return NULL;
}

/* ---- comments ---- */

void manager_put_comment(struct buf *out, const char *indent, struct slice text)
{
    while (text.ptr) {
        struct slice line = slice_cut(&text, '\n');
        while (line.len > 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\r'))
            line.len--;
        buf_printf(out, "%s# ", indent);
        buf_put_visible(out, line);
        buf_put_byte(out, '\n');
    }
}

void manager_put_left(struct buf *out, const char *indent, const char *prefix, const struct manager_item *item,
                      const char *why)
{
    struct buf text = {0};
    bool secret = slice_eq_cstr(item->key, "database.password");
    buf_printf(&text, "%s%.*s = ", prefix, SLICE_ARG(item->key));
    buf_put_slice(&text, secret ? SLICE_LIT("(not shown)") : item->raw);
    buf_printf(&text, "\n    %s", why);
    manager_put_comment(out, indent, buf_slice(&text));
    buf_fini(&text);
}

/* ---- globals that are taken over ---- */

static void put_listen(const struct manager_item *items, struct buf *out)
{
    struct slice spec = manager_text(items, "manager.connection_spec"),
                 group = manager_text(items, "manager.unix_socket_group");
    struct buf address = {0};
    int64_t mode = manager_number(items, "manager.unix_socket_mode", 0660);
    enum err e = spec.ptr ? address_put(spec, false, &address) : ERR_NOT_FOUND;
    bool is_unix = slice_has_prefix(buf_slice(&address), "unix:");
    if (e == ERR_NONE) {
        buf_put_cstr(out, "# Where the MTA reaches us: where it reached milter-manager, so main.cf need not be changed.\n");
        if (is_unix)
            buf_put_cstr(out, "# The directory must be there, also after a reboot.\n");
        buf_printf(out, "listen \"%s\"", buf_cstr(&address));
        if (is_unix && mode >= 0 && mode <= 0777)
            buf_printf(out, " mode %03o", (unsigned)mode);
        if (is_unix && address_is_quotable(group))
            buf_printf(out, " group \"%.*s\"", SLICE_ARG(group));
        buf_put_byte(out, '\n');
    } else {
        buf_put_cstr(out, "# Where milter-manager listened is not known, or it is no address: ");
        buf_put_visible(out, spec.len ? slice_upto(spec, 200) : SLICE_LIT("nil"));
        buf_put_cstr(out, "\n# This is where the MTA reaches us; smtpd_milters in main.cf must name it:\n"
                          "listen \"unix:/var/spool/postfix/tarsier/tarsier.sock\" mode 660 group postfix\n");
    }
    buf_fini(&address);
}

static void put_fallbacks(const struct manager_item *items, struct buf *out)
{
    struct slice status = manager_text(items, "manager.fallback_status");
    const char *fallback = manager_fallback(status), *left;
    buf_put_cstr(out,
                 "\n# What happens to mail when we fail ourselves, and when a filter below fails that says nothing else.\n");
    buf_printf(out, "fallback %s\n", fallback ? fallback : "accept");
    status = manager_text(items, "manager.fallback_status_at_disconnect");
    left = manager_fallback(status);
    buf_put_cstr(out, "\n# What happens when the client hangs up while a filter is awaited.\n");
    if (left && slice_eq_cstr(status, "accept")) {
        buf_put_cstr(
            out,
            "# It was \"accept\": a mail whose sender had gone went on. `tempfail` is safe, and frees the MTA's process.\n");
        buf_put_cstr(out, "client_left ignore\n");
        return;
    }
    if (left && !slice_eq_cstr(status, "temporary-failure"))
        buf_printf(out, "# It was \"%s\": nobody is there to be told the difference.\n", left);
    buf_put_cstr(out, "client_left tempfail\n");
}

static void put_sessions(const struct manager_item *items, struct buf *out)
{
    int64_t max = manager_number(items, "manager.max_connections", 0);
    if (max >= 1 && max <= 10000000)
        buf_printf(out,
                   "\n# One connection more is answered by `fallback` at once; milter-manager stopped dead.\n"
                   "sessions max %lld\n",
                   (long long)max);
}

/* After what is included: greylist.conf has a user and a pid file of its own. */
static void put_process(const struct manager_item *items, bool included, struct buf *out)
{
    struct slice user = manager_text(items, "security.effective_user"),
                 group = manager_text(items, "security.effective_group");
    if (included)
        buf_put_cstr(out, "# What was milter-greylist's own: one process listens, and it is tarsierd.\nsocket none\n");
    /* Not manager.pid_file: its directory is milter-manager's and may go with it, and then there would be no start. */
    buf_put_cstr(out, "pidfile none\n");
    bool is_root = slice_eq_cstr(user, "root") || slice_eq_cstr(user, "0");
    bool named = user.ptr && address_is_quotable(user) && !is_root && slice_find(user, ':') == user.len;
    if (named && group.ptr && address_is_quotable(group))
        buf_printf(out, "user \"%.*s:%.*s\"\n", SLICE_ARG(user), SLICE_ARG(group));
    else if (named)
        buf_printf(out, "user \"%.*s\"\n", SLICE_ARG(user));
    else
        buf_printf(out, "%suser \"tarsier\"\n", is_root ? "# It was root, which tarsierd never stays.\n" : "");
}

/* ---- globals that are not ---- */

static const struct {
    const char *key;      /* ends with a dot: all that begin so */
    const char *plain[2]; /* values that are not worth a word, beside nil */
    const char *why;      /* NULL: no value is */
} left_over[] = {
    {"package.platform", {NULL}, NULL},
    {"manager.connection_spec", {NULL}, NULL},
    {"manager.unix_socket_mode", {NULL}, NULL},
    {"manager.unix_socket_group", {NULL}, NULL},
    {"manager.fallback_status", {NULL}, NULL},
    {"manager.fallback_status_at_disconnect", {NULL}, NULL},
    {"manager.max_connections", {NULL}, NULL},
    {"manager.pid_file", {NULL}, "tarsierd stays in the foreground: systemd knows its pid (`pidfile` writes one)"},
    {"manager.event_loop_backend", {NULL}, NULL},
    {"security.effective_user", {NULL}, NULL},
    {"security.effective_group", {NULL}, NULL},
    {"package.options", {NULL}, "milters are looked for by `tarsier detect`"},
    {"security.privilege_mode", {"false"}, "tarsierd starts no milters: systemd does"},
    {"log.level", {"\"default\""}, "each decision and each session has its line; there is no level"},
    {"log.use_syslog", {"true"}, "it goes to syslog, or to stderr where that is a terminal, a pipe or a file"},
    {"log.syslog_facility", {"\"mail\""}, "log lines go to the facility mail"},
    {"log.", {NULL}, "log lines go to syslog, facility mail"},
    {"manager.remove_unix_socket_on_create", {"true"}, "a socket that nobody listens on is always replaced"},
    {"manager.remove_unix_socket_on_close", {"true"}, "our own socket is always removed"},
    {"manager.daemon", {"false"}, "tarsierd stays in the foreground: systemd wants it so"},
    {"manager.maintenance_interval", {"10", "0"}, "there is no garbage to collect"},
    {"manager.suspend_time_on_unacceptable", {"5", "0"}, "sessions beyond the maximum are answered by `fallback` at once"},
    {"manager.max_file_descriptors", {"0"}, "the limit is raised at start; LimitNOFILE= of the unit bounds it"},
    {"manager.custom_configuration_directory", {NULL}, "nothing but the administrator writes the configuration"},
    {"manager.n_workers", {"0"}, "one process serves tens of thousands of sessions"},
    {"manager.packet_buffer_size", {"0"}, "replies are sent together in any case"},
    {"manager.chunk_size", {"65535"}, "the body goes on as it came"},
    {"manager.max_pending_finished_sessions", {"0"}, "a finished session is given back at once"},
    {"manager.connection_check_interval", {"0", "5"}, "clients are watched in any case: see client_left"},
    {"controller.unix_socket_mode", {"0660"}, "there is no controller: systemctl reload tarsierd"},
    {"controller.remove_unix_socket_on_create", {"true"}, "there is no controller"},
    {"controller.remove_unix_socket_on_close", {"true"}, "there is no controller"},
    {"controller.", {NULL}, "there is no controller: systemctl reload tarsierd"},
    {"database.", {NULL}, "conditions ask no database: write its content as lists, and `include` them"},
};

static bool key_is(struct slice key, const char *row)
{
    struct slice name = slice_cstr(row);
    return name.ptr[name.len - 1] == '.' ? slice_has_prefix(key, row) : slice_eq(key, name);
}

/* Why this setting has no counterpart; NULL: it has, or it says nothing. */
static const char *why_left(const struct manager_item *item)
{
    if (item->value.kind == MANAGER_NIL)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(left_over); i++) {
        if (!key_is(item->key, left_over[i].key))
            continue;
        for (size_t k = 0; k < COUNT_OF(left_over[i].plain) && left_over[i].plain[k]; k++)
            if (slice_eq_cstr(item->raw, left_over[i].plain[k]))
                return NULL;
        return left_over[i].why;
    }
    return "not known to this version";
}

static void put_left_over(const struct manager_config *from, struct buf *out)
{
    struct buf left = {0};
    for (const struct manager_item *item = from->items; item; item = item->next) {
        const char *why = why_left(item);
        if (why)
            manager_put_left(&left, "", "", item, why);
    }
    for (const struct manager_block *c = from->conditions; c; c = c->next) {
        if (manager_condition_is_known(c->name))
            continue;
        struct buf text = {0};
        buf_put_cstr(&text, "define_applicable_condition(\"");
        buf_put_visible(&text, c->name);
        buf_put_cstr(&text, "\") ... ");
        buf_put_visible(&text, manager_text(c->items, "description"));
        buf_put_cstr(&text, "\n    Ruby of your own: write it as condition \"...\" { ... } and name that in `when`");
        manager_put_comment(&left, "", buf_slice(&text));
        buf_fini(&text);
    }
    if (left.len > 0) {
        buf_put_cstr(out, "\n# ---- What was not taken over, and why ----\n#\n");
        buf_put_slice(out, buf_slice(&left));
    }
    buf_fini(&left);
}

/* ---- the whole ---- */

static const char head[] =
    "# Made by `tarsier import milter-manager` from what milter-manager --show-config printed.\n"
    "# To try it:  tarsierd --check -f FILE\n"
    "#\n"
    "# --show-config does not print what was set with these; look for them in your *.conf and write them here:\n"
    "#     s25r.add_whitelist, s25r.add_blacklist                    s25r whitelist add { ... }, s25r blacklist add { ... "
    "}\n"
    "#     remote_network.add_local_address, add_remote_address      network local { ... }, network remote { ... }\n"
    "#     trust.add_envelope_from_domain, load_...                  trust { ... }, trust file \"...\"\n"
    "#     stress.threshold_n_connections                            stress N in place of stress\n"
    "#     restrict_accounts_by_list and other Ruby                  condition \"...\" { ... }\n\n";

/* The lists that milter-manager's conditions ask, with what each means by "listed". Named, since greylist.conf may have others. */
static const char dnsbls[] = "\n# What DNSBL Listed and Not DNSBL Listed ask.\n"
                             "dnsrbl \"zen.spamhaus.org\" zen.spamhaus.org 127.0.0.10/31\n"
                             "# (switched off by its operator in 2024; it does no harm)\n"
                             "dnsrbl \"dnsbl.sorbs.net\" dnsbl.sorbs.net 127.0.0.10\n"
                             "dnsrbl \"bl.spamcop.net\" bl.spamcop.net 127.0.0.2\n"
                             "dnsrbl \"b.barracudacentral.org\" b.barracudacentral.org 127.0.0.2\n"
                             "condition \"dnsbl listed\" {\n"
                             "    dnsbl \"zen.spamhaus.org\" or dnsbl \"dnsbl.sorbs.net\" or dnsbl \"bl.spamcop.net\"\n"
                             "    or dnsbl \"b.barracudacentral.org\"\n"
                             "}\n";

static void put_include(const struct manager_conf_options *options, struct buf *out)
{
    buf_put_cstr(out, "\n# What the greylist filter does with them: milter-greylist's own lists and lines.\n");
    if (options->greylist_conf && address_is_quotable(slice_cstr(options->greylist_conf)))
        buf_printf(out, "include \"%s\"\n\n", options->greylist_conf);
    else
        buf_put_cstr(out, "# Its file was not found here; without it everybody whom the filter sees is greylisted.\n"
                          "#include \"/etc/milter-greylist/greylist.conf\"\n\n");
}

void manager_put_conf(const struct manager_config *from, const struct manager_conf_options *options, struct buf *out)
{
    struct buf filters = {0};
    struct manager_used used = {0};
    manager_put_filters(from, &used, &filters);
    buf_put_cstr(out, head);
    put_listen(from->items, out);
    put_fallbacks(from->items, out);
    put_sessions(from->items, out);
    buf_put_cstr(out,
                 "\n# A domain in this file is itself and the names below it, not all names that end so.\ndomainexact\n");
    if (used.dnsbl)
        buf_put_cstr(out, dnsbls);
    buf_put_slice(out, buf_slice(&filters));
    bool included = used.greylist && options->greylist_conf;
    if (used.greylist)
        put_include(options, out);
    else
        buf_put_cstr(out, "\n# The process.\n");
    put_process(from->items, included, out);
    put_left_over(from, out);
    if (from->n_strays > 0)
        buf_printf(out, "\n# %zu lines of milter-manager's log stood in its output and were passed over.\n", from->n_strays);
    buf_fini(&filters);
}
