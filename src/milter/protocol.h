/*
 * protocol.h - the numbers of the milter protocol, version 6 (libmilter's mfdef.h is the only standard; checked against
 * Postfix 3.7's milter8.c).
 */
#ifndef TARSIER_MILTER_PROTOCOL_H
#define TARSIER_MILTER_PROTOCOL_H

enum { MILTER_VERSION_MIN = 2, MILTER_VERSION = 6 };

/* MTA to filter. */
enum {
    SMFIC_ABORT = 'A',
    SMFIC_BODY = 'B',
    SMFIC_CONNECT = 'C',
    SMFIC_MACRO = 'D',
    SMFIC_BODYEOB = 'E',
    SMFIC_HELO = 'H',
    SMFIC_QUIT_NC = 'K', /* end of this connection, a new one follows on the same socket */
    SMFIC_HEADER = 'L',
    SMFIC_MAIL = 'M',
    SMFIC_EOH = 'N',
    SMFIC_OPTNEG = 'O',
    SMFIC_QUIT = 'Q',
    SMFIC_RCPT = 'R',
    SMFIC_DATA = 'T',
    SMFIC_UNKNOWN = 'U',
};

/* Filter to MTA. */
enum {
    SMFIR_ADDRCPT = '+',
    SMFIR_DELRCPT = '-',
    SMFIR_ADDRCPT_PAR = '2',
    SMFIR_SHUTDOWN = '4', /* never send it at end of message: Postfix 3.7 answers 250 and loses the mail */
    SMFIR_ACCEPT = 'a',
    SMFIR_REPLBODY = 'b',
    SMFIR_CONTINUE = 'c',
    SMFIR_DISCARD = 'd',
    SMFIR_CHGFROM = 'e',
    SMFIR_CONNFAIL = 'f',
    SMFIR_ADDHEADER = 'h',
    SMFIR_INSHEADER = 'i',
    SMFIR_SETSYMLIST = 'l',
    SMFIR_CHGHEADER = 'm',
    SMFIR_PROGRESS = 'p',
    SMFIR_QUARANTINE = 'q',
    SMFIR_REJECT = 'r',
    SMFIR_SKIP = 's',
    SMFIR_TEMPFAIL = 't',
    SMFIR_REPLYCODE = 'y',
};

/* What a filter may do to a message. */
enum {
    SMFIF_ADDHDRS = 0x001,
    SMFIF_CHGBODY = 0x002,
    SMFIF_ADDRCPT = 0x004,
    SMFIF_DELRCPT = 0x008,
    SMFIF_CHGHDRS = 0x010,
    SMFIF_QUARANTINE = 0x020,
    SMFIF_CHGFROM = 0x040,
    SMFIF_ADDRCPT_PAR = 0x080,
    SMFIF_SETSYMLIST = 0x100,
    SMFIF_ALL = 0x1ff,
};

/* What the MTA need not send, and where it need not wait. */
enum {
    SMFIP_NOCONNECT = 0x000001,
    SMFIP_NOHELO = 0x000002,
    SMFIP_NOMAIL = 0x000004,
    SMFIP_NORCPT = 0x000008,
    SMFIP_NOBODY = 0x000010,
    SMFIP_NOHDRS = 0x000020,
    SMFIP_NOEOH = 0x000040,
    SMFIP_NR_HDR = 0x000080,
    SMFIP_NOUNKNOWN = 0x000100,
    SMFIP_NODATA = 0x000200,
    SMFIP_SKIP = 0x000400,
    SMFIP_RCPT_REJ = 0x000800,
    SMFIP_NR_CONN = 0x001000,
    SMFIP_NR_HELO = 0x002000,
    SMFIP_NR_MAIL = 0x004000,
    SMFIP_NR_RCPT = 0x008000,
    SMFIP_NR_DATA = 0x010000,
    SMFIP_NR_UNKN = 0x020000,
    SMFIP_NR_EOH = 0x040000,
    SMFIP_NR_BODY = 0x080000,
    SMFIP_HDR_LEADSPC = 0x100000,
    MILTER_STEPS_ALL = 0x1fffff, /* those above: what Postfix offers */
    SMFIP_MDS_256K = 0x10000000,
    SMFIP_MDS_1M = 0x20000000,
};

/* Stages of SETSYMLIST. */
enum milter_stage {
    SMFIM_CONNECT = 0,
    SMFIM_HELO = 1,
    SMFIM_ENVFROM = 2,
    SMFIM_ENVRCPT = 3,
    SMFIM_DATA = 4,
    SMFIM_EOM = 5,
    SMFIM_EOH = 6,
    SMFIM_STAGES = 7,
};

#endif
