/*
 * filter.h - what a filter is to the chain: the built-in one, a child milter, one of the tests. Each kind is one table of functions;
 * the chain (session/chain.c) knows nothing else of it.
 *
 * A filter reads the dialogue: what the MTA has said so far (transcript, goal), its client, the plan. It is led on from where it
 * stands as far as that goes. It calls neither chain nor session: it says in its struct filter how it stands, and appends effects.
 * Answers to these come back as events. Only the chain answers the MTA.
 */
#ifndef TARSIER_FILTER_FILTER_H
#define TARSIER_FILTER_FILTER_H

#include "child/merge.h"
#include "dialogue/dialogue.h"
#include "mail/mail.h"

/* What a filter does when it has been led on. From STATE_FACTS on it waits, and the word says for what. */
enum filter_state {
    STATE_IDLE,     /* it knows all that it may know by now, and has nothing against going on */
    STATE_DONE,     /* its word is final */
    STATE_FAILED,   /* … and is its fallback */
    STATE_FACTS,    /* what others are asked for (dialogue/facts.h) */
    STATE_STORE,    /* what the store knows, or a commit */
    STATE_HELD,     /* the client, which is held */
    STATE_CONNECTS, /* its milter: the address, the connection, the negotiation */
    STATE_ASKED,    /* its milter's answer */
    STATE_FULL,     /* its milter takes nothing for now */
    STATE_SPOOL,    /* a piece of the body, from a file */
    STATE_MAX_
};

/* How a filter stands to the present message (to the connection, before its first one). */
enum outcome {
    OUTCOME_PENDING,  /* it has said nothing final */
    OUTCOME_FINAL,    /* verdict; for this message */
    OUTCOME_FALLBACK, /* it has failed: what its configuration's fallback says */
};

/* What is noted of a recipient, by its number in the message; a bit a filter. */
struct filter_note {
    uint64_t memo;               /* facts.recipient_memo */
    uint32_t shown, later, told; /* who is asked about it; whose condition is not known yet; who has been told */
};

/* What the filters of one chain share. The chain's. */
struct filter_common {
    struct arena connection_texts, message_texts; /* what filters have said that lives as long */
    struct arena unknown_texts;                   /* what is said to the present UNKNOWN */
    struct filter_note *notes;
    size_t n_notes, cap_notes;
    /* the MTA's own name, for macros */
    uint32_t if_name_request;
    bool if_name_known;
    struct slice if_name;
};

/* How the other filters stand to this one, at the moment of a call. */
struct filter_place {
    enum stage stage;     /* of the command that waits for its word; behind a gate: as far as the MTA has got */
    bool begins;          /* a gate hears of this command for the first time */
    bool is_blocked;      /* one before it may still change what it is to see: headers and body must wait */
    bool is_overtaken;    /* one behind it has begun with the message as it is before its edits */
    bool recipients_open; /* of some recipient its condition cannot tell yet whether it is asked */
};

/* How far it has got: what it has been told may be freed. */
struct filter_position {
    enum stage next;     /* what it is to be told next */
    bool has_begun;      /* with headers or body */
    bool wants_body;     /* more of it than it has been told */
    uint64_t body_bytes; /* so much it has been told */
    struct mono since;   /* it was asked, in this message */
};

enum filter_scope { FILTER_RECIPIENT, FILTER_MESSAGE, FILTER_HELO, FILTER_CONNECTION };

struct filter {
    const struct filter_ops *ops;
    struct dialogue *d;
    const struct conf_filter *conf;
    struct slice
        reply; /* a whole packet (REPLYCODE …), of a final or of the present recipient's verdict; a child's: its text */
    uint8_t number; /* in the file's order: of its edits and votes, and of its view of the message */

    /* the chain's */
    uint8_t asked;       /* enum policy_truth: by its condition, for this message */
    uint8_t state;       /* enum filter_state, as it was left by the last call of advance; filter_state_now() */
    bool applied : 1;    /* its edits are in the message */
    bool look_again : 1; /* a recipient that it has passed over is one of its own now */
    bool rewound : 1;    /* it has been told an envelope that an earlier filter has changed */
    bool passed_by : 1;  /* a gate: of a recipient its condition said no, or it let it through unseen */
    bool passed_now : 1; /* … and the present one was the first such */
    bool stopped : 1;    /* another's refusal, or the client's leave, has ended its say */

    /* its word */
    bool connection_over : 1; /* its verdict was on CONNECT or HELO: for the whole connection */
    bool
        without_recipient : 1; /* at DATA none of its recipients was good: it is out of the message, unless one more comes */
    bool counted : 1;          /* it was asked in this message: a line of statistics is due */
    bool quarantines : 1;      /* it wants the message quarantined */
    bool writes : 1;           /* a part of its new body is on its way to a file */
    uint8_t outcome;           /* enum outcome */
    uint8_t verdict;           /* OUTCOME_FINAL: enum verdict */
    uint8_t rcpt_verdict;      /* enum verdict, of the present recipient */
    uint8_t unknown_verdict;   /* … of the present UNKNOWN */
    uint8_t last;              /* enum stage: the last it was told, for log and statistics */
};

/* What only a gate has. It decides each recipient before others hear of it, whatever its place in the file. */
struct gate_ops {
    bool (*is_open)(const struct filter *f); /* it has let a recipient of this message through, or has no say in it */
    void (*client_left)(struct filter *f);   /* the MTA says so, while an answer is owed */
    /* The line of the file that holds the client: its id or number, perhaps in room. */
    struct slice (*holding_line)(const struct filter *f, char room[16]);
};

struct filter_ops {
    /* Lead it on, as far as the MTA has got. */
    enum filter_state (*advance)(struct filter *f, const struct filter_place *place);
    /* An answer to one of its effects; EVENT_TICK: time has passed. News that are not its own it passes over. */
    void (*event)(struct filter *f, const struct filter_place *place, const struct event *event);
    /* UNKNOWN stands outside of the stages: said to who is there, and to nobody later. NULL: it is not asked. */
    void (*unknown)(struct filter *f, struct slice line);
    bool (*unknown_is_awaited)(const struct filter *f); /* NULL: never */
    /* What it wants changed, once its verdict lets the message in. */
    const struct mail_edits *(*edits)(struct filter *f);
    struct body *(*new_body)(struct filter *f); /* NULL: the body stays */
    bool (*may_edit)(const struct filter *f);   /* what those behind it see */
    struct filter_position (*position)(const struct filter *f);
    int64_t (*deadline_ms)(const struct filter *f); /* EVENT_TICK is due then; 0: it is not */
    /* The envelope that it was told is another one now: it is to hear of the message from its beginning. */
    void (*rewind)(struct filter *f);
    /* This recipient is none of the message's: another filter has refused it, and the MTA was told so. */
    void (*lose_recipient)(struct filter *f, unsigned number);
    /* A scope has ended: RECIPIENT, another one follows; MESSAGE; HELO, another one has come; CONNECTION. */
    void (*clear)(struct filter *f, enum filter_scope scope);
    void (*hang_up)(struct filter *f); /* nothing more is asked of it in this message: what it has open is of no use */
    /* Its say ends, whatever it has said: it hears that the message is over. */
    void (*abort)(struct filter *f);
    /* It goes, and its memory. */
    void (*end)(struct filter *f);
    /*
     * NULL: it is no gate. A gate is asked for its word on RCPT, DATA and the end of a message, and has a reply, a whole packet,
     * where its rcpt_verdict is no CONTINUE. It has no use for unknown, new_body, position, rewind and abort.
     */
    const struct gate_ops *gate;
};

/* A session has one gate in itself, for clients are held by the ten thousand. A gate's struct begins with its struct filter. */
enum { FILTER_GATE_BYTES = 328 };
union filter_gate {
    struct filter f;
    unsigned char room[FILTER_GATE_BYTES];
};

/* A kind of filter: one row in the engine's table (engine_add_filter_kind). A row that is added later is asked before. */
struct filter_kind {
    /* Whether this block of the file is one of the kind. conf NULL: a gate's kind, for a file in which no block is a gate. */
    bool (*is)(const struct conf_filter *conf);
    /* Owner: ops->end. NULL: a gate. */
    struct filter *(*make)(struct dialogue *d, struct filter_common *common, const struct conf_filter *conf,
                           unsigned number);
    /* A gate in its session: all of *room is to be written. conf NULL: the file has none. Owner: ops->end. NULL: no gate. */
    void (*make_gate)(union filter_gate *room, struct dialogue *d, const struct conf_filter *conf, unsigned number);
    /* What it needs of the MTA; outlives the engine. NULL: a milter says so itself, and of greylist it follows from the policy. */
    const struct child_requirements *required;
};

/* Its view of the message. */
mail_view filter_view(const struct filter *f);
/* Nothing more is expected of it in this message. */
bool filter_is_settled(const struct filter *f);
bool filter_waits(const struct filter *f);
/* With what has become of it since it was led on last: another's refusal may have ended its say. */
enum filter_state filter_state_now(const struct filter *f);
/* "idle", "the store": what it waits for, to be read behind "waits for". */
const char *filter_state_word(enum filter_state state);
/* `evaluation`: what it says is logged, and nothing of it is done. */
bool filter_only_evaluates(const struct filter *f);
/* A gate has let the present recipient through unseen; and: that recipient is none, for another filter has refused it. */
void filter_pass_by(struct filter *f);
void filter_lose_passed(struct filter *f);
/*
 * The condition of the filter of this number, of the dialogue's plan. All conditions are judged here: what regexes cost is counted
 * with each. *missing: facts that others have to be asked for before it can tell.
 */
enum policy_truth filter_condition(struct dialogue *d, size_t number, const struct policy_facts *facts,
                                   struct policy_why *why, uint64_t *missing);
/* The note of a recipient; one that a filter has added has one, too: told once a filter. */
struct filter_note *filter_note(struct filter_common *common, unsigned number);

#endif
