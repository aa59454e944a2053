/* dump.c - milter-greylist's dump file. */
#include "formats/dump.h"

#include "grey/clean.h"

#include <inttypes.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice skip_blanks(struct slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = slice_from(s, 1);
    return s;
}

/* Next word; blanks before it are skipped. */
static struct slice take_word(struct slice *rest)
{
    struct slice s = skip_blanks(*rest);
    size_t n = 0;
    while (n < s.len && !is_blank(s.ptr[n]))
        n++;
    *rest = slice_from(s, n);
    return slice_upto(s, n);
}

/*
 * Next address. The peer puts a tab behind it, so blanks may stand within; a file that went through somebody's editor may have blanks
 * only.
 */
static struct slice take_address(struct slice *rest)
{
    struct slice s = skip_blanks(*rest);
    size_t tab = slice_find(s, '\t');
    if (tab == s.len) {
        *rest = s;
        return take_word(rest);
    }
    *rest = slice_from(s, tab + 1);
    return slice_trim(slice_upto(s, tab), " ");
}

static enum err fail(enum err e, const char **why, const char *text)
{
    *why = text;
    return e;
}

/* What stands behind the date: nothing, AUTO, or seconds and TARPIT; then a comment. */
static enum err parse_tail(struct slice rest, struct dump_line *out, const char **why)
{
    struct slice word = take_word(&rest);
    uint64_t n = 0;
    bool has_number = false;
    if (slice_to_u64(word, &n) == ERR_NONE) {
        has_number = true;
        word = take_word(&rest);
    }
    if (slice_eq_nocase(word, SLICE_LIT("TARPIT")))
        out->kind = DUMP_TARPIT;
    else if (has_number)
        return fail(ERR_SYNTAX, why, "a number without TARPIT behind the date");
    else if (slice_eq_nocase(word, SLICE_LIT("AUTO")))
        out->kind = DUMP_AUTO;
    else if (word.len > 0 && word.ptr[0] != '#')
        return fail(ERR_SYNTAX, why, "neither AUTO nor TARPIT behind the date");
    if (n > UINT32_MAX)
        return fail(ERR_RANGE, why, "the seconds of TARPIT are out of range");
    out->waited_sec = (int64_t)n;
    if (word.len == 0 || word.ptr[0] == '#')
        return ERR_NONE;
    word = take_word(&rest);
    if (word.len > 0 && word.ptr[0] != '#')
        return fail(ERR_SYNTAX, why, "something unknown at the end of the line");
    return ERR_NONE;
}

enum err dump_parse_line(struct slice line, struct dump_line *out, const char **why)
{
    *out = (struct dump_line){.kind = DUMP_GREY};
    *why = NULL;
    struct slice rest = skip_blanks(slice_trim(line, "\r"));
    if (rest.len == 0 || rest.ptr[0] == '#')
        return ERR_NOT_FOUND;
    if (ip_parse(take_word(&rest), &out->addr) != ERR_NONE)
        return fail(ERR_SYNTAX, why, "does not begin with an address");
    out->sender = take_address(&rest);
    out->recipient = take_address(&rest);
    if (out->sender.len == 0)
        return fail(ERR_SYNTAX, why, "no sender");
    if (out->recipient.len == 0)
        return fail(ERR_SYNTAX, why, "no recipient");
    uint64_t date;
    enum err e = slice_to_u64(take_word(&rest), &date);
    if (e == ERR_SYNTAX)
        return fail(ERR_SYNTAX, why, "no date behind the recipient");
    if (e != ERR_NONE || date > (uint64_t)GREY_TIME_MAX)
        return fail(ERR_RANGE, why, "the date is out of range");
    out->date.sec = (int64_t)date;
    return parse_tail(rest, out, why);
}

enum err dump_next(struct dump_reader *r, struct dump_line *out)
{
    while (r->text.len > 0) {
        struct slice line = slice_cut(&r->text, '\n');
        r->line++;
        enum err e = dump_parse_line(line, out, &r->why);
        if (e != ERR_NOT_FOUND)
            return e;
    }
    return ERR_NOT_FOUND;
}

/*
 * A TARPIT line is somebody who hung up: a pending record with a left mark. The peer writes it beside the grey line of the same tuple;
 * grey_record_merge puts the two together.
 */
enum err dump_to_record(struct arena *arena, const struct dump_line *line, const struct dump_rules *rules, struct wall now,
                        struct grey_tuple *tuple, struct grey_record *record)
{
    int64_t end = line->kind == DUMP_AUTO ? line->date.sec : line->date.sec + rules->timeout_sec;
    if (end < now.sec)
        return ERR_NOT_FOUND;
    *tuple = (struct grey_tuple){
        .addr = line->addr,
        .addr_bits = line->addr.family == IP_V4 ? rules->bits_v4 : rules->bits_v6,
        .sender = grey_clean_sender(arena, line->sender),
        .recipient = grey_clean_recipient(arena, line->recipient),
    };
    *record = (struct grey_record){
        .type = GREY_RECORD_TUPLE,
        .expires = {end},
        .left_sec = -1,
        .addr = line->addr,
        .sender = tuple->sender,
        .recipient = tuple->recipient,
    };
    if (line->kind == DUMP_AUTO) {
        record->is_auto = true;
        record->first_seen = record->auto_since = now;
        return ERR_NONE;
    }
    int64_t first = line->date.sec - rules->delay_sec;
    record->first_seen.sec = first < 0 ? 0 : first;
    if (line->kind == DUMP_TARPIT) {
        record->left_sec = line->waited_sec;
        record->left_until.sec = end;
    }
    return ERR_NONE;
}

enum err dump_from_record(const struct grey_record *record, const struct dump_rules *rules, struct dump_line *out)
{
    bool only_served = !record->is_auto && record->expires.sec == 0; /* who reads a dump would let it in after the delay */
    if (record->type != GREY_RECORD_TUPLE || only_served)
        return ERR_UNSUPPORTED;
    *out = (struct dump_line){
        .kind = record->is_auto         ? DUMP_AUTO
                : record->left_sec >= 0 ? DUMP_TARPIT
                                        : DUMP_GREY,
        .addr = record->addr,
        .sender = record->sender,
        .recipient = record->recipient,
        .date = {record->is_auto ? record->expires.sec : record->first_seen.sec + rules->delay_sec},
        .waited_sec = record->is_auto || record->left_sec < 0 ? 0 : record->left_sec,
    };
    return ERR_NONE;
}

void dump_put_header(struct buf *out)
{
    buf_put_cstr(out, "# Greylisting records in milter-greylist's form, written by tarsier\n"
                      "# client address, sender, recipient, time (seconds since 1970): grey and TARPIT\n"
                      "# are let in from then on, AUTO lives until then\n\n");
}

void dump_put_line(struct buf *out, const struct dump_line *line)
{
    char addr[IP_TEXT_MAX];
    buf_printf(out, "%s\t", ip_format(&line->addr, addr));
    buf_put_slice(out, line->sender);
    buf_put_byte(out, '\t');
    buf_put_slice(out, line->recipient);
    buf_printf(out, "\t%" PRId64, line->date.sec);
    if (line->kind == DUMP_AUTO)
        buf_put_cstr(out, " AUTO");
    else if (line->kind == DUMP_TARPIT)
        buf_printf(out, "\t%" PRId64 " TARPIT", line->waited_sec);
    buf_put_byte(out, '\n');
}

void dump_summary_add(struct dump_summary *s, const struct dump_line *line)
{
    s->grey += line->kind == DUMP_GREY;
    s->autos += line->kind == DUMP_AUTO;
    s->tarpit += line->kind == DUMP_TARPIT;
}

void dump_put_summary(struct buf *out, const struct dump_summary *s)
{
    buf_printf(out,
               "#\n# Summary: %" PRIu64 " records, %" PRIu64 " greylisted, %" PRIu64 " whitelisted, %" PRIu64 " tarpitted\n",
               s->grey + s->autos + s->tarpit, s->grey, s->autos, s->tarpit);
}
