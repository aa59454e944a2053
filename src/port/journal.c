/* journal.c - rows of the decision journal, and who is asked about. */
#include "port/journal.h"

#include <inttypes.h>
#include <string.h>

enum { FIELD_MAX_BYTES = 1024 };

static const char *const words[JOURNAL_MAX_] = {
    [JOURNAL_PASSED] = "passed",
    [JOURNAL_HELD] = "held",
    [JOURNAL_STAYED] = "stayed",
    [JOURNAL_SIBLING] = "sibling",
    [JOURNAL_LEFT] = "left",
    [JOURNAL_CUT] = "cut",
    [JOURNAL_NOT_HELD] = "not-held",
    [JOURNAL_DEFERRED] = "deferred",
    [JOURNAL_LET_IN] = "let-in",
    [JOURNAL_ACCEPTED] = "accepted",
    [JOURNAL_REJECTED] = "rejected",
    [JOURNAL_GONE] = "gone",
    [JOURNAL_REMEMBERED] = "remembered",
    [JOURNAL_NOT_REMEMBERED] = "not-remembered",
    [JOURNAL_QUEUE_ID] = "queue-id",
    [JOURNAL_RELEASED] = "released",
    [JOURNAL_DROPPED] = "dropped",
};

static const char *const suspicions[JOURNAL_SUSPICION_MAX_] = {
    [JOURNAL_NOT_SUSPECTED] = "-",
    [JOURNAL_S25R] = "s25r",
    [JOURNAL_UNKNOWN_CLIENT] = "unknown_client",
    [JOURNAL_GENERIC_RDNS] = "generic_rdns",
};

const char *journal_word(enum journal_what what)
{
    return words[what];
}

const char *journal_suspicion_word(enum journal_suspicion suspicion)
{
    return suspicions[suspicion];
}

/* ---- rows ---- */

void journal_put_field(struct buf *out, struct slice text)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != 0x7f && c != '\\' && (c < 0x80 || c > 0x9f)) {
            buf_put_byte(out, (char)c);
            continue;
        }
        const char escaped[] = {'\\', 'x', hex[c >> 4], hex[c & 15]};
        buf_put(out, escaped, sizeof(escaped));
    }
}

static void put_text(struct buf *out, struct slice text)
{
    buf_put_byte(out, '\t');
    journal_put_field(out, slice_upto(text, FIELD_MAX_BYTES));
}

static void put_member(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    buf_printf(out, ",\"%s\":", name);
    buf_put_json(out, slice_upto(value, FIELD_MAX_BYTES));
}

void journal_put_members(struct buf *out, const struct journal_entry *e)
{
    buf_printf(out, "\"what\":\"%s\"", words[e->what]);
    if (e->suspicion != JOURNAL_NOT_SUSPECTED)
        buf_printf(out, ",\"suspicion\":\"%s\"", suspicions[e->suspicion]);
    if (e->evaluation)
        buf_put_cstr(out, ",\"evaluation\":true");
    if (e->sec >= 0)
        buf_printf(out, ",\"seconds\":%" PRId64, e->sec);
    put_member(out, "connection", e->connection);
    put_member(out, "queue_id", e->queue_id);
    put_member(out, "address", e->address);
    put_member(out, "name", e->name);
    put_member(out, "helo", e->helo);
    put_member(out, "sender", e->sender);
    put_member(out, "recipient", e->recipient);
    put_member(out, "line", e->line);
    put_member(out, "why", e->why);
}

void journal_put_row(struct buf *out, const struct journal_entry *e)
{
    buf_printf(out, "%" PRId64 "\t%s\t%s\t%c\t", e->at.sec, words[e->what], suspicions[e->suspicion],
               e->evaluation ? 'e' : '-');
    if (e->sec >= 0)
        buf_printf(out, "%" PRId64, e->sec);
    const struct slice texts[] = {e->connection, e->queue_id,  e->address, e->name, e->helo,
                                  e->sender,     e->recipient, e->line,    e->why};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        put_text(out, texts[i]);
    buf_put_byte(out, '\n');
}

static int nibble(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err take_text(struct slice field, struct slice *out, struct arena *arena)
{
    char *to = arena_alloc(arena, field.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < field.len; i++) {
        if (field.ptr[i] != '\\') {
            to[n++] = field.ptr[i];
            continue;
        }
        if (i + 3 >= field.len || field.ptr[i + 1] != 'x' || nibble(field.ptr[i + 2]) < 0 || nibble(field.ptr[i + 3]) < 0)
            return ERR_SYNTAX;
        to[n++] = (char)(nibble(field.ptr[i + 2]) << 4 | nibble(field.ptr[i + 3]));
        i += 3;
    }
    to[n] = '\0';
    *out = slice_of(to, n);
    return ERR_NONE;
}

static int find_word(const char *const *list, int count, struct slice word)
{
    for (int i = 0; i < count; i++)
        if (slice_eq_cstr(word, list[i]))
            return i;
    return -1;
}

static enum err take_number(struct slice field, int64_t *out)
{
    uint64_t n;
    enum err e = slice_to_u64(field, &n);
    if (e != ERR_NONE || n > INT64_MAX)
        return ERR_SYNTAX;
    *out = (int64_t)n;
    return ERR_NONE;
}

enum err journal_take_fields(const struct slice fields[JOURNAL_FIELDS], struct journal_entry *out)
{
    int what = find_word(words, JOURNAL_MAX_, fields[1]);
    int suspicion = find_word(suspicions, JOURNAL_SUSPICION_MAX_, fields[2]);
    bool is_evaluation = slice_eq_cstr(fields[3], "e");
    *out = (struct journal_entry){.sec = -1};
    if (what < 0 || suspicion < 0 || !(is_evaluation || slice_eq_cstr(fields[3], "-")) ||
        take_number(fields[0], &out->at.sec) != ERR_NONE ||
        (fields[4].len > 0 && take_number(fields[4], &out->sec) != ERR_NONE))
        return ERR_SYNTAX;
    out->what = (enum journal_what)what;
    out->suspicion = (enum journal_suspicion)suspicion;
    out->evaluation = is_evaluation;
    struct slice *const texts[] = {&out->connection, &out->queue_id,  &out->address, &out->name, &out->helo,
                                   &out->sender,     &out->recipient, &out->line,    &out->why};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = fields[5 + i];
    return ERR_NONE;
}

enum err journal_parse_row(struct slice row, struct journal_entry *out, struct arena *arena)
{
    struct slice rest = row, fields[JOURNAL_FIELDS];
    for (size_t i = 0; i < JOURNAL_FIELDS; i++)
        if (!rest.ptr || take_text(slice_cut(&rest, '\t'), &fields[i], arena) != ERR_NONE)
            return ERR_SYNTAX;
    return rest.ptr ? ERR_SYNTAX : journal_take_fields(fields, out);
}

/* ---- who is asked about ---- */

static enum err parse_network(struct slice text, struct journal_query *out)
{
    struct slice rest = text, address = slice_cut(&rest, '/');
    uint64_t bits;
    if (ip_parse(address, &out->net) != ERR_NONE)
        return ERR_NOT_FOUND;
    out->subject = JOURNAL_BY_ADDRESS;
    out->bits = ip_width_bits(&out->net);
    if (!rest.ptr)
        return ERR_NONE;
    if (slice_to_u64(rest, &bits) != ERR_NONE || bits > out->bits)
        return ERR_SYNTAX;
    out->bits = (unsigned)bits;
    return ERR_NONE;
}

/* Postfix's: hexadecimal, or letters and digits (enable_long_queue_ids). No dot, as a name has. */
static bool is_queue_id(struct slice text)
{
    bool has_digit = false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i]) && !ascii_is_alpha(text.ptr[i]))
            return false;
        has_digit |= ascii_is_digit(text.ptr[i]);
    }
    return text.len >= 5 && has_digit;
}

enum err journal_query_parse(struct slice text, struct journal_query *out)
{
    *out = (struct journal_query){.text = slice_trim(text, " \t")};
    text = out->text;
    if (text.len == 0)
        return ERR_SYNTAX;
    enum err e = parse_network(text, out);
    if (e != ERR_NOT_FOUND)
        return e;
    size_t at = slice_rfind(text, '@');
    if (slice_eq_cstr(text, "<>") || (at < text.len && at > 0)) {
        out->subject = JOURNAL_BY_MAILBOX;
        out->text = slice_trim(text, "<>");
    } else if (at == 0) {
        out->subject = JOURNAL_BY_DOMAIN;
        out->text = slice_from(text, 1);
    } else if (slice_has_prefix(text, "s-")) {
        out->subject = JOURNAL_BY_CONNECTION;
    } else if (is_queue_id(text)) {
        out->subject = JOURNAL_BY_QUEUE_ID;
    } else {
        out->subject = JOURNAL_BY_NAME;
    }
    return ERR_NONE;
}

static bool is_mailbox(struct slice address, struct slice wanted)
{
    return address.len > 0 && slice_eq_nocase(slice_trim(address, "<>"), wanted);
}

/* The name itself, or one below it. */
static bool is_below(struct slice name, struct slice domain)
{
    if (!slice_has_suffix_nocase(name, domain) || domain.len == 0)
        return false;
    return name.len == domain.len || name.ptr[name.len - domain.len - 1] == '.';
}

static bool is_of_domain(struct slice address, struct slice domain)
{
    struct slice mailbox = slice_trim(address, "<>");
    size_t at = slice_rfind(mailbox, '@');
    return at < mailbox.len && is_below(slice_from(mailbox, at + 1), domain);
}

bool journal_matches(const struct journal_query *q, const struct journal_entry *e)
{
    struct ip client;
    if (e->at.sec < q->since_sec)
        return false;
    switch (q->subject) {
    case JOURNAL_BY_ADDRESS:
        return ip_parse(e->address, &client) == ERR_NONE && ip_in(&client, &q->net, q->bits);
    case JOURNAL_BY_MAILBOX:
        return is_mailbox(e->sender, q->text) || is_mailbox(e->recipient, q->text);
    case JOURNAL_BY_DOMAIN:
        return is_of_domain(e->sender, q->text) || is_of_domain(e->recipient, q->text);
    case JOURNAL_BY_NAME:
        return is_below(e->name, q->text);
    case JOURNAL_BY_CONNECTION:
        return slice_eq(e->connection, q->text);
    case JOURNAL_BY_QUEUE_ID:
        return slice_eq(e->queue_id, q->text);
    }
    return false;
}
