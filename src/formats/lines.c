/* lines.c - records as lines of JSON. */
#include "formats/lines.h"

#include "base/mem.h"
#include "formats/json.h"
#include "grey/clean.h"
#include "grey/proof.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const char *const types[] = {
    [GREY_RECORD_TUPLE] = "tuple", [GREY_RECORD_PAIR] = "pair",     [GREY_RECORD_CLIENT] = "client",
    [GREY_RECORD_LAZY] = "lazy",   [GREY_RECORD_SHARED] = "shared", [GREY_RECORD_NETWORK] = "network",
    [GREY_RECORD_PROOF] = "proof",
};
_Static_assert(COUNT_OF(types) == GREY_RECORD_TYPE_MAX + 1, "each type has its word");

/* All are 64 bits wide: struct wall is nothing else. */
static const struct {
    const char *name;
    size_t offset;
} times[] = {
    {"first_seen", offsetof(struct grey_record, first_seen)},
    {"expires", offsetof(struct grey_record, expires)},
    {"auto_since", offsetof(struct grey_record, auto_since)},
    {"served_since", offsetof(struct grey_record, served_since)},
    {"served_until", offsetof(struct grey_record, served_until)},
    {"patient_until", offsetof(struct grey_record, patient_until)},
    {"left_until", offsetof(struct grey_record, left_until)},
};

static int64_t *time_of(struct grey_record *r, size_t i)
{
    return (int64_t *)(void *)((char *)r + times[i].offset);
}

const char *line_type_word(enum grey_record_type type)
{
    return types[type];
}

/* ---- out ---- */

static void put_text(struct buf *out, const char *name, struct slice text)
{
    buf_printf(out, ",\"%s\":", name);
    json_put_text(out, text);
}

void line_put_record(struct buf *out, const struct grey_record *r)
{
    char addr[IP_TEXT_MAX];
    struct grey_record copy = *r;
    buf_printf(out, "{\"type\":\"%s\",\"client\":\"%s\"", types[r->type], ip_format(&r->addr, addr));
    if (r->domain.ptr)
        put_text(out, "domain", r->domain);
    if (r->type == GREY_RECORD_TUPLE || r->type == GREY_RECORD_PAIR || r->type == GREY_RECORD_NETWORK)
        put_text(out, "sender", r->sender);
    if (r->type == GREY_RECORD_TUPLE)
        put_text(out, "recipient", r->recipient);
    if (r->type == GREY_RECORD_PROOF)
        put_text(out, "proved", r->recipient);
    if (r->is_auto)
        buf_put_cstr(out, ",\"auto\":true");
    if (r->by_hold)
        buf_put_cstr(out, ",\"by_hold\":true");
    for (size_t i = 0; i < COUNT_OF(times); i++)
        if (*time_of(&copy, i) > 0)
            buf_printf(out, ",\"%s\":%" PRId64, times[i].name, *time_of(&copy, i));
    if (r->left_sec >= 0)
        buf_printf(out, ",\"left_sec\":%" PRId64, r->left_sec);
    buf_put_cstr(out, "}\n");
}

void line_put(struct buf *out, const struct line *line)
{
    switch (line->kind) {
    case LINE_HEAD:
        buf_printf(out, "{\"tarsier\":%d,\"made\":%" PRId64, LINES_VERSION, line->made.sec);
        put_text(out, "host", line->host);
        buf_put_cstr(out, "}\n");
        break;
    case LINE_RECORD:
        line_put_record(out, &line->record);
        break;
    case LINE_PART:
        buf_put_cstr(out, "{\"part\":");
        json_put_text(out, line->part);
        put_text(out, "text", line->text);
        buf_put_cstr(out, "}\n");
        break;
    case LINE_END:
        buf_printf(out, "{\"end\":true,\"records\":%" PRIu64 ",\"parts\":%" PRIu64 "}\n", line->records, line->parts);
        break;
    }
}

/* ---- in ---- */

static enum err fail(const char **why, const char *text)
{
    *why = text;
    return ERR_SYNTAX;
}

static enum err get_text(const struct json_object *o, const char *name, struct slice *out, const char **why)
{
    const struct json_field *f = json_find(o, name);
    *out = f ? f->text : SLICE_NONE;
    return f && f->type != JSON_TEXT ? fail(why, "a field that must be a text is none") : ERR_NONE;
}

static enum err get_flag(const struct json_object *o, const char *name, bool *out, const char **why)
{
    const struct json_field *f = json_find(o, name);
    *out = f && f->flag;
    return f && f->type != JSON_FLAG ? fail(why, "a field that must be true or false is neither") : ERR_NONE;
}

static enum err get_number(const struct json_object *o, const char *name, int64_t absent, int64_t max, int64_t *out,
                           const char **why)
{
    const struct json_field *f = json_find(o, name);
    *out = f ? f->number : absent;
    if (f && f->type != JSON_NUMBER)
        return fail(why, "a field that must be a number is none");
    if (f && (f->number < 0 || f->number > max)) {
        *why = "a number out of range";
        return ERR_RANGE;
    }
    return ERR_NONE;
}

static enum err get_type(const struct json_object *o, enum grey_record_type *out, const char **why)
{
    struct slice word;
    enum err e = get_text(o, "type", &word, why);
    for (size_t i = GREY_RECORD_TUPLE; e == ERR_NONE && i < COUNT_OF(types); i++) {
        if (slice_eq_cstr(word, types[i])) {
            *out = (enum grey_record_type)i;
            return ERR_NONE;
        }
    }
    return e ? e : fail(why, "a type of record that is not known");
}

static struct slice fold(struct arena *arena, struct slice text)
{
    char *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        out[i] = text.ptr[i] > ' ' && text.ptr[i] < 0x7f ? ascii_lower(text.ptr[i]) : '_';
    return slice_of(out, text.len);
}

/* As grey/proof.h has it: addresses, each with a time. Whatever cannot be read in it is passed over there. */
static bool is_proof_text(struct slice text)
{
    bool ok = text.ptr && text.len < GREY_PROOF_TEXT_MAX;
    for (size_t i = 0; ok && i < text.len; i++)
        ok = memchr("0123456789abcdef.:@ ", text.ptr[i], 20) != NULL;
    return ok;
}

static enum err clean_proof(struct arena *arena, struct grey_record *r, const char **why)
{
    if (!r->domain.ptr || r->domain.len == 0)
        return fail(why, "no domain");
    if (!is_proof_text(r->recipient))
        return fail(why, "proved is no list of addresses, each with @ and a time");
    r->domain = fold(arena, r->domain);
    r->recipient = arena_slice(arena, r->recipient); /* importers keep records longer than their lines */
    r->sender = SLICE_NONE;
    return ERR_NONE;
}

/* The texts as records have them, whoever wrote the line. */
static enum err clean_texts(struct arena *arena, struct grey_record *r, const char **why)
{
    bool is_tuple = r->type == GREY_RECORD_TUPLE, is_network = r->type == GREY_RECORD_NETWORK;
    bool is_pair = r->type == GREY_RECORD_PAIR || is_network;
    if (r->type == GREY_RECORD_PROOF)
        return clean_proof(arena, r, why);
    if ((is_tuple || is_pair) && !r->sender.ptr)
        return fail(why, "no sender");
    if (is_tuple && !r->recipient.ptr)
        return fail(why, "no recipient");
    if (r->domain.ptr && (r->domain.len == 0 || is_network || (!is_tuple && !is_pair)))
        return fail(why, "a domain where none can be");
    r->sender = is_tuple ? grey_clean_sender(arena, r->sender) : is_pair ? fold(arena, r->sender) : SLICE_NONE;
    r->recipient = is_tuple ? grey_clean_recipient(arena, r->recipient) : SLICE_NONE;
    r->domain = r->domain.ptr ? fold(arena, r->domain) : SLICE_NONE;
    return ERR_NONE;
}

/* What a store of ours can hold, so that nothing else gets into one. */
static enum err check_sense(const struct grey_record *r, const char **why)
{
    bool must_be_auto = r->type == GREY_RECORD_PAIR || r->type == GREY_RECORD_LAZY || r->type == GREY_RECORD_NETWORK;
    bool served = r->served_since.sec > 0;
    bool is_never_auto = r->type == GREY_RECORD_CLIENT || r->type == GREY_RECORD_SHARED || r->type == GREY_RECORD_PROOF;
    if (r->is_auto && is_never_auto)
        return fail(why, "auto where it cannot be");
    if (must_be_auto && !r->is_auto && !served)
        return fail(why, "a record of this type that is not auto");
    if ((r->is_auto || !served) && r->expires.sec == 0)
        return fail(why, "no end of its life (expires)");
    if (served && r->served_until.sec == 0)
        return fail(why, "served_since without served_until");
    return ERR_NONE;
}

static enum err get_record(struct arena *arena, const struct json_object *o, struct grey_record *r, const char **why)
{
    struct slice client;
    *r = (struct grey_record){0};
    enum err e = get_type(o, &r->type, why);
    if (e == ERR_NONE)
        e = get_text(o, "client", &client, why);
    if (e == ERR_NONE && ip_parse(client, &r->addr) != ERR_NONE)
        e = fail(why, "client is no address");
    if (e == ERR_NONE)
        e = get_text(o, "domain", &r->domain, why);
    if (e == ERR_NONE)
        e = get_text(o, "sender", &r->sender, why);
    if (e == ERR_NONE)
        e = get_text(o, r->type == GREY_RECORD_PROOF ? "proved" : "recipient", &r->recipient, why);
    if (e == ERR_NONE)
        e = get_flag(o, "auto", &r->is_auto, why);
    if (e == ERR_NONE)
        e = get_flag(o, "by_hold", &r->by_hold, why);
    for (size_t i = 0; e == ERR_NONE && i < COUNT_OF(times); i++)
        e = get_number(o, times[i].name, 0, GREY_TIME_MAX, time_of(r, i), why);
    if (e == ERR_NONE)
        e = get_number(o, "left_sec", -1, UINT32_MAX, &r->left_sec, why);
    if (e == ERR_NONE)
        e = clean_texts(arena, r, why);
    return e ? e : check_sense(r, why);
}

static enum err get_head(const struct json_object *o, struct line *out, const char **why)
{
    int64_t version;
    enum err e = get_number(o, "tarsier", 0, INT64_MAX, &version, why);
    if (e == ERR_NONE && version != LINES_VERSION) {
        *why = "it was written by another version of tarsier, in a form that this one does not know";
        return ERR_UNSUPPORTED;
    }
    if (e == ERR_NONE)
        e = get_number(o, "made", 0, GREY_TIME_MAX, &out->made.sec, why);
    return e ? e : get_text(o, "host", &out->host, why);
}

static enum err get_end(const struct json_object *o, struct line *out, const char **why)
{
    int64_t records, parts;
    enum err e = get_number(o, "records", 0, INT64_MAX, &records, why);
    if (e == ERR_NONE)
        e = get_number(o, "parts", 0, INT64_MAX, &parts, why);
    out->records = e ? 0 : (uint64_t)records;
    out->parts = e ? 0 : (uint64_t)parts;
    return e;
}

static enum err get_part(const struct json_object *o, struct line *out, const char **why)
{
    enum err e = get_text(o, "part", &out->part, why);
    return e ? e : get_text(o, "text", &out->text, why);
}

enum err line_parse(struct arena *arena, struct slice text, struct line *out, const char **why)
{
    struct json_object o;
    *out = (struct line){.kind = LINE_RECORD};
    enum err e = json_parse(arena, text, &o, why);
    if (e != ERR_NONE)
        return e;
    if (json_find(&o, "type"))
        return get_record(arena, &o, &out->record, why);
    if (json_find(&o, "tarsier")) {
        out->kind = LINE_HEAD;
        return get_head(&o, out, why);
    }
    if (json_find(&o, "part")) {
        out->kind = LINE_PART;
        return get_part(&o, out, why);
    }
    if (json_find(&o, "end")) {
        out->kind = LINE_END;
        return get_end(&o, out, why);
    }
    return fail(why, "neither a record nor the first or last line of an export");
}
