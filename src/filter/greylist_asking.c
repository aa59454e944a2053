/*
 * greylist_asking.c - waiting for what the store says to a recipient's decision, on a disk that may be slow (DESIGN 7).
 *
 * The writer is asked, for it alone answers on the records as they are at that moment. While a commit takes its time it answers
 * nobody; but most decisions need no write: who is known passes, and whose delay runs is told so. So behind 200 ms the reader is
 * asked too, and from then on both at once, until commits are quick again. What the records cannot decide (a first sight) waits for
 * its commit, for 5 s at most. When one was missed nobody waits for longer than 200 ms, until a commit succeeds.
 */
#include "filter/greylist.h"

static const struct grey_answer failed = {.failed = true, .left_sec = -1};

int64_t asking_patience_ms(const struct shared *sh, bool of_writer)
{
    bool late = of_writer ? sh->writes_late : sh->reads_late;
    return late ? GREY_SLOW_MS : GREYLIST_STORE_DEADLINE_MS;
}

void asking_note_missed(struct greylist *g, bool of_writer)
{
    struct shared *sh = g->f.d->sh;
    bool *late = of_writer ? &sh->writes_late : &sh->reads_late;
    if (!*late)
        dialogue_log(g->f.d, LOG_LEVEL_ERROR,
                     "store: no answer within %d s; until there is one nobody waits longer than %d ms",
                     GREYLIST_STORE_DEADLINE_MS / 1000, GREY_SLOW_MS);
    *late = true;
    sh->writes_slow |= of_writer;
}

/* A tarpit line lets it in, whatever the store says. */
static bool passes_anyway(const struct greylist *g)
{
    return g->decision.action == CONF_WHITELIST && g->decision.tarpit != TARPIT_DUE;
}

/* What the records say decides, if it can. What lets a client in that has waited before is written in its own time. */
static void ask_reader(struct greylist *g)
{
    g->flags |= GREYLIST_READER_ASKED;
    if (!passes_anyway(g))
        g->look_request = recipient_ask_store(g, GREY_LOOK, GREY_PASS_PATIENT, 0, true);
    else if (g->decision.tarpit == TARPIT_PATIENT || g->decision.tarpit == TARPIT_SERVED)
        recipient_committed(g, &(struct grey_answer){.verdict = GREY_ACCEPT, .left_sec = -1});
}

void asking_begin(struct greylist *g, enum grey_request_kind kind, enum grey_pass pass, int64_t waited_sec)
{
    struct shared *sh = g->f.d->sh;
    greylist_set_wait(g, GREYLIST_COMMITS);
    g->flags &= ~(uint32_t)GREYLIST_READER_ASKED;
    g->store_request = recipient_ask_store(g, kind, pass, waited_sec, true);
    if (!sh->writes_slow) {
        g->deadline.ms = sh->now.mono.ms + GREY_SLOW_MS;
        return;
    }
    g->deadline.ms = sh->now.mono.ms + asking_patience_ms(sh, true);
    ask_reader(g);
}

void asking_timer(struct greylist *g)
{
    struct shared *sh = g->f.d->sh;
    if (!(g->flags & GREYLIST_READER_ASKED)) {
        sh->writes_slow = true;
        g->deadline.ms = sh->now.mono.ms + asking_patience_ms(sh, true) - GREY_SLOW_MS;
        ask_reader(g);
        return;
    }
    if (g->store_request)
        asking_note_missed(g, true);
    sh->reads_late |= g->look_request != 0;
    sh->stats.store_failures++;
    recipient_committed(g, &failed);
}

void asking_answered(struct greylist *g, uint32_t request, const struct grey_answer *answer)
{
    if (request == g->store_request) {
        g->store_request = 0;
        g->f.d->sh->stats.store_failures += answer->failed;
        if (!answer->failed)
            recipient_committed(g, answer);
        else if (!(g->flags & GREYLIST_READER_ASKED))
            ask_reader(g); /* it cannot be written, but it may be known: nobody is let in who was told to come back */
    } else if (request == g->look_request) {
        g->look_request = 0;
        if (!answer->failed && answer->state != GREY_NEW)
            recipient_committed(g, answer);
    }
    if (g->wait == GREYLIST_COMMITS && g->store_request == 0 && g->look_request == 0)
        recipient_committed(g, &failed);
}
