/*
 * waiting.c - the one answer to "what does this session wait for?", out of its wait and of its filters' states. Changes nothing but
 * what was traced last.
 */
#include "session/chain.h"

static void put_filter(const struct filter *f, struct buf *out)
{
    if (out->len > 0)
        buf_put_cstr(out, "; ");
    if (f->conf)
        buf_printf(out, "filter \"%s\": ", f->conf->name);
    buf_put_cstr(out, f->writes && !filter_waits(f) ? "a file for its new body" : filter_state_word(filter_state_now(f)));
}

static void put_filters(const struct session *s, struct buf *out)
{
    const struct chain *ch = s->chain;
    if (ch->answering) {
        buf_put_cstr(out, ch->drain_request ? "the MTA to read" : "the new body's file");
        return;
    }
    for (unsigned i = 0; i < ch->count; i++)
        if (ch->filter[i] && (ch->filter[i]->writes || chain_filter_is_awaited(s, ch->filter[i])))
            put_filter(ch->filter[i], out);
    if (s->d.transcript->spool_writes > 0)
        buf_printf(out, "%sa file for the body", out->len > 0 ? "; " : "");
}

void waiting_put(const struct session *s, struct buf *out)
{
    switch ((enum wait)s->wait) {
    case WAIT_FIRST_LOOK:
        buf_put_cstr(out, "the first look at the client");
        break;
    case WAIT_FACTS:
        buf_put_cstr(out, "what conditions ask others for (DNS)");
        break;
    case WAIT_GATE:
        put_filter(chain_gate_const(s), out);
        break;
    case WAIT_FILTERS:
        put_filters(s, out);
        break;
    case WAIT_NOTHING:
    case WAIT_MAX_:
        break;
    }
}

/* Whether the text is another one than last time, by a sum (FNV-1a, folded): it is for readers only. */
static bool is_new(struct session *s, struct slice text)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < text.len; i++)
        sum = (sum ^ (uint8_t)text.ptr[i]) * 16777619u;
    uint16_t folded = (uint16_t)(sum ^ sum >> 16);
    bool is_another = folded != s->d.traced_wait;
    s->d.traced_wait = folded;
    return is_another;
}

void waiting_trace(struct session *s)
{
    struct buf text = {0};
    if (!(s->d.flags & DIALOGUE_TRACED))
        return;
    waiting_put(s, &text);
    if (is_new(s, buf_slice(&text)) && text.len > 0)
        trace_line(&s->d, "waits for %.*s", SLICE_ARG(buf_slice(&text)));
    buf_fini(&text);
}
