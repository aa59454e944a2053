/* postgrey.c - postgrey's database as db_dump prints it. */
#include "formats/postgrey.h"

#include "grey/clean.h"

enum { POSTGREY_DELAY_SEC = 300 }; /* --delay as it comes; a longer one makes AUTO of what was let in a little later */

static enum err fail(enum err e, const char **why, const char *text)
{
    *why = text;
    return e;
}

static int hex_of(char c)
{
    c = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of digits; or print: as it is, but \\ and \xx. */
static bool decode(struct slice text, bool is_hex, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < text.len;) {
        bool escape = !is_hex && text.ptr[i] == '\\';
        if (!is_hex && !escape) {
            buf_put_byte(out, text.ptr[i++]);
            continue;
        }
        i += escape;
        if (escape && i < text.len && text.ptr[i] == '\\') {
            buf_put_byte(out, text.ptr[i++]);
            continue;
        }
        int high = i + 1 < text.len ? hex_of(text.ptr[i]) : -1, low = high >= 0 ? hex_of(text.ptr[i + 1]) : -1;
        if (low < 0)
            return false;
        buf_put_byte(out, (char)(high << 4 | low));
        i += 2;
    }
    return true;
}

/* 192.0.2.0 and .7 are 192.0.2.7. */
static void add_host(struct ip *addr, struct slice host)
{
    uint64_t n;
    if (addr->family == IP_V4 && host.len > 1 && host.ptr[0] == '.' && slice_to_u64(slice_from(host, 1), &n) == ERR_NONE &&
        n <= 255)
        addr->bytes[3] = (uint8_t)n;
}

/* A sender may bear a slash, a client and a recipient's domain do not. */
static enum err split_key(struct slice key, struct postgrey_entry *out, const char **why)
{
    size_t first = slice_find(key, '/'), last = slice_rfind(key, '/');
    if (first >= last)
        return fail(ERR_SYNTAX, why, "not client/sender/recipient");
    if (ip_parse(slice_upto(key, first), &out->addr) != ERR_NONE)
        return fail(ERR_SYNTAX, why, "does not begin with an address");
    out->sender = slice_upto(slice_from(key, first + 1), last - first - 1);
    out->recipient = slice_from(key, last + 1);
    return out->recipient.len ? ERR_NONE : fail(ERR_SYNTAX, why, "no recipient");
}

static enum err split_value(struct slice value, struct postgrey_entry *out, const char **why)
{
    uint64_t first, last;
    if (slice_to_u64(slice_cut(&value, ','), &first) != ERR_NONE || slice_to_u64(slice_cut(&value, ','), &last) != ERR_NONE)
        return fail(ERR_SYNTAX, why, "not the times of a first and a last visit");
    if (first > (uint64_t)GREY_TIME_MAX || last > (uint64_t)GREY_TIME_MAX)
        return fail(ERR_RANGE, why, "a time out of range");
    out->first.sec = (int64_t)first;
    out->last.sec = (int64_t)last;
    add_host(&out->addr, value);
    return ERR_NONE;
}

static void take_header(struct postgrey_reader *r, struct slice line)
{
    if (slice_eq_cstr(line, "format=bytevalue"))
        r->is_hex = true;
    r->in_data |= slice_eq_cstr(line, "HEADER=END");
}

enum err postgrey_take_line(struct postgrey_reader *r, struct arena *arena, struct slice line, struct postgrey_entry *out,
                            const char **why)
{
    *why = NULL;
    line = slice_trim(line, "\r");
    if (!r->in_data || r->ended) {
        take_header(r, line);
        return ERR_NOT_FOUND;
    }
    if (slice_eq_cstr(line, "DATA=END")) {
        r->ended = true;
        return r->has_key ? fail(ERR_SYNTAX, why, "a key without a value") : ERR_NOT_FOUND;
    }
    struct buf value = {0};
    bool is_value = r->has_key;
    r->has_key = !is_value;
    if (line.len == 0 || line.ptr[0] != ' ' || !decode(slice_from(line, 1), r->is_hex, is_value ? &value : &r->key)) {
        buf_clear(&r->key); /* of no use; an odd value does not make keys of the values behind it */
        buf_fini(&value);
        return fail(ERR_SYNTAX, why, "no line of db_dump's");
    }
    if (!is_value)
        return ERR_NOT_FOUND;
    enum err e = split_key(arena_slice(arena, buf_slice(&r->key)), out, why);
    if (e == ERR_NONE)
        e = split_value(buf_slice(&value), out, why);
    buf_fini(&value);
    return e;
}

enum err postgrey_to_record(struct arena *arena, const struct postgrey_entry *entry, const struct dump_rules *rules,
                            int64_t autowhite_sec, struct wall now, struct grey_record *record)
{
    bool passed = entry->last.sec - entry->first.sec >= POSTGREY_DELAY_SEC;
    bool replaced = slice_find(entry->sender, '#') < entry->sender.len;
    int64_t end = passed ? entry->last.sec + autowhite_sec : entry->first.sec + rules->delay_sec + rules->timeout_sec;
    if (end < now.sec)
        return ERR_NOT_FOUND;
    if (replaced && !passed)
        return ERR_UNSUPPORTED;
    *record = (struct grey_record){.type = replaced ? GREY_RECORD_PAIR : GREY_RECORD_TUPLE,
                                   .is_auto = passed,
                                   .first_seen = entry->first,
                                   .expires = {end},
                                   .left_sec = -1,
                                   .addr = entry->addr,
                                   .sender = grey_clean_sender(arena, entry->sender)};
    if (passed)
        record->auto_since = entry->last;
    if (replaced)
        record->sender = grey_address_domain(record->sender);
    else
        record->recipient = grey_clean_recipient(arena, entry->recipient);
    return ERR_NONE;
}
