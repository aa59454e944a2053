/* address.c - milters' addresses. */
#include "formats/address.h"

#include "base/ip.h"

enum { QUOTED_MAX_BYTES = 4096, HOST_MAX_BYTES = 255 };

bool address_is_quotable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f || c == '"')
            return false;
    }
    return text.len > 0 && text.len <= QUOTED_MAX_BYTES && text.ptr[text.len - 1] != '\\';
}

static enum err put_unix(struct slice path, struct buf *out)
{
    if (path.len == 0 || path.ptr[0] != '/' || !address_is_quotable(path))
        return ERR_SYNTAX;
    if (path.len > ADDRESS_UNIX_MAX_BYTES)
        return ERR_LIMIT;
    buf_put_cstr(out, "unix:");
    buf_put_slice(out, path);
    return ERR_NONE;
}

static bool is_host(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' && c != '-' && c != '_' && c != ':')
            return false;
    }
    return host.len > 0 && host.len <= HOST_MAX_BYTES;
}

/* An address says itself which family it is, whatever the word before it. */
static enum err put_inet(struct slice port, struct slice host, bool six, bool to_connect, struct buf *out)
{
    uint64_t number = 0;
    struct ip ip = {0};
    if (slice_to_u64(port, &number) != ERR_NONE || number < 1 || number > 65535)
        return ERR_SYNTAX;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = slice_upto(slice_from(host, 1), host.len - 2);
    if (!host.ptr || slice_eq_cstr(host, "*"))
        host = six ? SLICE_LIT("::") : SLICE_LIT("0.0.0.0");
    if (!is_host(host))
        return ERR_SYNTAX;
    bool is_ip = ip_parse(host, &ip) == ERR_NONE;
    if (!is_ip && slice_find(host, ':') < host.len)
        return ERR_SYNTAX;
    six = is_ip ? ip.family == IP_V6 : six;
    char plain[IP_TEXT_MAX];
    if (is_ip && to_connect && ip_eq(&ip, &(struct ip){.family = ip.family}))
        host = six ? SLICE_LIT("::1") : SLICE_LIT("127.0.0.1");
    else if (is_ip)
        host = slice_cstr(ip_format(&ip, plain));
    buf_printf(out, "%s:%u@%.*s", six ? "inet6" : "inet", (unsigned)number, SLICE_ARG(host));
    return ERR_NONE;
}

enum err address_put(struct slice text, bool to_connect, struct buf *out)
{
    text = slice_trim(text, " \t\r");
    struct slice rest = text, scheme = slice_cut(&rest, ':');
    bool six = slice_eq_nocase(scheme, SLICE_LIT("inet6"));
    if (rest.ptr && (six || slice_eq_nocase(scheme, SLICE_LIT("inet")))) {
        struct slice port = slice_cut(&rest, '@');
        return put_inet(port, rest, six, to_connect, out);
    }
    if (rest.ptr && (slice_eq_nocase(scheme, SLICE_LIT("unix")) || slice_eq_nocase(scheme, SLICE_LIT("local"))))
        return put_unix(rest, out);
    return put_unix(text, out);
}

enum err address_put_host_port(struct slice text, struct buf *out)
{
    text = slice_trim(text, " \t\r");
    if (slice_has_prefix(text, "/"))
        return put_unix(slice_upto(text, slice_find(text, ' ')), out);
    text = slice_upto(text, slice_find(text, ' '));
    size_t colon = slice_rfind(text, ':');
    if (colon == text.len)
        return ERR_SYNTAX;
    struct slice host = slice_upto(text, colon);
    return put_inet(slice_from(text, colon + 1), host, slice_has_prefix(host, "["), true, out);
}
