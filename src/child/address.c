/* address.c - where a child listens. */
#include "child/address.h"

struct child_address child_address_cut(const char *connect)
{
    struct child_address a = {0};
    struct slice rest = slice_cstr(connect), scheme = slice_cut(&rest, ':');
    if (slice_eq_cstr(scheme, "unix")) {
        a.path = rest.ptr;
        return a;
    }
    struct slice number = slice_cut(&rest, '@');
    uint64_t port = 0;
    a.is_v6 = slice_eq_cstr(scheme, "inet6");
    a.host = slice_trim(rest, "[]");
    if (slice_to_u64(number, &port) == ERR_NONE && port <= UINT16_MAX)
        a.port = (uint16_t)port;
    if (a.host.len == 0)
        a.host = a.is_v6 ? SLICE_LIT("::1") : SLICE_LIT("127.0.0.1");
    if (ip_parse(a.host, &a.ip) != ERR_NONE)
        a.ip = (struct ip){0};
    return a;
}
