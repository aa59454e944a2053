/*
 * command.h - what the MTA says: negotiation, macros, commands. Parse and build, both directions, from bytes to slices into
 * those bytes. Nothing is kept and nothing is judged but the form.
 */
#ifndef TARSIER_MILTER_COMMAND_H
#define TARSIER_MILTER_COMMAND_H

#include "base/stage.h"
#include "milter/protocol.h"
#include "milter/wire.h"

/* OPTNEG, both ways: the MTA offers, the filter asks. */
struct milter_options {
    uint32_t version, actions, steps;
    struct slice symlist[SMFIM_STAGES]; /* names with blanks between; SLICE_NONE: not named, the MTA keeps its own list */
};

/*
 * Errors: ERR_SYNTAX. A version below MILTER_VERSION_MIN is the caller's to refuse. Unknown stages are passed over; of a stage
 * named twice the later list counts, as in Postfix.
 */
MUST_CHECK enum err milter_parse_options(struct slice body, struct milter_options *out);
/* The whole packet. */
void milter_put_options(struct buf *out, const struct milter_options *o);

enum milter_family {
    MILTER_FAMILY_UNKNOWN = 'U',
    MILTER_FAMILY_UNIX = 'L',
    MILTER_FAMILY_INET = '4',
    MILTER_FAMILY_INET6 = '6'
};

/* One command with its arguments cut; every slice lies in the packet. */
struct milter_command {
    uint8_t cmd; /* SMFIC_* */
    union {
        struct {
            struct slice host;
            uint8_t family;
            uint16_t port;
            struct slice address; /* text as it came; NONE for family U */
        } connect;
        struct slice helo;
        struct {
            struct slice address; /* as it came, mostly with its angle brackets */
            struct slice esmtp;   /* the rest: NUL-terminated arguments, for milter_next_string */
        } envelope;               /* MAIL, RCPT */
        struct {
            uint8_t for_cmd;    /* the command these macros go with */
            struct slice pairs; /* name NUL value NUL …, for milter_next_macro */
        } macro;
        struct {
            struct slice name, value;
        } header;
        struct slice body;    /* BODY, and BODYEOB with a last chunk */
        struct slice unknown; /* the SMTP command line */
    } u;
};

/*
 * Cut a packet of the MTA's (not OPTNEG). Errors: ERR_UNSUPPORTED for a command byte that is not the MTA's, ERR_SYNTAX when
 * its body does not have that command's form (missing NUL, empty, short). Bytes behind a complete form are passed over, as
 * libmilter does: no MTA sends them, and closing the connection for them would help nobody.
 */
MUST_CHECK enum err milter_parse_command(const struct wire_packet *p, struct milter_command *out);
/* The whole packet. Strings end at a NUL in them; esmtp, pairs and body go out as they are. */
void milter_put_command(struct buf *out, const struct milter_command *c);

/* Next NUL-terminated string off *rest; false, with *rest untouched, at the end or when the NUL is missing. */
bool milter_next_string(struct slice *rest, struct slice *out);
/* Next pair; the braces of a long name are kept ("{client_addr}", "i"). False at the end or when the form breaks. */
bool milter_next_macro(struct slice *rest, struct slice *name, struct slice *value);

/* What the protocol says of a command of the MTA's. One table has it (command.c); nobody else keeps another one. */
struct milter_command_kind {
    uint8_t cmd;
    uint8_t form;              /* of its body; command.c's own */
    uint8_t stage;             /* enum stage; STAGE_END: it stands outside of them */
    uint8_t macro_stage;       /* enum milter_stage, see below */
    uint8_t since_version;     /* of the protocol */
    bool is_answered;          /* unless nr_step is negotiated */
    bool has_macros_anyway;    /* they are told also to a filter that does not want the command */
    uint32_t no_step, nr_step; /* SMFIP_*: "do not send it", "I do not answer it"; 0: there is none */
    const char *name;          /* for log lines: "CONNECT", "EOM" */
    const char *what;          /* what a filter that wants it wants: "the headers" */
};

/* The rows, in the order of the stages. */
const struct milter_command_kind *milter_command_kinds(size_t *count);
/* NULL: a byte that is no command of the MTA's. */
const struct milter_command_kind *milter_command_kind(uint8_t cmd);

/* All SMFIP_NO* bits: each says that one command need not be sent. */
uint32_t milter_no_steps(void);

/* For log lines; "OPTNEG" too, and "unknown command" for a byte that is not the MTA's. Never NULL. */
const char *milter_command_name(uint8_t cmd);

/*
 * The stage of SETSYMLIST whose macros go with a command: Postfix sends those of EOH with each HEADER and those of EOM with
 * each BODY. SMFIM_STAGES for a command whose macros no filter can choose.
 */
enum milter_stage milter_stage_of_command(uint8_t cmd);

#endif
