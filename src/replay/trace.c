/* trace.c - lines of a trace. */
#include "replay/trace.h"

enum err trace_read(struct slice line, struct delivery *out)
{
    struct slice rest = slice_trim(line, "\r");
    struct slice time = slice_cut(&rest, '\t'), address = slice_cut(&rest, '\t'), name = slice_cut(&rest, '\t');
    struct slice sender = slice_cut(&rest, '\t');
    uint64_t sec;
    *out = (struct delivery){.resolve = RESOLVE_FAIL, .times = 1};
    if (!rest.ptr || slice_to_u64(time, &sec) != ERR_NONE || sec > INT32_MAX * (uint64_t)64 ||
        ip_parse(address, &out->client) != ERR_NONE)
        return ERR_SYNTAX;
    out->time.sec = (int64_t)sec;
    if (name.len && name.ptr[0] == '[') {
        out->is_unnamed = true;
    } else if (name.len && !slice_eq_cstr(name, "unknown")) {
        out->resolve = RESOLVE_OK;
        out->name = name;
    }
    out->sender = sender;
    out->recipients[out->n_recipients++] = slice_cut(&rest, '\t');
    return ERR_NONE;
}
