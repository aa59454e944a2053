/* numbers.h - every number of protocol.h by name, to be listed twice: as we have it and as libmilter's headers have it. */
#ifndef TARSIER_TESTS_MILTER_NUMBERS_H
#define TARSIER_TESTS_MILTER_NUMBERS_H

#include <stddef.h>

#define NUMBERS_OF_COMMANDS(N)                                                                                              \
    N(SMFIC_ABORT)                                                                                                          \
    N(SMFIC_BODY)                                                                                                           \
    N(SMFIC_CONNECT)                                                                                                        \
    N(SMFIC_MACRO) N(SMFIC_BODYEOB) N(SMFIC_HELO) N(SMFIC_QUIT_NC) N(SMFIC_HEADER) N(SMFIC_MAIL) N(SMFIC_EOH)               \
        N(SMFIC_OPTNEG) N(SMFIC_QUIT) N(SMFIC_RCPT) N(SMFIC_DATA) N(SMFIC_UNKNOWN)

/* without SMFIR_CONNFAIL, which libmilter spells SMFIR_CONN_FAIL */
#define NUMBERS_OF_REPLIES(N)                                                                                               \
    N(SMFIR_ADDRCPT)                                                                                                        \
    N(SMFIR_DELRCPT)                                                                                                        \
    N(SMFIR_ADDRCPT_PAR)                                                                                                    \
    N(SMFIR_SHUTDOWN) N(SMFIR_ACCEPT) N(SMFIR_REPLBODY) N(SMFIR_CONTINUE) N(SMFIR_DISCARD) N(SMFIR_CHGFROM)                 \
        N(SMFIR_ADDHEADER) N(SMFIR_INSHEADER) N(SMFIR_SETSYMLIST) N(SMFIR_CHGHEADER) N(SMFIR_PROGRESS) N(SMFIR_QUARANTINE)  \
            N(SMFIR_REJECT) N(SMFIR_SKIP) N(SMFIR_TEMPFAIL) N(SMFIR_REPLYCODE)

#define NUMBERS_OF_FLAGS(N)                                                                                                 \
    N(SMFIF_ADDHDRS)                                                                                                        \
    N(SMFIF_CHGBODY)                                                                                                        \
    N(SMFIF_ADDRCPT)                                                                                                        \
    N(SMFIF_DELRCPT) N(SMFIF_CHGHDRS) N(SMFIF_QUARANTINE) N(SMFIF_CHGFROM) N(SMFIF_ADDRCPT_PAR) N(SMFIF_SETSYMLIST)         \
        N(SMFIP_NOCONNECT) N(SMFIP_NOHELO) N(SMFIP_NOMAIL) N(SMFIP_NORCPT) N(SMFIP_NOBODY) N(SMFIP_NOHDRS) N(SMFIP_NOEOH)   \
            N(SMFIP_NR_HDR) N(SMFIP_NOUNKNOWN) N(SMFIP_NODATA) N(SMFIP_SKIP) N(SMFIP_RCPT_REJ) N(SMFIP_NR_CONN)             \
                N(SMFIP_NR_HELO) N(SMFIP_NR_MAIL) N(SMFIP_NR_RCPT) N(SMFIP_NR_DATA) N(SMFIP_NR_UNKN) N(SMFIP_NR_EOH)        \
                    N(SMFIP_NR_BODY) N(SMFIP_HDR_LEADSPC) N(SMFIP_MDS_256K) N(SMFIP_MDS_1M) N(SMFIM_CONNECT) N(SMFIM_HELO)  \
                        N(SMFIM_ENVFROM) N(SMFIM_ENVRCPT) N(SMFIM_DATA) N(SMFIM_EOM) N(SMFIM_EOH)

#define NUMBERS_ALL(N) NUMBERS_OF_COMMANDS(N) NUMBERS_OF_REPLIES(N) NUMBERS_OF_FLAGS(N)

struct number {
    const char *name;
    long value;
};

/* libmilter's, in the order of NUMBERS_ALL; empty when the headers were not there. */
extern const struct number libmilter_numbers[];
extern const size_t libmilter_numbers_count;

#endif
