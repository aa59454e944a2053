/*
 * reply.c - a filter's packets, cut with every check that their form allows, and built. Knows what Postfix calls malformed; what
 * a reply does to a message is the session's. Reply codes of many lines are put together in replycode.c.
 */
#include "milter/reply.h"
#include "milter/command.h"

enum form {
    FORM_UNKNOWN,
    FORM_NONE, /* Postfix 3.7 takes such a code with a byte behind it for an unexpected reply */
    FORM_REPLYCODE,
    FORM_HEADER,         /* name, value */
    FORM_INDEXED_HEADER, /* index, name, value */
    FORM_ADDRESS,        /* address */
    FORM_ADDRESS_PAR,    /* address, perhaps ESMTP arguments */
    FORM_BYTES,
    FORM_REASON,
    FORM_SYMLIST,
};

static enum form form_of(uint8_t code)
{
    switch (code) {
    case SMFIR_SHUTDOWN:
    case SMFIR_ACCEPT:
    case SMFIR_CONTINUE:
    case SMFIR_DISCARD:
    case SMFIR_CONNFAIL:
    case SMFIR_PROGRESS:
    case SMFIR_REJECT:
    case SMFIR_SKIP:
    case SMFIR_TEMPFAIL:
        return FORM_NONE;
    case SMFIR_REPLYCODE:
        return FORM_REPLYCODE;
    case SMFIR_ADDHEADER:
        return FORM_HEADER;
    case SMFIR_INSHEADER:
    case SMFIR_CHGHEADER:
        return FORM_INDEXED_HEADER;
    case SMFIR_ADDRCPT:
    case SMFIR_DELRCPT:
        return FORM_ADDRESS;
    case SMFIR_ADDRCPT_PAR:
    case SMFIR_CHGFROM:
        return FORM_ADDRESS_PAR;
    case SMFIR_REPLBODY:
        return FORM_BYTES;
    case SMFIR_QUARANTINE:
        return FORM_REASON;
    case SMFIR_SETSYMLIST:
        return FORM_SYMLIST;
    default:
        return FORM_UNKNOWN;
    }
}

/* Parsing. */

/* All of the body is this one string. */
static enum err take_last_string(struct slice body, struct slice *out)
{
    return milter_next_string(&body, out) && body.len == 0 ? ERR_NONE : ERR_SYNTAX;
}

/* RFC 5322 section 2.2: printable ASCII without the colon. Anything else would let a filter write a line of its own. */
static bool is_header_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':')
            return false;
    return name.len > 0;
}

static enum err parse_header(struct slice body, struct milter_reply *out)
{
    if (!milter_next_string(&body, &out->u.header.name) || !is_header_name(out->u.header.name))
        return ERR_SYNTAX;
    return take_last_string(body, &out->u.header.value);
}

static enum err parse_address(struct slice body, bool with_esmtp, struct milter_reply *out)
{
    if (!milter_next_string(&body, &out->u.address.address))
        return ERR_SYNTAX;
    if (body.len == 0)
        return ERR_NONE;
    return with_esmtp ? take_last_string(body, &out->u.address.esmtp) : ERR_SYNTAX;
}

/* "451-4.7.1 text": the status of it, 0 when it has no such form. */
static int line_status(struct slice line, bool last)
{
    const char *p = line.ptr;
    if (line.len < 4 || (p[0] != '4' && p[0] != '5') || !ascii_is_digit(p[1]) || !ascii_is_digit(p[2]) ||
        p[3] != (last ? ' ' : '-'))
        return 0;
    /* milter8.c takes a digit here for the class of an enhanced code, and another class for a malformed reply: 451 4.3.5 goes
     * out then and the milter is switched off for the session */
    if (line.len > 4 && ascii_is_digit(p[4]) && p[4] != p[0])
        return 0;
    return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

/* "4.999.999 " is the longest enhanced code; libmilter's limit is on the text behind it. */
enum { LINE_MAX_BYTES = 4 + 10 + MILTER_REPLY_TEXT_MAX_BYTES };

static enum err parse_replycode(struct slice body, struct milter_reply *out)
{
    struct slice rest;
    if (take_last_string(body, &rest) != ERR_NONE)
        return ERR_SYNTAX;
    out->u.replycode.text = rest;
    for (unsigned lines = 0; rest.ptr; lines++) {
        if (lines == MILTER_REPLY_LINES_MAX)
            return ERR_LIMIT;
        struct slice line = slice_cut(&rest, '\n');
        bool last = !rest.ptr;
        if (!last) {
            if (line.len == 0 || line.ptr[line.len - 1] != '\r')
                return ERR_SYNTAX;
            line.len--;
        }
        int status = line_status(line, last);
        if (status == 0 || (lines > 0 && status != out->u.replycode.status) || slice_find(line, '\r') < line.len)
            return ERR_SYNTAX;
        if (line.len > LINE_MAX_BYTES)
            return ERR_LIMIT;
        out->u.replycode.status = status;
    }
    return ERR_NONE;
}

enum err milter_parse_reply(const struct wire_packet *p, struct milter_reply *out)
{
    *out = (struct milter_reply){.code = p->cmd};
    struct slice body = p->body;
    switch (form_of(p->cmd)) {
    case FORM_UNKNOWN:
        return ERR_UNSUPPORTED;
    case FORM_NONE:
        return body.len == 0 ? ERR_NONE : ERR_SYNTAX;
    case FORM_REPLYCODE:
        return parse_replycode(body, out);
    case FORM_HEADER:
        return parse_header(body, out);
    case FORM_INDEXED_HEADER:
        return wire_take_u32(&body, &out->u.header.index) ? parse_header(body, out) : ERR_SYNTAX;
    case FORM_ADDRESS:
        return parse_address(body, false, out);
    case FORM_ADDRESS_PAR:
        return parse_address(body, true, out);
    case FORM_BYTES:
        out->u.body = body;
        return ERR_NONE;
    case FORM_REASON:
        return take_last_string(body, &out->u.reason);
    case FORM_SYMLIST:
        return wire_take_u32(&body, &out->u.symlist.stage) ? take_last_string(body, &out->u.symlist.names) : ERR_SYNTAX;
    }
    return ERR_UNSUPPORTED;
}

/* Building. */

void milter_put_code(struct buf *out, uint8_t code)
{
    wire_put(out, code, SLICE_NONE);
}

void milter_put_header(struct buf *out, uint8_t code, uint32_t index, struct slice name, struct slice value)
{
    size_t mark = wire_begin(out, code);
    if (form_of(code) == FORM_INDEXED_HEADER)
        buf_put_u32be(out, index);
    wire_put_string(out, name);
    wire_put_string(out, value);
    wire_end(out, mark);
}

static void put_address(struct buf *out, const struct milter_reply *r)
{
    wire_put_string(out, r->u.address.address);
    if (form_of(r->code) == FORM_ADDRESS_PAR && r->u.address.esmtp.ptr)
        wire_put_string(out, r->u.address.esmtp);
}

void milter_put_reply(struct buf *out, const struct milter_reply *r)
{
    size_t mark = wire_begin(out, r->code);
    switch (form_of(r->code)) {
    case FORM_UNKNOWN:
    case FORM_NONE:
        break;
    case FORM_REPLYCODE:
        wire_put_string(out, r->u.replycode.text);
        break;
    case FORM_INDEXED_HEADER:
        buf_put_u32be(out, r->u.header.index);
        /* fall through */
    case FORM_HEADER:
        wire_put_string(out, r->u.header.name);
        wire_put_string(out, r->u.header.value);
        break;
    case FORM_ADDRESS:
    case FORM_ADDRESS_PAR:
        put_address(out, r);
        break;
    case FORM_BYTES:
        buf_put_slice(out, r->u.body);
        break;
    case FORM_REASON:
        wire_put_string(out, r->u.reason);
        break;
    case FORM_SYMLIST:
        buf_put_u32be(out, r->u.symlist.stage);
        wire_put_string(out, r->u.symlist.names);
        break;
    }
    wire_end(out, mark);
}
