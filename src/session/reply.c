/* reply.c - what ends a command or a message, whoever has decided it: the waits, the refusals that are no filter's verdict. */
#include "session/chain.h"

/* The message is over for us: the MTA has the last word that we have on it. */
void chain_reply_last(struct session *s, struct slice packet)
{
    session_reply(s, packet);
    session_clear_message(s);
}

void chain_wait(struct session *s)
{
    if (s->wait != WAIT_FILTERS) {
        session_set_wait(s, WAIT_FILTERS);
        if (s->d.plan->set->client_left != CONF_CLIENT_LEFT_IGNORE)
            client_watch(&s->d.sh->clients, &s->d.client);
    }
    session_arm_timer(s);
}

void chain_note_status(struct session *s, enum verdict v)
{
    s->chain->last_status = (uint8_t)v;
    s->chain->last_place = stage_name((enum stage)s->d.transcript->goal);
}

void chain_stop(struct session *s)
{
    for (unsigned i = 0; i < s->chain->count; i++) {
        struct filter *f = s->chain->filter[i];
        if (!f || filter_is_settled(f))
            continue;
        f->ops->abort(f);
        f->stopped = true;
        f->outcome = OUTCOME_FINAL;
        f->verdict = VERDICT_CONTINUE;
    }
}

/* No filter's verdict: the mail is not lost, and nobody has seen less of it than the configuration says. */
void chain_reply_trouble(struct session *s)
{
    const struct transcript *t = s->d.transcript;
    static const struct {
        const char *status, *enhanced, *text;
        enum verdict verdict;
    } replies[TROUBLE_MAX_] = {
        [TROUBLE_ROOM] = {"451", "4.3.1", "Out of room for this message, try again later", VERDICT_TEMPFAIL},
        [TROUBLE_BUDGET] = {"452", "4.3.1", "Out of memory for message headers, try again later", VERDICT_TEMPFAIL},
        [TROUBLE_HEADERS] = {"552", "5.3.4", "Message headers are too large", VERDICT_REJECT},
    };
    struct chain *ch = s->chain;
    struct buf out = {0};
    chain_note_status(s, replies[ch->trouble].verdict);
    milter_put_replycode(&out, slice_cstr(replies[ch->trouble].status), slice_cstr(replies[ch->trouble].enhanced),
                         slice_cstr(replies[ch->trouble].text));
    if (t->goal == STAGE_EOM) {
        chain_reply_last(s, buf_slice(&out));
    } else {
        chain_stop(s);
        session_reply(s, buf_slice(&out));
    }
    buf_fini(&out);
}

void chain_refuse_rcpt(struct session *s)
{
    struct buf out = {0};
    milter_put_replycode(&out, SLICE_LIT("452"), SLICE_LIT("4.5.3"), SLICE_LIT("Too many recipients"));
    chain_gate(s)->ops->lose_recipient(chain_gate(s), 0);
    session_reply(s, buf_slice(&out));
    buf_fini(&out);
}
