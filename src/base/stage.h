/*
 * stage.h - the stages of a connection and of one message in it, in their order. The only enumeration of them: what the MTA has
 * reached, what a filter was told last, and from where on a fact is known are all said in it.
 */
#ifndef TARSIER_BASE_STAGE_H
#define TARSIER_BASE_STAGE_H

enum stage {
    STAGE_CONNECT,
    STAGE_HELO,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA, /* the recipients are complete */
    STAGE_HEADER,
    STAGE_EOH, /* the headers are complete */
    STAGE_BODY,
    STAGE_EOM, /* the message is complete */
    STAGE_END, /* behind it; and for a command that stands outside of the stages (UNKNOWN, ABORT, QUIT) */
    STAGE_MAX_
};

#define STAGE_BIT(stage) (1u << (stage))

/* For logs and statistics: "rcpt", "end-of-message". */
const char *stage_name(enum stage stage);

#endif
