/* mta.c - postconf(5) and master(5) as far as a process limit needs them: logical lines, comments, columns. */
#include "postfix/mta.h"

#include <string.h>

enum { MTA_DEFAULT_PROCESS_LIMIT = 100 };

static const char blanks[] = " \t\r\f\v";

/*
 * The first physical line of the next logical one. A line that begins with a blank continues the one before; comments and
 * empty lines in between do not end it. What a continuation says is of no interest to us: the columns we want stand in
 * front.
 */
static bool line_next(struct slice *text, struct slice *line)
{
    while (text->ptr) {
        *line = slice_cut(text, '\n');
        if (line->len > 0 && strchr(blanks, line->ptr[0]) == NULL && line->ptr[0] != '#')
            return true;
    }
    return false;
}

static struct slice word_next(struct slice *line)
{
    *line = slice_trim(*line, blanks);
    size_t n = 0;
    while (n < line->len && strchr(blanks, line->ptr[n]) == NULL)
        n++;
    struct slice word = slice_upto(*line, n);
    *line = slice_from(*line, n);
    return word;
}

/* The words of a line, each with one blank before it but the first of all. */
static void words_put(struct slice line, struct buf *out)
{
    for (struct slice word = word_next(&line); word.len > 0; word = word_next(&line)) {
        if (out->len > 0)
            buf_put_byte(out, ' ');
        buf_put_slice(out, word);
    }
}

bool mta_parameter(struct slice main_cf, const char *wanted, struct buf *out)
{
    bool found = false, inside = false;
    while (main_cf.ptr) {
        struct slice line = slice_cut(&main_cf, '\n');
        struct slice trimmed = slice_trim(line, blanks);
        if (trimmed.len == 0 || trimmed.ptr[0] == '#')
            continue;
        if (strchr(blanks, line.ptr[0]) != NULL) { /* goes on with the line before */
            if (inside)
                words_put(line, out);
            continue;
        }
        struct slice value = line, name = slice_trim(slice_cut(&value, '='), blanks);
        inside = value.ptr && slice_eq_cstr(name, wanted);
        if (inside) { /* the last one counts, as in Postfix */
            found = true;
            buf_clear(out);
            words_put(value, out);
        }
    }
    return found && slice_find(buf_slice(out), '$') == out->len;
}

static bool limit_parse(struct slice text, uint32_t *out)
{
    uint64_t v;
    if (slice_to_u64(text, &v) != ERR_NONE || v > INT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}

/* The last one counts, as in Postfix. False: there is one, and it is no plain number. */
static bool default_limit(struct slice main_cf, uint32_t *out)
{
    bool good = true;
    *out = MTA_DEFAULT_PROCESS_LIMIT;
    for (struct slice line; line_next(&main_cf, &line);) {
        struct slice value = line, name = slice_trim(slice_cut(&value, '='), blanks);
        if (value.ptr && slice_eq_cstr(name, "default_process_limit"))
            good = limit_parse(slice_trim(value, blanks), out);
    }
    return good;
}

struct service {
    struct slice name, type, maxproc, command;
};

/* service type private unprivileged chroot wakeup maxproc command */
static bool service_parse(struct slice line, struct service *s)
{
    s->name = word_next(&line);
    s->type = word_next(&line);
    for (int i = 0; i < 4; i++)
        (void)word_next(&line);
    s->maxproc = word_next(&line);
    s->command = word_next(&line);
    return s->command.len > 0;
}

bool mta_is_smtp_port(struct slice name)
{
    size_t colon = slice_rfind(name, ':');
    if (colon < name.len)
        name = slice_from(name, colon + 1);
    return slice_eq_cstr(name, "smtp") || slice_eq_cstr(name, "25");
}

struct sum {
    uint64_t processes;
    bool unlimited; /* or not readable */
    bool any;
};

static void sum_add(struct sum *sum, struct slice maxproc, bool default_good, uint32_t default_value)
{
    uint32_t limit = default_value;
    bool good = slice_eq_cstr(maxproc, "-") ? default_good : limit_parse(maxproc, &limit);
    sum->any = true;
    sum->processes += limit;
    if (!good || limit == 0)
        sum->unlimited = true;
}

uint32_t mta_sessions(struct slice main_cf, struct slice master_cf)
{
    uint32_t limit;
    bool good = default_limit(main_cf, &limit), postscreen = false;
    struct sum inet = {0}, pass = {0};
    for (struct slice line; line_next(&master_cf, &line);) {
        struct service s;
        if (!service_parse(line, &s))
            continue;
        bool smtpd = slice_eq_cstr(s.command, "smtpd");
        if (slice_eq_cstr(s.type, "inet") && mta_is_smtp_port(s.name)) {
            postscreen |= slice_eq_cstr(s.command, "postscreen");
            if (smtpd)
                sum_add(&inet, s.maxproc, good, limit);
        } else if (slice_eq_cstr(s.type, "pass") && smtpd) {
            sum_add(&pass, s.maxproc, good, limit);
        }
    }
    if (postscreen) {
        inet.processes += pass.processes;
        inet.any |= pass.any;
        inet.unlimited |= pass.unlimited;
    }
    if (!inet.any || inet.unlimited || inet.processes > INT32_MAX)
        return 0;
    return (uint32_t)inet.processes;
}
