/*
 * format.c - format strings: cut into pieces once, each piece a literal or one row of the table of what can be named.
 *
 * What comes from outside (addresses, names, macros, regex groups) is filled in with its control bytes replaced, so that no
 * sender can end a reply's line or begin a header of its own. Nothing is ever a printf format.
 */
#include "policy/format.h"
#include "base/mem.h"
#include "policy/xgreylist.h"

#include <string.h>
#include <time.h>

struct piece;

typedef void (*fill)(const struct piece *p, const struct format_facts *f, struct buf *out);

struct piece {
    fill fill;
    struct slice text; /* literal, macro's name, strftime format */
    unsigned number;   /* group, mask bits, or which part of a duration (its letter) */
};

struct format {
    struct piece *pieces;
    size_t n;
    const char **macros;
    bool names_helo, names_rcpt;
};

/* ---- filling in ---- */

static struct slice bare(struct slice address)
{
    return slice_trim(address, "<> \t");
}

static struct slice local_part(struct slice address)
{
    address = bare(address);
    return slice_upto(address, slice_rfind(address, '@'));
}

static struct slice site(struct slice address)
{
    address = bare(address);
    size_t at = slice_rfind(address, '@');
    return at < address.len ? slice_from(address, at + 1) : SLICE_NONE;
}

static void fill_literal(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)f;
    buf_put_slice(out, p->text);
}

#define FILL_OUTSIDE(name, expression)                                                                                      \
    static void name(const struct piece *p, const struct format_facts *f, struct buf *out)                                  \
    {                                                                                                                       \
        (void)p;                                                                                                            \
        buf_put_visible(out, (expression));                                                                                 \
    }

FILL_OUTSIDE(fill_rcpt, bare(f->recipient))
FILL_OUTSIDE(fill_from, bare(f->sender))
FILL_OUTSIDE(fill_host, f->host)
FILL_OUTSIDE(fill_helo, f->helo)
FILL_OUTSIDE(fill_rcpt_local, local_part(f->recipient))
FILL_OUTSIDE(fill_rcpt_site, site(f->recipient))
FILL_OUTSIDE(fill_from_local, local_part(f->sender))
FILL_OUTSIDE(fill_from_site, site(f->sender))
FILL_OUTSIDE(fill_host_label, slice_upto(f->host, slice_find(f->host, '.')))
FILL_OUTSIDE(fill_host_rest, slice_from(f->host, slice_find(f->host, '.') + 1))
FILL_OUTSIDE(fill_code, f->code)
FILL_OUTSIDE(fill_ecode, f->ecode)
FILL_OUTSIDE(fill_acl_id, f->acl_id)
FILL_OUTSIDE(fill_group, f->groups ? f->groups[p->number] : SLICE_NONE)
FILL_OUTSIDE(fill_macro, f->macro ? f->macro(f->macro_ctx, p->text) : SLICE_NONE)

static void fill_ip(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    char text[IP_TEXT_MAX];
    struct ip ip = ip_mask(&f->client, p->number);
    buf_put_cstr(out, ip_format(&ip, text));
}

void format_put_reversed(const struct ip *ip, struct buf *out)
{
    if (ip->family == IP_V4)
        buf_printf(out, "%u.%u.%u.%u", ip->bytes[3], ip->bytes[2], ip->bytes[1], ip->bytes[0]);
    for (int i = 15; i >= 0 && ip->family == IP_V6; i--)
        buf_printf(out, "%x.%x%s", ip->bytes[i] & 15, ip->bytes[i] >> 4, i ? "." : "");
}

static void fill_reversed(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)p;
    format_put_reversed(&f->client, out);
}

static void fill_version(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)p;
    (void)f;
    buf_put_cstr(out, TARSIER_VERSION);
}

static void fill_who(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)p;
    xgreylist_put_version(out, f->hostname, f->if_addr, f->now);
}

static void fill_zone(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)p;
    (void)f;
    buf_put_cstr(out, "+0000"); /* all our times are UTC */
}

/*
 * The format with what depends on the process' time zone filled in: all our times are UTC, and strftime would ask the
 * environment for %Z and %s. %n is a line's end, and no line ends here.
 */
static void put_time_format(struct buf *out, struct slice format, struct wall now)
{
    for (size_t i = 0; i < format.len; i++) {
        char next = i + 1 < format.len ? format.ptr[i + 1] : '\0';
        if (format.ptr[i] != '%' || !next) {
            buf_put_byte(out, format.ptr[i]);
            continue;
        }
        i++;
        if (next == 'Z')
            buf_put_cstr(out, "UTC");
        else if (next == 'z')
            buf_put_cstr(out, "+0000");
        else if (next == 's')
            buf_printf(out, "%lld", (long long)now.sec);
        else
            buf_printf(out, "%%%c", next);
    }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the format is the administrator's, and strftime reads no arguments */
static void fill_time(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    time_t t = (time_t)f->now.sec;
    struct tm tm;
    char text[512];
    struct buf format = {0};
    put_time_format(&format, p->text, f->now);
    if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), buf_cstr(&format), &tm) > 0)
        buf_put_visible(out, slice_cstr(text));
    buf_fini(&format);
}
#pragma GCC diagnostic pop

static void fill_status(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)p;
    buf_put_cstr(out, f->verdict ? f->verdict : "unknown");
}

static void fill_acl_line(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)p;
    buf_printf(out, "%u", f->acl_line);
}

static void fill_tarpit(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    (void)p;
    buf_printf(out, "%lld", (long long)f->tarpit_sec);
}

static void put_duration(struct buf *out, unsigned part, int64_t sec)
{
    if (sec < 0)
        sec = 0;
    switch (part) {
    case 'h':
        buf_printf(out, "%lld", (long long)(sec / 3600));
        break;
    case 'm':
        buf_printf(out, "%d", (int)(sec / 60 % 60));
        break;
    case 's':
        buf_printf(out, "%d", (int)(sec % 60));
        break;
    case 't':
        buf_printf(out, "%lld", (long long)sec);
        break;
    default:
        xgreylist_put_duration(out, sec);
        break;
    }
}

static void fill_elapsed(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    put_duration(out, p->number, f->elapsed_sec);
}

static void fill_remaining(const struct piece *p, const struct format_facts *f, struct buf *out)
{
    put_duration(out, p->number, f->remaining_sec);
}

/* ---- compiling ---- */

enum argument { ARG_NONE, ARG_MASK, ARG_MACRO, ARG_GROUP, ARG_STRFTIME, ARG_PART, ARG_UNSUPPORTED };

/* Two letters before one: the first row whose name the text begins with is taken. */
static const struct {
    const char *name;
    enum argument argument;
    fill fill;
    const char *what; /* UNSUPPORTED: the message */
} names[] = {
    {"mr", ARG_NONE, fill_rcpt_local, NULL},
    {"sr", ARG_NONE, fill_rcpt_site, NULL},
    {"mf", ARG_NONE, fill_from_local, NULL},
    {"sf", ARG_NONE, fill_from_site, NULL},
    {"md", ARG_NONE, fill_host_label, NULL},
    {"sd", ARG_NONE, fill_host_rest, NULL},
    {"Xc", ARG_NONE, fill_code, NULL},
    {"Xe", ARG_NONE, fill_ecode, NULL},
    {"Xm", ARG_UNSUPPORTED, NULL, "the reply's own text (%Xm) is not supported by this version"},
    {"Xh", ARG_UNSUPPORTED, NULL, "the header's own text (%Xh) is not supported by this version"},
    {"cA", ARG_NONE, fill_acl_line, NULL},
    {"ca", ARG_NONE, fill_acl_id, NULL},
    {"Hs", ARG_UNSUPPORTED, NULL, "the spamd score (%Hs) is not supported by this version"},
    {"Qs", ARG_UNSUPPORTED, NULL, "%Qs is not supported by this version"},
    {"Qd", ARG_UNSUPPORTED, NULL, "%Qd is not supported by this version"},
    {"QA", ARG_UNSUPPORTED, NULL, "%QA is not supported by this version"},
    {"QS", ARG_UNSUPPORTED, NULL, "%QS is not supported by this version"},
    {"pn", ARG_UNSUPPORTED, NULL, "properties (%pn) are not supported by this version"},
    {"pv", ARG_UNSUPPORTED, NULL, "properties (%pv) are not supported by this version"},
    {"pr", ARG_UNSUPPORTED, NULL, "properties (%pr) are not supported by this version"},
    {"P{", ARG_UNSUPPORTED, NULL, "properties (%P{}) are not supported by this version"},
    {"g{", ARG_GROUP, fill_group, NULL},
    {"T{", ARG_STRFTIME, fill_time, NULL},
    {"Fx", ARG_UNSUPPORTED, NULL, "p0f (%Fx) is not supported by this version"},
    {"r", ARG_NONE, fill_rcpt, NULL},
    {"f", ARG_NONE, fill_from, NULL},
    {"i", ARG_NONE, fill_ip, NULL},
    {"I", ARG_MASK, fill_ip, NULL},
    {"j", ARG_NONE, fill_reversed, NULL},
    {"d", ARG_NONE, fill_host, NULL},
    {"h", ARG_NONE, fill_helo, NULL},
    {"D", ARG_UNSUPPORTED, NULL, "the matched dnsrbl (%D) is not supported by this version"},
    {"C", ARG_UNSUPPORTED, NULL, "the country (%C) is not supported by this version"},
    {"M", ARG_MACRO, fill_macro, NULL},
    {"v", ARG_NONE, fill_version, NULL},
    {"V", ARG_NONE, fill_who, NULL},
    {"G", ARG_NONE, fill_zone, NULL},
    {"S", ARG_NONE, fill_status, NULL},
    {"A", ARG_NONE, fill_acl_line, NULL},
    {"a", ARG_NONE, fill_acl_id, NULL},
    {"E", ARG_PART, fill_elapsed, NULL},
    {"R", ARG_PART, fill_remaining, NULL},
    {"t", ARG_NONE, fill_tarpit, NULL},
};

enum { STRFTIME_MAX_BYTES = 127, GROUP_MAX = 9 };

struct compiler {
    struct slice text;
    size_t at; /* behind what is done */
    struct arena *arena;
    struct format *format;
    struct format_error *error;
};

static enum err fail(struct compiler *c, size_t offset, enum err e, const char *message)
{
    *c->error = (struct format_error){.offset = offset, .message = message};
    return e;
}

/* The text up to the closing brace; c->at stands behind the opening one and is moved behind the closing one. */
static enum err take_braced(struct compiler *c, struct slice *out)
{
    struct slice rest = slice_from(c->text, c->at);
    size_t end = slice_find(rest, '}');
    if (end == rest.len)
        return fail(c, c->at - 1, ERR_SYNTAX, "the closing brace is missing");
    *out = slice_upto(rest, end);
    c->at += end + 1;
    return ERR_NONE;
}

static bool next_is(const struct compiler *c, char byte)
{
    return c->at < c->text.len && c->text.ptr[c->at] == byte;
}

static enum err take_mask(struct compiler *c, struct piece *p)
{
    struct slice braced;
    uint64_t bits;
    size_t start = c->at;
    if (!next_is(c, '{'))
        return ERR_NONE;
    c->at++;
    enum err e = take_braced(c, &braced);
    if (e != ERR_NONE)
        return e;
    if (!slice_has_prefix(braced, "/") || slice_to_u64(slice_from(braced, 1), &bits) != ERR_NONE || bits > 128)
        return fail(c, start, ERR_SYNTAX, "a mask is written {/24}");
    p->number = (unsigned)bits;
    return ERR_NONE;
}

static void note_macro(struct compiler *c, struct slice name)
{
    size_t n = 0;
    while (c->format->macros[n])
        if (slice_eq_cstr(name, c->format->macros[n++]))
            return;
    c->format->macros[n] = name.ptr;
}

/* %Mj and %M{j} name j, %M{rcpt_host} names {rcpt_host}. */
static enum err take_macro(struct compiler *c, struct piece *p)
{
    size_t start = c->at;
    struct slice name;
    if (next_is(c, '{')) {
        c->at++;
        enum err e = take_braced(c, &name);
        if (e != ERR_NONE)
            return e;
        if (name.len > 1)
            name = slice_of(c->text.ptr + start, name.len + 2);
    } else {
        name = slice_upto(slice_from(c->text, c->at), 1);
        c->at += name.len;
    }
    bool named = name.len > 0;
    for (size_t i = 0; i < name.len; i++)
        named = named && (uint8_t)name.ptr[i] > ' ' && name.ptr[i] != 0x7f;
    if (!named)
        return fail(c, start, ERR_SYNTAX, "the name of a macro is missing");
    p->text = arena_slice(c->arena, name);
    note_macro(c, p->text);
    return ERR_NONE;
}

static enum err take_group(struct compiler *c, struct piece *p)
{
    size_t start = c->at;
    struct slice braced;
    uint64_t n;
    enum err e = take_braced(c, &braced);
    if (e != ERR_NONE)
        return e;
    if (!slice_has_prefix(braced, "\\") || slice_to_u64(slice_from(braced, 1), &n) != ERR_NONE || n > GROUP_MAX)
        return fail(c, start, ERR_SYNTAX, "a group is written {\\1}, from \\0 to \\9");
    p->number = (unsigned)n;
    return ERR_NONE;
}

static enum err take_strftime(struct compiler *c, struct piece *p)
{
    size_t start = c->at;
    struct slice braced;
    enum err e = take_braced(c, &braced);
    if (e != ERR_NONE)
        return e;
    if (braced.len > STRFTIME_MAX_BYTES || slice_find(braced, '\0') < braced.len)
        return fail(c, start, ERR_LIMIT, "a time format is at most 127 bytes long");
    p->text = arena_slice(c->arena, braced);
    return ERR_NONE;
}

static enum err take_argument(struct compiler *c, enum argument argument, struct piece *p)
{
    switch (argument) {
    case ARG_MASK:
        return take_mask(c, p);
    case ARG_MACRO:
        return take_macro(c, p);
    case ARG_GROUP:
        return take_group(c, p);
    case ARG_STRFTIME:
        return take_strftime(c, p);
    case ARG_PART:
        if (next_is(c, 'h') || next_is(c, 'm') || next_is(c, 's') || next_is(c, 't'))
            p->number = (unsigned char)c->text.ptr[c->at++];
        break;
    case ARG_NONE:
    case ARG_UNSUPPORTED:
        break;
    }
    return ERR_NONE;
}

static void add_literal(struct compiler *c, struct slice text)
{
    struct format *f = c->format;
    if (text.len)
        f->pieces[f->n++] = (struct piece){.fill = fill_literal, .text = arena_slice(c->arena, text)};
}

/* c->at stands on a percent sign. */
static enum err take_name(struct compiler *c)
{
    size_t start = c->at;
    struct slice rest = slice_from(c->text, start + 1);
    if (slice_has_prefix(rest, "%")) {
        add_literal(c, SLICE_LIT("%"));
        c->at += 2;
        return ERR_NONE;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!slice_has_prefix(rest, names[i].name))
            continue;
        if (names[i].argument == ARG_UNSUPPORTED)
            return fail(c, start, ERR_UNSUPPORTED, names[i].what);
        struct piece p = {.fill = names[i].fill, .number = names[i].fill == fill_ip ? 128 : 0};
        c->at = start + 1 + strlen(names[i].name);
        enum err e = take_argument(c, names[i].argument, &p);
        if (e != ERR_NONE)
            return e;
        c->format->names_helo |= p.fill == fill_helo;
        c->format->names_rcpt |= p.fill == fill_rcpt || p.fill == fill_rcpt_local || p.fill == fill_rcpt_site;
        c->format->pieces[c->format->n++] = p;
        return ERR_NONE;
    }
    /* unknown names stay as they are (the peer) */
    size_t n = rest.len ? 2 : 1;
    add_literal(c, slice_of(c->text.ptr + start, n));
    c->at += n;
    return ERR_NONE;
}

enum err format_compile(struct slice text, struct arena *arena, struct format **out, struct format_error *error)
{
    size_t percents = 0;
    for (size_t i = 0; i < text.len; i++)
        percents += text.ptr[i] == '%';
    struct format *f = arena_zalloc(arena, sizeof(*f));
    f->pieces = arena_alloc(arena, (2 * percents + 1) * sizeof(*f->pieces));
    f->macros = arena_zalloc(arena, (percents + 1) * sizeof(*f->macros));
    struct compiler c = {.text = text, .arena = arena, .format = f, .error = error};
    while (c.at < text.len) {
        struct slice rest = slice_from(text, c.at);
        size_t literal = slice_find(rest, '%');
        add_literal(&c, slice_upto(rest, literal));
        c.at += literal;
        if (c.at == text.len)
            break;
        enum err e = take_name(&c);
        if (e != ERR_NONE)
            return e;
    }
    *out = f;
    return ERR_NONE;
}

bool format_names_helo(const struct format *f)
{
    return f->names_helo;
}

bool format_names_rcpt(const struct format *f)
{
    return f->names_rcpt;
}

const char *const *format_macros(const struct format *f)
{
    return f->macros;
}

void format_expand(const struct format *f, const struct format_facts *facts, struct buf *out)
{
    for (size_t i = 0; i < f->n; i++)
        f->pieces[i].fill(&f->pieces[i], facts, out);
}
