/* advice.c - what to change in Postfix, and what to warn of. */
#include "postfix/advice.h"
#include "postfix/mta.h"

#include <string.h>

enum { MARGIN_SEC = 5 }; /* a report of progress may be late by so much */

const char *const postfix_advice_wanted[] = {
    "milter_default_action",
    "milter_command_timeout",
    "smtpd_forbid_unauth_pipelining",
    "default_process_limit",
    "mail_owner",
    "inet_interfaces",
    "inet_protocols",
    "smtpd_data_restrictions",
    NULL,
};

static bool is_on(struct slice value)
{
    return slice_eq_nocase(value, SLICE_LIT("yes"));
}

/* ---- the services that take mail from outside ---- */

/* The command's column has its options, too. */
static bool is_command(const struct postfix_value *v, const char *program)
{
    struct slice rest = v->value, word;
    return slice_eq_cstr(v->name, "command") && postfix_word(&rest, &word) && slice_eq_cstr(word, program);
}

/* "smtp/inet" of port smtp. */
static bool is_at_smtp_port(struct slice service)
{
    size_t slash = slice_rfind(service, '/');
    return slice_eq_cstr(slice_from(service, slash + 1), "inet") && mta_is_smtp_port(slice_upto(service, slash));
}

static bool has_postscreen(const struct postfix_values *values)
{
    for (size_t i = 0; i < values->n; i++)
        if (is_command(&values->items[i], "postscreen") && is_at_smtp_port(values->items[i].service))
            return true;
    return false;
}

/* The next smtpd that clients from outside get to: at port smtp, or behind postscreen. SLICE_NONE at the end. */
static struct slice door_next(const struct postfix_values *values, size_t *at)
{
    bool postscreen = has_postscreen(values);
    while (*at < values->n) {
        const struct postfix_value *v = &values->items[(*at)++];
        struct slice type = slice_from(v->service, slice_rfind(v->service, '/') + 1);
        if (is_command(v, "smtpd") && (is_at_smtp_port(v->service) || (postscreen && slice_eq_cstr(type, "pass"))))
            return v->service;
    }
    return SLICE_NONE;
}

static bool is_door(const struct postfix_values *values, struct slice service)
{
    struct slice door;
    for (size_t at = 0; (door = door_next(values, &at)).ptr;)
        if (slice_eq(door, service))
            return true;
    return false;
}

static struct slice without_brackets(struct slice host)
{
    bool has = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    return has ? slice_from(slice_upto(host, host.len - 1), 1) : host;
}

/* The first of inet_interfaces that is an address; else the loopback. */
static struct slice interface_of(const struct postfix_values *values)
{
    struct slice list = postfix_value(values, NULL, "inet_interfaces"), word;
    if (postfix_word(&list, &word) && !slice_eq_nocase(word, SLICE_LIT("all")) &&
        !slice_eq_nocase(word, SLICE_LIT("loopback-only")))
        return without_brackets(word);
    return slice_eq_nocase(postfix_value(values, NULL, "inet_protocols"), SLICE_LIT("ipv6")) ? SLICE_LIT("::1")
                                                                                             : SLICE_LIT("127.0.0.1");
}

void postfix_door_address(struct arena *arena, const struct postfix_values *values, const char **host, const char **port)
{
    struct slice name = SLICE_LIT("smtp");
    for (size_t i = 0; i < values->n; i++)
        if (slice_eq_cstr(values->items[i].name, "command") && is_at_smtp_port(values->items[i].service)) {
            name = slice_upto(values->items[i].service, slice_rfind(values->items[i].service, '/'));
            break;
        }
    size_t colon = slice_rfind(name, ':');
    *host = arena_cstr(arena, colon < name.len ? without_brackets(slice_upto(name, colon)) : interface_of(values));
    *port = arena_cstr(arena, colon < name.len ? slice_from(name, colon + 1) : name);
}

/* ---- our address, as Postfix writes it ---- */

/* A path below the queue directory is written from there: so it is the same one inside and outside of a chroot. */
static const char *unix_text(struct arena *arena, struct slice path, struct slice queue, bool chrooted)
{
    if (queue.len > 0 && path.len > queue.len + 1 && slice_eq(slice_upto(path, queue.len), queue) &&
        path.ptr[queue.len] == '/')
        return arena_printf(arena, "unix:%.*s", SLICE_ARG(slice_from(path, queue.len + 1)));
    return chrooted ? NULL : arena_printf(arena, "unix:%.*s", SLICE_ARG(path));
}

static const char *inet_text(struct arena *arena, struct slice address)
{
    struct slice host = address;
    (void)slice_cut(&host, ':');
    struct slice port = slice_cut(&host, '@');
    if (!host.ptr || slice_eq_cstr(host, "0.0.0.0"))
        host = SLICE_LIT("127.0.0.1");
    bool six = slice_find(host, ':') < host.len;
    if (slice_eq_cstr(host, "::"))
        host = SLICE_LIT("::1");
    return arena_printf(arena, six ? "inet:[%.*s]:%.*s" : "inet:%.*s:%.*s", SLICE_ARG(host), SLICE_ARG(port));
}

/* The first socket of ours that smtpd can see. */
static void choose_address(struct arena *arena, const struct conf *conf, const struct postfix_values *values,
                           struct postfix_setup *out)
{
    struct slice queue = postfix_value(values, NULL, "queue_directory"), door;
    for (size_t at = 0; (door = door_next(values, &at)).ptr;)
        out->chrooted |= postfix_is_chrooted(values, door);
    for (size_t i = 0; i < conf->n_listens && !out->milter; i++) {
        struct slice address = slice_cstr(conf->listens[i].address), path = address;
        struct slice scheme = slice_cut(&path, ':');
        out->address = conf->listens[i].address;
        out->milter =
            slice_eq_cstr(scheme, "unix") ? unix_text(arena, path, queue, out->chrooted) : inet_text(arena, address);
    }
    if (!out->milter)
        out->blocked =
            arena_printf(arena,
                         "smtpd runs in a chroot, %.*s, and does not see %s.\n"
                         "Write in tarsier.conf: listen \"unix:%.*s/tarsier/tarsier.sock\" mode 660 group postfix",
                         SLICE_ARG(queue), out->address, SLICE_ARG(queue));
}

/* ---- who asks us ---- */

static bool is_us(const struct conf *conf, const struct postfix_milter *m)
{
    for (size_t i = 0; m->address && i < conf->n_listens; i++)
        if (postfix_same_address(m->address, conf->listens[i].address))
            return true;
    return false;
}

/* The list that counts for a service: its own, else main.cf's. service: empty for main.cf. */
static bool asks_us(const struct conf *conf, const struct postfix_milters *milters, struct slice service)
{
    for (size_t i = 0; i < milters->n; i++) {
        const struct postfix_milter *m = &milters->items[i];
        if (slice_eq_cstr(m->parameter, "smtpd_milters") && slice_eq(m->service, service) && is_us(conf, m))
            return true;
    }
    return false;
}

static bool has_own_list(const struct postfix_milters *milters, struct slice service)
{
    for (size_t i = 0; i < milters->n; i++)
        if (slice_eq_cstr(milters->items[i].parameter, "smtpd_milters") && slice_eq(milters->items[i].service, service))
            return true;
    return false;
}

static const char *own_list_text(struct arena *arena, const struct postfix_values *values, const char *milter,
                                 struct slice service)
{
    struct slice list = postfix_value(values, arena_cstr(arena, service), "smtpd_milters");
    return arena_printf(arena,
                        "%.*s has a list of its own in master.cf (-o smtpd_milters), and main.cf's does not count there.\n"
                        "To have tarsierd asked: postconf -P '%.*s/smtpd_milters=%s%s%.*s'",
                        SLICE_ARG(service), SLICE_ARG(service), milter, list.len ? "," : "", SLICE_ARG(list));
}

static const char *add_lines(struct arena *arena, const char *before, const char *text)
{
    return before ? arena_printf(arena, "%s\n%s", before, text) : text;
}

/* Every service with a list of its own that leaves us out: a door blocks, any other may be meant so. */
static void look_at_services(struct arena *arena, const struct conf *conf, const struct postfix_values *values,
                             const struct postfix_milters *milters, struct postfix_setup *out)
{
    struct slice last = SLICE_NONE;
    for (size_t i = 0; i < milters->n; i++) {
        struct slice service = milters->items[i].service;
        if (service.len == 0 || slice_eq(service, last) || !slice_eq_cstr(milters->items[i].parameter, "smtpd_milters") ||
            asks_us(conf, milters, service))
            continue;
        last = service;
        const char *text = own_list_text(arena, values, out->milter, service);
        if (is_door(values, service))
            out->blocked = add_lines(arena, out->blocked, text);
        else
            out->foreign = add_lines(arena, out->foreign, text);
    }
}

static bool doors_ask_us(const struct conf *conf, const struct postfix_values *values, const struct postfix_milters *milters)
{
    bool by_main = asks_us(conf, milters, SLICE_LIT("")), any = false, all = true;
    struct slice door;
    for (size_t at = 0; (door = door_next(values, &at)).ptr;) {
        any = true;
        all &= has_own_list(milters, door) ? asks_us(conf, milters, door) : by_main;
    }
    return any ? all : by_main;
}

/* ---- the change ---- */

static bool has_any(const struct postfix_milters *milters)
{
    for (size_t i = 0; i < milters->n; i++)
        if (milters->items[i].raw.len > 0)
            return true;
    return false;
}

static void choose_extras(const struct postfix_values *values, const struct postfix_milters *milters, struct slice main_cf,
                          struct postfix_setup *out)
{
    size_t n = 0;
    /* For others than us the default action is their administrator's choice: it stays. */
    if (!has_any(milters) && !maincf_sets(main_cf, "milter_default_action"))
        out->change.extras[n++] = "milter_default_action = accept";
    struct slice pipelining = postfix_value(values, NULL, "smtpd_forbid_unauth_pipelining");
    if (pipelining.ptr && !is_on(pipelining) && !maincf_sets(main_cf, "smtpd_forbid_unauth_pipelining"))
        out->change.extras[n++] = "smtpd_forbid_unauth_pipelining = yes";
}

void postfix_setup_decide(struct arena *arena, const struct conf *conf, const struct postfix_values *values,
                          struct slice main_cf, struct postfix_setup *out)
{
    struct postfix_milters milters;
    *out = (struct postfix_setup){0};
    postfix_milters_read(arena, values, &milters);
    choose_address(arena, conf, values, out);
    out->is_asked = doors_ask_us(conf, values, &milters);
    if (!out->milter)
        return;
    look_at_services(arena, conf, values, &milters, out);
    size_t at = 0;
    if (!door_next(values, &at).ptr)
        out->blocked = add_lines(arena, out->blocked, "master.cf has no smtpd at port smtp: no mail comes from outside.");
    out->change.milter = out->milter;
    choose_extras(values, &milters, main_cf, out);
}

/* ---- warnings ---- */

/* postconf(5): "30s", "1m", a bare number is seconds. 0: not understood. */
static int64_t duration_sec(struct slice text)
{
    static const struct {
        char unit;
        int64_t sec;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t n;
    int64_t factor = 1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && text.len > 0; i++)
        if (text.ptr[text.len - 1] == units[i].unit) {
            factor = units[i].sec;
            text = slice_upto(text, text.len - 1);
            break;
        }
    return slice_to_u64(text, &n) == ERR_NONE && n <= INT32_MAX ? (int64_t)n * factor : 0;
}

/* One of the options in braces: "connect_timeout=10s, default_action=accept". */
static struct slice option_of(struct slice options, const char *name)
{
    for (struct slice value; options.len > 0;) {
        value = slice_cut(&options, ',');
        struct slice key = slice_trim(slice_cut(&value, '='), " \t\r\n");
        if (value.ptr && slice_eq_cstr(key, name))
            return slice_trim(value, " \t\r\n");
    }
    return SLICE_NONE;
}

/* What counts for our milter: its own option, else the parameter. */
static struct slice for_us(struct arena *arena, const struct conf *conf, const struct postfix_values *values,
                           const char *option, const char *parameter)
{
    struct postfix_milters milters;
    postfix_milters_read(arena, values, &milters);
    for (size_t i = 0; i < milters.n; i++)
        if (milters.items[i].service.len == 0 && is_us(conf, &milters.items[i])) {
            struct slice own = option_of(milters.items[i].options, option);
            if (own.ptr)
                return own;
        }
    return postfix_value(values, NULL, parameter);
}

static int64_t longest_hold_sec(const struct conf *conf)
{
    int64_t longest = 0;
    for (size_t i = 0; i < conf->n_acls; i++)
        for (size_t k = 0; k < conf->acls[i].n_clauses; k++) {
            const struct conf_term *term = &conf->acls[i].clauses[k].term;
            if (term->kind == CONF_TERM_TARPIT && term->number > longest)
                longest = term->number;
        }
    return longest;
}

/* How long Postfix may have to wait for a word of ours during a hold. */
static int64_t silence_sec(const struct conf *conf)
{
    bool reports = conf->set.progress == CONF_PROGRESS_AUTO || conf->set.progress == CONF_PROGRESS_ALWAYS;
    int64_t longest = longest_hold_sec(conf);
    return reports && conf->set.progress_sec < longest ? conf->set.progress_sec : longest;
}

static size_t advise_pipelining(const struct postfix_values *after, struct buf *out)
{
    struct slice value = postfix_value(after, NULL, "smtpd_forbid_unauth_pipelining");
    struct slice data = postfix_value(after, NULL, "smtpd_data_restrictions");
    if (is_on(value))
        return 0;
    if (value.ptr) {
        buf_put_cstr(
            out, "smtpd_forbid_unauth_pipelining is off: a client that sends all its commands at once is not told to wait.\n"
                 "Write in main.cf: smtpd_forbid_unauth_pipelining = yes\n");
        return 1;
    }
    for (struct slice word; postfix_word(&data, &word);)
        if (slice_eq_cstr(word, "reject_unauth_pipelining"))
            return 0;
    buf_put_cstr(
        out,
        "This Postfix has no smtpd_forbid_unauth_pipelining: a client that sends all its commands at once is not told to\n"
        "wait. Write in main.cf: smtpd_data_restrictions = reject_unauth_pipelining\n");
    return 1;
}

static size_t advise_timeout(struct arena *arena, const struct conf *conf, const struct postfix_values *after,
                             struct buf *out)
{
    struct slice timeout = for_us(arena, conf, after, "command_timeout", "milter_command_timeout");
    struct slice action = for_us(arena, conf, after, "default_action", "milter_default_action");
    int64_t have = duration_sec(timeout), silence = silence_sec(conf);
    if (silence == 0 || have == 0 || have >= silence + MARGIN_SEC)
        return 0;
    buf_printf(out,
               "Postfix waits %.*s for a milter's answer (milter_command_timeout), and during a hold tarsierd may say "
               "nothing for %lld s:\n",
               SLICE_ARG(timeout), (long long)silence);
    if (slice_eq_cstr(action, "accept"))
        buf_put_cstr(out, "the client is let in unchecked then (milter_default_action = accept).\n");
    else
        buf_printf(out, "the client's mail is not let in then (milter_default_action = %.*s).\n", SLICE_ARG(action));
    buf_put_cstr(
        out,
        "Write in main.cf: milter_command_timeout = 30s, or longer; in tarsier.conf: progress auto, progress every 10s\n");
    return 1;
}

static size_t advise_limit(const struct conf *conf, uint32_t sessions, struct buf *out)
{
    if (sessions == 0 || conf->set.holds_max < (int64_t)sessions || longest_hold_sec(conf) == 0)
        return 0;
    buf_printf(
        out,
        "Postfix allows itself %u smtpd at its port, and `holds max %lld` may take them all: nobody else gets in then.\n"
        "Write in tarsier.conf: holds max auto (half of them), or raise default_process_limit\n",
        sessions, (long long)conf->set.holds_max);
    return 1;
}

static size_t advise_maps(const struct postfix_values *after, struct buf *out)
{
    struct slice maps = postfix_value(after, NULL, "smtpd_milter_maps");
    if (maps.len == 0)
        return 0;
    buf_put_cstr(out, "smtpd_milter_maps (");
    buf_put_visible(out, maps);
    buf_put_cstr(out, ") names milters by client: for those clients smtpd_milters does not count.\n");
    return 1;
}

size_t postfix_advise(struct arena *arena, const struct conf *conf, const struct postfix_values *after,
                      const struct postfix_setup *setup, uint32_t sessions, struct buf *out)
{
    size_t n = advise_pipelining(after, out);
    n += advise_timeout(arena, conf, after, out);
    n += advise_limit(conf, sessions, out);
    n += advise_maps(after, out);
    if (setup->foreign) {
        buf_printf(out, "%s\n", setup->foreign);
        n++;
    }
    return n;
}

/* Lines such as "/usr/lib/postfix/sbin/smtpd (enforce)", "postfix-smtpd (complain)". */
bool postfix_apparmor_confines(struct slice profiles)
{
    while (profiles.ptr) {
        struct slice mode = slice_cut(&profiles, '\n'), name = slice_cut(&mode, '(');
        name = slice_trim(name, " ");
        if (mode.ptr && slice_has_prefix(mode, "enforce") && slice_has_suffix_nocase(name, SLICE_LIT("smtpd")))
            return true;
    }
    return false;
}
