/* parse_listen.c - addresses of sockets; where the MTA reaches us: greylist.conf's socket and our listen. */
#include "base/mem.h"
#include "conf/parse.h"

#include <string.h>

enum { UNIX_PATH_MAX_BYTES = 107 }; /* sun_path less its NUL */

static struct slice without_brackets(struct slice host)
{
    bool has = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    return has ? slice_upto(slice_from(host, 1), host.len - 2) : host;
}

/* "host:port", which is how Postfix writes it: our way to say the same. NULL: it is nothing of the kind. */
static const char *postfix_form(struct parser *p, struct slice text)
{
    uint64_t number;
    struct ip ip;
    size_t colon = slice_rfind(text, ':');
    struct slice host = slice_upto(text, colon);
    if (colon >= text.len || slice_to_u64(slice_from(text, colon + 1), &number) || number < 1 || number > 65535)
        return NULL;
    host = without_brackets(host);
    bool is_ip = ip_parse(host, &ip) == ERR_NONE, six = is_ip && ip.family == IP_V6;
    if (host.len == 0 ||
        (!is_ip && slice_trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_").len))
        return NULL;
    return parse_text(p, "did you mean \"%s:%u@%.*s\"? Postfix writes the host first, milters the port",
                      six ? "inet6" : "inet", (unsigned)number, SLICE_ARG(host));
}

/* Where no host is named: a milter is looked for on this host, a listener takes from everywhere. */
static struct slice no_host(struct parser *p, const struct token *t, bool six, enum parse_address use)
{
    if (use == PARSE_CONNECT)
        return six ? SLICE_LIT("::1") : SLICE_LIT("127.0.0.1");
    diags_add(p->diags, DIAG_WARNING, t->where,
              six ? "add @::1 to be reached from this host alone" : "add @127.0.0.1 to be reached from this host alone",
              "without a host everybody who reaches this port can talk to us");
    return six ? SLICE_LIT("::") : SLICE_LIT("0.0.0.0");
}

/* "port@host" behind inet: or inet6:. Normalised to always have a host. */
static bool parse_inet(struct parser *p, const struct token *t, struct slice rest, bool six, enum parse_address use,
                       const char **out)
{
    struct slice all = rest, port = slice_cut(&rest, '@'), host = rest;
    uint64_t number = 0;
    const char *meant = postfix_form(p, all);
    if (meant)
        return parse_fail(p, t->where, meant, "the port stands before the host, parted by `@`");
    if (slice_to_u64(port, &number) || number < 1 || number > 65535)
        return parse_fail(p, t->where, "it is written inet:10025@127.0.0.1", "\"%.*s\" is no port from 1 to 65535",
                          SLICE_ARG(slice_upto(port.len ? port : all, 60)));
    host = without_brackets(host);
    if (!host.ptr)
        host = no_host(p, t, six, use);
    struct ip ip;
    if (host.len == 0)
        return parse_fail(p, t->where, NULL, "there is no host behind the `@`");
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] == ' ' || host.ptr[i] == '\t')
            return parse_fail(p, t->where, NULL, "a host has no blank in it: \"%.*s\"", SLICE_ARG(slice_upto(host, 60)));
    if (ip_parse(host, &ip) == ERR_NONE && (ip.family == IP_V6) != six)
        return parse_fail(p, t->where, six ? "write inet: for it" : "write inet6: for it", "\"%.*s\" is an IPv%d address",
                          SLICE_ARG(host), ip.family);
    *out = arena_printf(&p->c->arena, "%s:%u@%.*s", six ? "inet6" : "inet", (unsigned)number, SLICE_ARG(host));
    return true;
}

bool parse_address(struct parser *p, const struct token *t, enum parse_address use, const char **out)
{
    struct slice rest = t->text, scheme = slice_cut(&rest, ':');
    bool six = slice_eq_nocase(scheme, SLICE_LIT("inet6"));
    if (rest.ptr && (six || slice_eq_nocase(scheme, SLICE_LIT("inet"))))
        return parse_inet(p, t, rest, six, use, out);
    struct slice path = t->text;
    if (rest.ptr && (slice_eq_nocase(scheme, SLICE_LIT("unix")) || slice_eq_nocase(scheme, SLICE_LIT("local")))) {
        path = rest;
    } else if (use != PARSE_SOCKET) {
        const char *meant = t->text.ptr[0] == '/' ? parse_text(p, "did you mean \"unix:%.*s\"?", SLICE_ARG(t->text))
                                                  : postfix_form(p, t->text);
        return parse_fail(p, t->where, meant ? meant : "it is written unix:/path, inet:port@host or inet6:port@host",
                          "this is no address to %s", use == PARSE_LISTEN ? "listen on" : "connect to");
    }
    if (path.len == 0 || path.ptr[0] != '/')
        return parse_fail(p, t->where,
                          path.len && use == PARSE_CONNECT
                              ? parse_text(p, "Postfix's own begin in its queue directory: \"unix:/var/spool/postfix/%.*s\"",
                                           SLICE_ARG(path))
                              : NULL,
                          "the path of a socket must begin with a slash");
    if (path.len > UNIX_PATH_MAX_BYTES)
        return parse_fail(p, t->where, NULL, "the path of a socket has at most %d bytes", UNIX_PATH_MAX_BYTES);
    *out = arena_printf(&p->c->arena, "unix:%.*s", SLICE_ARG(path));
    return true;
}

static bool is_unix(const struct conf_listen *l)
{
    return slice_has_prefix(slice_cstr(l->address), "unix:");
}

/* `socket none`: an included greylist.conf's socket is not made. What `listen` says stays. */
static bool socket_drop(struct parser *p)
{
    if (!parse_end(p, NULL))
        return false;
    if (p->socket_index) {
        struct conf_listen *l = p->listens.items;
        size_t behind = p->listens.count - p->socket_index;
        memmove(&l[p->socket_index - 1], &l[p->socket_index], behind * sizeof(*l));
        p->listens.count--;
        p->socket_index = 0;
    }
    return true;
}

bool parse_socket(struct parser *p, const struct token *word)
{
    struct token t;
    struct conf_listen l = {.where = word->where, .mode = -1};
    (void)parse_take(p, ':');
    if (parse_take_word(p, "none"))
        return socket_drop(p);
    if (!parse_string(p, "a path or inet:port@host in quotes", &t) || !parse_address(p, &t, PARSE_SOCKET, &l.address))
        return false;
    struct token mode = parse_peek(p, 0);
    if (mode.kind == TOKEN_WORD) {
        if (!parse_octal(p, "the mode of socket", &l.mode))
            return false;
        if (l.mode != 0666 && l.mode != 0660 && l.mode != 0600)
            return parse_fail(p, mode.where, "`listen` takes any mode", "the mode of socket is 666, 660 or 600");
        if (!is_unix(&l))
            l.mode = -1; /* milter-greylist reads it and does nothing with it */
    }
    if (!parse_end(p, NULL))
        return false;
    if (p->socket_index) {
        struct conf_listen *before = &((struct conf_listen *)p->listens.items)[p->socket_index - 1];
        diags_add(p->diags, DIAG_WARNING, word->where, "to listen on both write `listen`",
                  "socket was set in %s:%u already; this line counts", before->where.file, before->where.line);
        *before = l;
        return true;
    }
    *(struct conf_listen *)parse_push(&p->listens, sizeof(l)) = l;
    p->socket_index = p->listens.count;
    return true;
}

bool parse_listen(struct parser *p, const struct token *word)
{
    struct token t;
    struct conf_listen l = {.where = word->where, .mode = -1};
    if (!parse_string(p, "an address in quotes", &t) || !parse_address(p, &t, PARSE_LISTEN, &l.address))
        return false;
    for (;;) {
        struct token option = parse_peek(p, 0);
        if (parse_take_word(p, "mode")) {
            if (l.mode >= 0)
                return parse_fail(p, option.where, NULL, "`mode` stands here twice");
            if (!parse_octal(p, "the mode of listen", &l.mode))
                return false;
        } else if (parse_take_word(p, "group")) {
            struct token group = parse_peek(p, 0);
            if (l.group)
                return parse_fail(p, option.where, NULL, "`group` stands here twice");
            if ((group.kind != TOKEN_WORD && group.kind != TOKEN_STRING) || group.text.len == 0)
                return parse_unexpected(p, &group, NULL, "the name of a group");
            l.group = arena_cstr(&p->c->arena, group.text);
            (void)parse_next(p, 0);
        } else {
            break;
        }
        if (!is_unix(&l))
            return parse_fail(p, option.where, NULL, "only a unix socket has a mode and a group");
    }
    struct token end = parse_peek(p, 0);
    if (end.kind == TOKEN_WORD)
        return parse_unexpected(p, &end, NULL, "`mode`, `group` or the end of the line");
    if (!parse_end(p, NULL))
        return false;
    *(struct conf_listen *)parse_push(&p->listens, sizeof(l)) = l;
    return true;
}
