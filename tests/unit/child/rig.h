/* rig.h - a link with a scripted child on the other side: short words for what the tests of the link do again and again. */
#ifndef TARSIER_TESTS_CHILD_RIG_H
#define TARSIER_TESTS_CHILD_RIG_H

#include "../milter/bytes.h"
#include "child/link.h"

static const struct link_limits rig_limits = {
    .connect_ms = 5000, .command_ms = 30000, .message_ms = 40000, .eom_ms = 300000, .progress_max_ms = 600000};

static const uint32_t rig_steps = 0x1fffff;

struct rig {
    struct link link;
    struct buf out; /* what the child gets; cleared by whoever has looked */
    struct link_answer answer;
    struct mono now;
    char *said; /* the last chunk, in memory of its own: answer may point there */
};

static inline void rig_new(struct rig *r)
{
    *r = (struct rig){.now = {1000}};
    link_init(&r->link, &rig_limits);
}

static inline void rig_end(struct rig *r)
{
    link_fini(&r->link);
    buf_fini(&r->out);
    free(r->said);
}

/* The child says these bytes; the first news. What is left behind it counts only where a test says so. */
static inline enum link_news rig_say_rest(struct rig *r, struct slice bytes, struct slice *rest)
{
    free(r->said);
    r->said = exact_copy(bytes);
    *rest = slice_of(r->said, bytes.len);
    return link_take(&r->link, rest, r->now, &r->answer);
}

static inline enum link_news rig_say(struct rig *r, struct slice bytes)
{
    struct slice rest;
    enum link_news news = rig_say_rest(r, bytes, &rest);
    CHECK_INT(rest.len, 0);
    return news;
}

static inline enum link_news rig_code(struct rig *r, char code)
{
    const char packet[] = {0, 0, 0, 1, code};
    return rig_say(r, slice_of(packet, sizeof(packet)));
}

static inline void rig_ask(struct rig *r, uint8_t cmd)
{
    struct milter_command c = {.cmd = cmd};
    if (cmd == SMFIC_CONNECT)
        c.u.connect.family = MILTER_FAMILY_UNKNOWN;
    link_ask(&r->link, &c, SLICE_NONE, r->now, &r->out);
}

/* Up to LINK_IDLE: these actions are offered, and all steps; the child chooses this. */
static inline void rig_open_offered(struct rig *r, uint32_t version, uint32_t offered, uint32_t actions, uint32_t steps)
{
    rig_new(r);
    link_connecting(&r->link, r->now);
    const struct milter_options offer = {.version = MILTER_VERSION, .actions = offered, .steps = rig_steps};
    link_connected(&r->link, &offer, r->now, &r->out);
    buf_clear(&r->out);
    struct buf said = {0};
    milter_put_options(&said, &(struct milter_options){.version = version, .actions = actions, .steps = steps});
    CHECK_INT(rig_say(r, buf_slice(&said)), LINK_NEGOTIATED);
    CHECK_INT(r->link.state, LINK_IDLE);
    buf_fini(&said);
}

static inline void rig_open(struct rig *r, uint32_t version, uint32_t actions, uint32_t steps)
{
    rig_open_offered(r, version, SMFIF_ALL, actions, steps);
}

#endif
