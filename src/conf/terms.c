/* terms.c - the table of the language's tests. A second row of a kind is another word for it. */
#include "conf/terms.h"
#include "base/mem.h"

static const struct terms_row rows[] = {
    {"addr", CONF_TERM_ITEMS, OPERAND_ITEM, CONF_ITEM_ADDR, STAGE_CONNECT, TERMS_ALL},
    {"domain", CONF_TERM_ITEMS, OPERAND_ITEM, CONF_ITEM_DOMAIN, STAGE_CONNECT, TERMS_ALL},
    {"helo", CONF_TERM_ITEMS, OPERAND_ITEM, CONF_ITEM_HELO, STAGE_HELO, TERMS_ALL},
    {"from", CONF_TERM_ITEMS, OPERAND_ITEM, CONF_ITEM_FROM, STAGE_MAIL, TERMS_ALL},
    {"rcpt", CONF_TERM_ITEMS, OPERAND_ITEM, CONF_ITEM_RCPT, STAGE_RCPT, TERMS_ALL},
    {"list", CONF_TERM_ITEMS, OPERAND_LIST, CONF_ITEM_MAX_, STAGE_RCPT, TERMS_ALL},
    {"tarpit", CONF_TERM_TARPIT, OPERAND_DURATION, CONF_ITEM_MAX_, STAGE_RCPT, TERMS_RACL},
    {"s25r", CONF_TERM_S25R, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL},
    {"generic_rdns", CONF_TERM_GENERIC_RDNS, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL},
    {"unknown_client", CONF_TERM_UNKNOWN_CLIENT, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL},
    {"helo_confirmed", CONF_TERM_HELO_CONFIRMED, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_MAIL, TERMS_ALL},
    {"remote", CONF_TERM_REMOTE, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL},
    {"authenticated", CONF_TERM_AUTHENTICATED, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_MAIL, TERMS_ALL},
    {"unauthenticated", CONF_TERM_UNAUTHENTICATED, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_MAIL, TERMS_ALL},
    {"stress", CONF_TERM_STRESS, OPERAND_SESSIONS, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL},
    {"trusted", CONF_TERM_TRUSTED, OPERAND_NONE, CONF_ITEM_MAX_, STAGE_MAIL, TERMS_ALL},
    {"dnsbl", CONF_TERM_DNSBL, OPERAND_DNSBL, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL},
    {"dnsrbl", CONF_TERM_DNSBL, OPERAND_DNSBL, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL}, /* greylist.conf's */
    {"time", CONF_TERM_TIME, OPERAND_TIME, CONF_ITEM_MAX_, STAGE_CONNECT, TERMS_ALL},
    {"macro", CONF_TERM_MACRO, OPERAND_MACRO, CONF_ITEM_MAX_, STAGE_RCPT, TERMS_ALL},
    {"every", CONF_TERM_EVERY, OPERAND_RECIPIENTS, CONF_ITEM_RCPT, STAGE_DATA, TERMS_ALL},
    {"header", CONF_TERM_HEADER, OPERAND_HEADER, CONF_ITEM_MAX_, STAGE_EOH, TERMS_ALL},
    {"body", CONF_TERM_BODY, OPERAND_REGEX, CONF_ITEM_MAX_, STAGE_EOM, TERMS_ALL},
    {"msgsize", CONF_TERM_MSGSIZE, OPERAND_SIZE, CONF_ITEM_MAX_, STAGE_EOM, TERMS_ALL},
    {"filter", CONF_TERM_FILTER, OPERAND_FILTER, CONF_ITEM_MAX_, STAGE_EOM, TERMS_ALL},
};

size_t terms_count(void)
{
    return COUNT_OF(rows);
}

const struct terms_row *terms_row(size_t i)
{
    return &rows[i];
}

const struct terms_row *terms_find(struct slice word, unsigned places)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if ((rows[i].places & places) && slice_eq_nocase(word, slice_cstr(rows[i].word)))
            return &rows[i];
    return NULL;
}

static const struct terms_row *row_of(enum conf_term_kind kind)
{
    size_t i = 0;
    while (i < COUNT_OF(rows) && rows[i].kind != kind)
        i++;
    return i < COUNT_OF(rows) ? &rows[i] : NULL;
}

enum terms_operand terms_operand(enum conf_term_kind kind)
{
    const struct terms_row *row = row_of(kind);
    return row ? row->operand : OPERAND_NONE;
}

bool terms_is_late(enum conf_term_kind kind)
{
    const struct terms_row *row = row_of(kind);
    return row && row->known > STAGE_RCPT;
}
