/* json.c - the explanation as one object of JSON. */
#include "conf/print.h"
#include "explain/records.h"
#include "explain/told.h"
#include "formats/json.h"
#include "formats/lines.h"

static void put_member(const char *name, struct slice text, struct buf *out)
{
    buf_printf(out, ", \"%s\": ", name);
    json_put_text(out, text);
}

static void put_line(const struct told *t, struct buf *out)
{
    struct policy_verdict verdict;
    struct buf text = {0};
    if (!told_line(t, &verdict) || !verdict.acl)
        return;
    conf_print_acl(verdict.acl, &text);
    put_member("line", buf_slice(&text), out);
    put_member("file", slice_cstr(verdict.acl->where.file), out);
    buf_printf(out, ", \"file_line\": %u", verdict.acl->where.line);
    buf_fini(&text);
}

static void put_tests(const struct told *t, size_t number, struct buf *out)
{
    const char *between = "";
    buf_put_cstr(out, ", \"tests\": [");
    for (size_t i = 0; i < t->seen.count; i++) {
        const struct seen *s = &t->seen.items[i];
        if (s->filter != number)
            continue;
        buf_printf(out, "%s\n    {\"depth\": %u", between, s->depth);
        put_member("test", s->term, out);
        put_member("is", slice_cstr(seen_truth(s->truth)), out);
        put_member("why", s->why, out);
        buf_put_byte(out, '}');
        between = ",";
    }
    buf_put_byte(out, ']');
}

static void put_filters(const struct told *t, struct buf *out)
{
    buf_put_cstr(out, ",\n \"filters\": [");
    for (size_t i = 0; i < t->plan->conf->n_filters; i++) {
        struct told_filter asked = told_filter(t, i);
        buf_printf(out, "%s\n  {\"name\": ", i ? "," : "");
        json_put_text(out, slice_cstr(t->plan->conf->filters[i].name));
        put_member("asked", slice_cstr(asked.text), out);
        put_tests(t, i, out);
        buf_put_byte(out, '}');
    }
    buf_put_byte(out, ']');
}

static void put_looked_up(const struct explain_facts *f, struct buf *out)
{
    struct slice rest = f->looked_up;
    const char *between = "";
    buf_put_cstr(out, ",\n \"looked_up\": [");
    for (; rest.len > 0; between = ", ") {
        buf_put_cstr(out, between);
        json_put_text(out, slice_cut(&rest, '\n'));
    }
    buf_put_byte(out, ']');
}

/* As the lines of an export. */
static void put_records(const struct explain_facts *f, struct buf *out)
{
    const char *between = "";
    struct grey_record r;
    struct buf line = {0};
    buf_put_cstr(out, ",\n \"records\": [");
    for (size_t i = 0; i < f->n_records; i++) {
        if (!explain_record(f, i, &r))
            continue;
        buf_clear(&line);
        line_put_record(&line, &r);
        buf_printf(out, "%s\n  %.*s", between, SLICE_ARG(slice_trim(buf_slice(&line), "\n")));
        between = ",";
    }
    buf_fini(&line);
    buf_put_byte(out, ']');
}

enum err explain_json(struct plan *plan, const struct explain_facts *given, struct buf *out, const char **error)
{
    struct told t;
    char address[IP_TEXT_MAX];
    struct explain_facts f = *given;
    enum err e = told_begin(&t, plan, &f, error);
    if (e == ERR_NONE) {
        buf_put_cstr(out, "{\"verdict\": ");
        json_put_text(out, slice_cstr(told_verdict(&t)));
        put_member("reply", buf_slice(&t.first.reply), out);
        put_member("stage", slice_cstr(t.first.stage), out);
        buf_printf(out, ", \"held_sec\": %lld", (long long)((t.first.held_ms + 500) / 1000));
        put_member("client", t.facts.host, out);
        put_member("address", slice_cstr(ip_format(&f.client, address)), out);
        put_member("look_up", slice_cstr(seen_resolve(f.resolve)), out);
        put_member("helo", t.facts.helo, out);
        put_member("sender", t.facts.sender, out);
        put_member("recipient", t.facts.recipient, out);
        put_line(&t, out);
        put_looked_up(&f, out);
        if (f.has_records)
            put_records(&f, out);
        put_filters(&t, out);
        buf_put_cstr(out, "}\n");
    }
    told_fini(&t);
    return e;
}
