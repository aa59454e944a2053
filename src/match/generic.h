/*
 * generic.h - does a verified host name say "an end user's line"? Points for an address that is spelled in the name, and for
 * words of lines and of servers, each with a sentence. Knows names, addresses and words; asks no DNS, so whether the name is
 * true is the caller's affair (rule 0, no name at all, too).
 *
 * The judgement (DESIGN 10): the *text* is the name without its base domain (Public Suffix List, ICANN section only). A text
 * without a decimal digit says nothing. Otherwise the weights of what is found are added:
 *
 *     address   the text spells the address (generic_spelling)          pair     it spells two neighbouring octets of it
 *     dynamic   a word of a changing address, once                      line     else a word of a line, once
 *     weak      words that are often on lines, at most two              number   a run of four digits, no spelled address
 *     server    a word of a mail server, once                           site     a word of another server, once
 *
 * Linear in the length of the name, which may be any; no allocation.
 */
#ifndef TARSIER_MATCH_GENERIC_H
#define TARSIER_MATCH_GENERIC_H

#include "base/buf.h"
#include "base/ip.h"
#include "match/domain.h"

/* ---- the words ---- */

enum generic_class { GENERIC_DYNAMIC, GENERIC_LINE, GENERIC_WEAK, GENERIC_SERVER, GENERIC_SITE, GENERIC_CLASSES };

/* Letters a to z; `*` before or behind them stands for any letters, none too: "dyn", "dhcp*", "*dsl", "*cable*". */
struct generic_pattern {
    enum generic_class class;
    struct slice text;
};

struct generic_words; /* the patterns of all classes as one automaton; never changed, so free to share */

enum { GENERIC_WORDS_MAX_STATES = 60000 }; /* about that many letters in all patterns together; 3.4 MB */

/*
 * Compile the patterns. Errors: ERR_SYNTAX: *bad is the first that is no pattern. ERR_RANGE: *bad is the first for which there
 * is no room. Owner: generic_words_free.
 */
MUST_CHECK enum err generic_words_new(const struct generic_pattern *patterns, size_t n, struct generic_words **out,
                                      size_t *bad);
void generic_words_free(struct generic_words *words);

/* The classes whose patterns take the whole word (a run of letters, either case): bits 1 << enum generic_class. */
unsigned generic_words_find(const struct generic_words *words, struct slice word);

/* ---- the judgement ---- */

/* Whatever adds points. The order is that of the sentences. */
enum generic_feature {
    GENERIC_SAYS_ADDRESS,
    GENERIC_SAYS_PAIR,
    GENERIC_SAYS_DYNAMIC,
    GENERIC_SAYS_LINE,
    GENERIC_SAYS_WEAK,
    GENERIC_SAYS_NUMBER,
    GENERIC_SAYS_SERVER,
    GENERIC_SAYS_SITE,
    GENERIC_FEATURES
};

struct generic_rules {
    const struct generic_words *words;
    int weight[GENERIC_FEATURES]; /* points; weak: for each word */
    int threshold;                /* selected from so many points on */
};

/* How a text spells the client's address. IPv4 and IPv6 have their own ways; the first of the family that holds is given. */
enum generic_spelling {
    GENERIC_SPELLS_NOTHING,
    GENERIC_SPELLS_HEX,        /* IPv4: eight hexadecimal digits, octets in order or reversed */
    GENERIC_SPELLS_ONE_NUMBER, /* the octets joined without padding, in order or reversed; or the address as one number */
    GENERIC_SPELLS_FOUR,       /* the four octets as numbers, in any order */
    GENERIC_SPELLS_THREE,      /* three of them, at least two above 9 */
    GENERIC_SPELLS_TWO,        /* the first or the last two, as neighbours */
    GENERIC_SPELLS_HALF,       /* IPv6: 16 nibbles, the upper or lower half, in order or reversed */
    GENERIC_SPELLS_GROUPS,     /* four consecutive groups, at most one of them zero */
    GENERIC_SPELLS_FORM,       /* some IPv6 address: six groups joined alike, or 32 nibbles */
};

struct generic_reason {
    enum generic_feature feature;
    enum generic_spelling spelling; /* of ADDRESS and PAIR */
    int points;
    unsigned n_words; /* WEAK has up to two, in alphabetical order, the other words' features one */
    struct slice words[2];
};

struct generic_verdict {
    int points;
    bool selected;
    unsigned n_reasons; /* those that add points, in the order of enum generic_feature */
    struct generic_reason reasons[GENERIC_FEATURES];
};

/* The name in either case, with or without a final dot. Owner: the reasons' words point into it. */
void generic_judge(const struct generic_rules *rules, const struct domain_list *list, struct slice name, const struct ip *ip,
                   struct generic_verdict *out);

/* How the name, below its base domain, spells the address; words and digits count for nothing here. */
enum generic_spelling generic_spells(const struct domain_list *list, struct slice name, const struct ip *ip);

/* The same of a text, whatever it is part of. Of an address that is not known (IP_NONE) only FORM can be told. */
enum generic_spelling generic_spelling(struct slice text, const struct ip *ip);

/* "+4 the name spells the four numbers of the address" */
void generic_put_reason(const struct generic_reason *reason, struct buf *out);
/* All of them with "; " between. */
void generic_put_reasons(const struct generic_verdict *verdict, struct buf *out);

#endif
