/*
 * maillog.c - what a line of Postfix's log says. Each program has a table of how its lines begin; what no table knows is UNREAD where
 * the program tells of clients and messages, and OTHER where it does not.
 */
#include "formats/maillog.h"

#include "base/mem.h"
#include "formats/maillog_time.h"

#include <string.h>

/* ---- pieces of text ---- */

static bool take_prefix(struct slice *s, const char *prefix)
{
    if (!slice_has_prefix(*s, prefix))
        return false;
    *s = slice_from(*s, strlen(prefix));
    return true;
}

/* Position of the text, or s.len. */
static size_t find_text(struct slice s, const char *text)
{
    const char *at = s.len ? memmem(s.ptr, s.len, text, strlen(text)) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

static size_t find_last(struct slice s, const char *text)
{
    size_t found = s.len;
    for (size_t at = 0; at < s.len;) {
        size_t next = find_text(slice_from(s, at), text);
        if (next == s.len - at)
            break;
        found = at + next;
        at = found + 1;
    }
    return found;
}

static bool has_text(struct slice s, const char *text)
{
    return find_text(s, text) < s.len;
}

/*
 * NAME[ADDR] or NAME[ADDR]:PORT off the front. NAME may be "unknown", or nothing (postscreen); ADDR may be "unknown".
 * False: it is none; *s is untouched.
 */
static bool take_client(struct slice *s, struct slice *name, struct ip *client)
{
    size_t open = slice_find(*s, '['), close = slice_find(*s, ']');
    if (open >= s->len || close >= s->len || close < open || open > 255)
        return false;
    struct slice n = slice_upto(*s, open), address = slice_of(s->ptr + open + 1, close - open - 1);
    if (slice_find(n, ' ') < n.len)
        return false;
    if (ip_parse(address, client) != ERR_NONE && !slice_eq_cstr(address, "unknown"))
        return false;
    *name = n.len == 0 || slice_eq_cstr(n, "unknown") ? SLICE_NONE : n;
    struct slice rest = slice_from(*s, close + 1);
    if (rest.len > 1 && rest.ptr[0] == ':' && ascii_is_digit(rest.ptr[1])) {
        size_t digits = 1;
        while (digits < rest.len && ascii_is_digit(rest.ptr[digits]))
            digits++;
        rest = slice_from(rest, digits);
    }
    *s = rest;
    return true;
}

/* A short id is hexadecimal (they are used again); a long one has digits and letters without vowels, and a z. */
static bool is_queue_id(struct slice s)
{
    bool hex = s.len >= 5, long_id = s.len >= 10, has_z = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        hex = hex && (ascii_is_digit(c) || (c >= 'A' && c <= 'F'));
        long_id = long_id && (ascii_is_digit(c) || ascii_is_alpha(c)) && !strchr("aeiouAEIOU", c);
        has_z |= c == 'z';
    }
    return hex || (long_id && has_z);
}

/* "4XyZ…: " or "NOQUEUE: " off the front, into out->id. */
static void take_id(struct slice *s, struct maillog_line *out)
{
    size_t colon = slice_find(*s, ':');
    if (colon + 1 >= s->len || s->ptr[colon + 1] != ' ' || colon > 40)
        return;
    struct slice id = slice_upto(*s, colon);
    bool none = slice_eq_cstr(id, "NOQUEUE");
    if (!none && !is_queue_id(id))
        return;
    out->id = none ? SLICE_NONE : id;
    *s = slice_from(*s, colon + 2);
}

/* ---- attributes: key=value, key=<value> ---- */

/*
 * Next attribute; what parts them is blanks and commas. A value in angle brackets ends at the last `>` that has a separator or the
 * end behind it; Postfix quotes nothing there.
 */
static bool take_attribute(struct slice *s, struct slice *key, struct slice *value)
{
    while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == ',' || s->ptr[0] == ';'))
        *s = slice_from(*s, 1);
    size_t equals = slice_find(*s, '=');
    if (equals >= s->len)
        return false;
    *key = slice_upto(*s, equals);
    struct slice rest = slice_from(*s, equals + 1);
    size_t n = 0;
    if (rest.len > 0 && rest.ptr[0] == '<') {
        for (n = 1; n < rest.len; n++)
            if (rest.ptr[n] == '>' && (n + 1 == rest.len || strchr(" ,:;", rest.ptr[n + 1])))
                break;
        *value = slice_of(rest.ptr + 1, n - 1);
        n += n < rest.len;
    } else {
        while (n < rest.len && rest.ptr[n] != ' ' && rest.ptr[n] != ',')
            n++;
        *value = slice_of(rest.ptr, n);
    }
    *s = slice_from(rest, n);
    return true;
}

static void read_attributes(struct slice rest, struct maillog_line *out)
{
    struct slice key, value;
    while (take_attribute(&rest, &key, &value)) {
        if (slice_eq_cstr(key, "from"))
            out->sender = value;
        else if (slice_eq_cstr(key, "to") || (slice_eq_cstr(key, "orig_to") && value.len > 0))
            out->recipient = value; /* orig_to stands behind to: the address before aliases, as the client gave it */
        else if (slice_eq_cstr(key, "helo"))
            out->helo = value;
        else if (slice_eq_cstr(key, "nrcpt") && slice_to_u64(value, &out->n_recipients) != ERR_NONE)
            out->n_recipients = 0;
        else if (slice_eq_cstr(key, "sasl_username") || slice_eq_cstr(key, "sasl_method"))
            out->login = value;
        else if (slice_eq_cstr(key, "orig_queue_id"))
            out->has_origin = true;
        else if (slice_eq_cstr(key, "orig_client")) {
            out->has_origin = true;
            (void)take_client(&value, &out->origin_name, &out->origin);
        }
    }
}

/* Where the attributes of a decision begin, behind its text; the text may be a milter's or another server's and say anything. */
static struct slice attributes_of(struct slice text)
{
    static const char *const starts[] = {"; from=<", "; to=<", "; proto=", "; client="};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        size_t at = find_last(text, starts[i]);
        if (at < text.len)
            return slice_from(text, at + 2);
    }
    return SLICE_NONE;
}

/* ---- decisions ---- */

struct action {
    const char *word;
    enum maillog_kind kind;
    enum maillog_verdict verdict; /* where the text's own code does not tell */
    bool has_code;
};

/* As smtpd, cleanup and postscreen name them. */
static const struct action actions[] = {
    {"reject: ", MAILLOG_REFUSED, MAILLOG_REJECTS, true},
    {"milter-reject: ", MAILLOG_REFUSED, MAILLOG_REJECTS, true},
    {"milter-discard: ", MAILLOG_REFUSED, MAILLOG_DISCARDS, false},
    {"discard: ", MAILLOG_REFUSED, MAILLOG_DISCARDS, false},
    {"proxy-reject: ", MAILLOG_PROXY, MAILLOG_REJECTS, true},
    {"proxy-accept: ", MAILLOG_PROXY, MAILLOG_ACCEPTS, false},
    {"permit: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"reject_warning: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"warn: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"warning: header ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"warning: body ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"milter-hold: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"hold: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"redirect: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"filter: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"delay: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"bcc: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"info: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"prepend: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"replace: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
    {"strip: ", MAILLOG_SEEN, MAILLOG_ACCEPTS, false},
};

/*
 * "451 4.7.1 …", "4.7.1 …", or the recipient first: "<b@example.net>: Recipient address rejected: …" stands behind the code, so the
 * first digit tells.
 */
static enum maillog_verdict verdict_of(struct slice text, enum maillog_verdict otherwise)
{
    if (text.len < 2 || !(ascii_is_digit(text.ptr[1]) || text.ptr[1] == '.'))
        return otherwise;
    return text.ptr[0] == '4' ? MAILLOG_TEMPFAILS : text.ptr[0] == '5' ? MAILLOG_REJECTS : otherwise;
}

/* STAGE from C: TEXT; attributes. cleanup's header and body checks have no such client form behind "header Subject: …". */
static bool read_action(struct slice s, struct maillog_line *out)
{
    const struct action *a = NULL;
    for (size_t i = 0; i < COUNT_OF(actions) && !a; i++)
        if (take_prefix(&s, actions[i].word))
            a = &actions[i];
    if (!a)
        return false;
    out->kind = a->kind;
    out->verdict = a->verdict;
    size_t from = find_text(s, " from ");
    struct slice rest = from < s.len ? slice_from(s, from + 6) : SLICE_NONE;
    if (from < s.len && take_client(&rest, &out->name, &out->client)) {
        out->stage = slice_upto(s, from);
        (void)(take_prefix(&rest, ": ") || take_prefix(&rest, ":"));
    } else if (a->kind == MAILLOG_PROXY && (from = slice_find(s, ':')) < s.len) {
        out->stage = slice_upto(s, from);
        rest = slice_trim(slice_from(s, from + 1), " ");
    } else { /* a header or body check: its client is that of the message */
        out->stage = SLICE_LIT("CONTENT");
        rest = s;
    }
    if (a->has_code)
        out->verdict = verdict_of(rest, a->verdict);
    read_attributes(attributes_of(rest), out);
    return true;
}

/* ---- the programs ---- */

/* Does the line begin with one of these? They tell nothing of who sent what. */
static bool begins_with_any(struct slice s, const char *const *words)
{
    for (; *words; words++)
        if (slice_has_prefix(s, *words))
            return true;
    return false;
}

/* "hostname N does not resolve to address A: reason", and the older "A: hostname N verification failed: reason". */
static void read_warning(struct slice s, struct maillog_line *out)
{
    out->kind = MAILLOG_OTHER;
    size_t at = find_text(s, "hostname ");
    if (at == s.len)
        return;
    struct slice rest = slice_from(s, at + 9), name = slice_cut(&rest, ' ');
    struct slice address;
    if (take_prefix(&rest, "does not resolve to address "))
        address = slice_cut(&rest, ':');
    else if (at > 2 && take_prefix(&rest, "verification failed"))
        address = slice_upto(s, at - 2);
    else
        return;
    if (ip_parse(slice_trim(address, " "), &out->client) != ERR_NONE)
        return;
    out->kind = MAILLOG_UNVERIFIED;
    out->name = name;
    out->temporary = has_text(rest, "emporary") || has_text(rest, "ry again");
}

static void read_smtpd(struct slice s, struct maillog_line *out)
{
    static const char *const silent[] = {
        "lost connection", "timeout ",      "too many errors",  "improper command", "Anonymous TLS", "Untrusted TLS",
        "Trusted TLS",     "Verified TLS",  "SSL_accept",       "setting up TLS",   "statistics: ",  "initializing",
        "fatal: ",         "error: ",       "panic: ",          "milter-",          "TLS SNI",       "message-id=",
        "table ",          "reconnect to ", "non-SMTP command", "client limits",    "certificate ",  "warning: ",
        "auto_clnt_",      "premature end", "connect to ",      "unexpected",       "end-of-data",   NULL};
    if (take_prefix(&s, "connect from ")) {
        out->kind = take_client(&s, &out->name, &out->client) ? MAILLOG_CONNECT : MAILLOG_UNREAD;
        return;
    }
    if (take_prefix(&s, "disconnect from ")) {
        out->kind = take_client(&s, &out->name, &out->client) ? MAILLOG_DISCONNECT : MAILLOG_UNREAD;
        return;
    }
    if (take_prefix(&s, "warning: ")) {
        read_warning(s, out);
        return;
    }
    take_id(&s, out);
    if (take_prefix(&s, "client=")) {
        out->kind = take_client(&s, &out->name, &out->client) ? MAILLOG_CLIENT : MAILLOG_UNREAD;
        read_attributes(s, out);
        return;
    }
    if (!read_action(s, out))
        out->kind = begins_with_any(s, silent) ? MAILLOG_OTHER : MAILLOG_UNREAD;
}

static void read_postscreen(struct slice s, struct maillog_line *out)
{
    static const char *const silent[] = {"CONNECT from ", "PASS ",       "ALLOWLIST",       "WHITELIST",
                                         "DENYLIST",      "BLACKLIST",   "DNSBL rank ",     "PREGREET ",
                                         "HANGUP ",       "DISCONNECT ", "BARE NEWLINE ",   "NON-SMTP COMMAND ",
                                         "COMMAND ",      "cache ",      "entering STRESS", "leaving STRESS",
                                         "warning: ",     "fatal: ",     "close database",  "using backwards",
                                         "statistics",    NULL};
    take_id(&s, out);
    if (!read_action(s, out))
        out->kind = begins_with_any(s, silent) ? MAILLOG_OTHER : MAILLOG_UNREAD;
}

static void read_cleanup(struct slice s, struct maillog_line *out)
{
    take_id(&s, out);
    if (!read_action(s, out))
        out->kind = MAILLOG_OTHER; /* message-id=, and what it warns of */
}

static void read_qmgr(struct slice s, struct maillog_line *out)
{
    take_id(&s, out);
    out->kind = MAILLOG_OTHER;
    if (!out->id.ptr)
        return;
    if (slice_eq_cstr(s, "removed")) {
        out->kind = MAILLOG_REMOVED;
    } else if (slice_has_prefix(s, "from=<")) {
        read_attributes(s, out);
        out->kind = out->n_recipients > 0 ? MAILLOG_QUEUED : MAILLOG_OTHER; /* "status=expired, returned to sender" */
    } else if (slice_has_prefix(s, "to=<")) {
        read_attributes(s, out);
        out->kind = MAILLOG_RECIPIENT;
    }
}

static void read_pickup(struct slice s, struct maillog_line *out)
{
    take_id(&s, out);
    out->kind = out->id.ptr && slice_has_prefix(s, "uid=") ? MAILLOG_LOCAL : MAILLOG_OTHER;
}

/* smtp, lmtp, local, virtual, pipe, error, discard and other delivery agents. */
static void read_agent(struct slice s, struct maillog_line *out)
{
    take_id(&s, out);
    out->kind = MAILLOG_OTHER;
    if (out->id.ptr && slice_has_prefix(s, "to=<")) {
        /* only the addresses: the text behind status= is another server's */
        size_t end = find_text(s, ", relay=");
        read_attributes(slice_upto(s, end), out);
        out->kind = MAILLOG_RECIPIENT;
    }
}

static const struct {
    const char *name; /* behind the last slash */
    void (*read)(struct slice text, struct maillog_line *out);
} programs[] = {
    {"smtpd", read_smtpd},   {"postscreen", read_postscreen}, {"cleanup", read_cleanup}, {"qmgr", read_qmgr},
    {"nqmgr", read_qmgr},    {"pickup", read_pickup},         {"smtp", read_agent},      {"lmtp", read_agent},
    {"local", read_agent},   {"virtual", read_agent},         {"pipe", read_agent},      {"error", read_agent},
    {"discard", read_agent}, {"relay", read_agent},           {"retry", read_agent},     {"oqmgr", read_qmgr},
};

/* ---- the line ---- */

/* "postfix/smtpd[123]: " off the front. */
static bool take_tag(struct slice *s, struct maillog_line *out)
{
    size_t n = 0;
    while (n < s->len && s->ptr[n] != '[' && s->ptr[n] != ':' && s->ptr[n] != ' ')
        n++;
    if (n == 0 || n >= s->len || s->ptr[n] == ' ')
        return false;
    out->program = slice_upto(*s, n);
    if (s->ptr[n] == '[') {
        struct slice rest = slice_from(*s, n + 1);
        size_t close = slice_find(rest, ']');
        if (close >= rest.len)
            return false;
        out->pid = slice_upto(rest, close);
        *s = slice_from(rest, close + 1);
    } else {
        *s = slice_from(*s, n);
    }
    return take_prefix(s, ": ") || take_prefix(s, ":");
}

static void take_repeats(struct slice *s, struct maillog_line *out)
{
    struct slice rest = *s;
    uint64_t times;
    if (!take_prefix(&rest, "message repeated "))
        return;
    struct slice number = slice_cut(&rest, ' ');
    if (slice_to_u64(number, &times) != ERR_NONE || times == 0 || times > 1000000 || !take_prefix(&rest, "times: [ "))
        return;
    out->repeated = (unsigned)times;
    if (rest.len > 0 && rest.ptr[rest.len - 1] == ']')
        rest.len--;
    *s = rest;
}

void maillog_read(struct maillog_clock *clock, struct slice line, struct maillog_line *out)
{
    *out = (struct maillog_line){.kind = MAILLOG_UNREAD, .repeated = 1};
    struct slice s = slice_trim(line, "\r");
    if (maillog_time(clock, &s, &out->time) != ERR_NONE)
        return;
    out->host = slice_cut(&s, ' ');
    if (!take_tag(&s, out)) {
        out->kind = MAILLOG_OTHER; /* the system log's own lines have forms of their own */
        return;
    }
    out->kind = MAILLOG_OTHER;
    size_t slash = slice_rfind(out->program, '/');
    if (slash >= out->program.len)
        return;
    struct slice service = slice_from(out->program, slash + 1);
    take_repeats(&s, out);
    for (size_t i = 0; i < COUNT_OF(programs); i++)
        if (slice_eq_cstr(service, programs[i].name)) {
            programs[i].read(s, out);
            return;
        }
}
