/*
 * names.h - the words of the language that are no settings: those in force, those that have no job here, and those that are
 * known but not supported yet. The last must never be taken for a typing error nor be passed over.
 */
#ifndef TARSIER_CONF_NAMES_H
#define TARSIER_CONF_NAMES_H

#include "base/slice.h"

enum names_place {
    NAMES_STATEMENT = 1u << 0, /* begins a statement */
    NAMES_CLAUSE = 1u << 1,    /* of an ACL line */
    NAMES_OPTION = 1u << 2,    /* of an ACL line */
    NAMES_LIST = 1u << 3,      /* type of a list */
    NAMES_CONDITION = 1u << 4, /* in an expression */
    NAMES_FILTER = 1u << 5,    /* in a filter's braces */
};

/* What a word is that is known in one of these places but not supported, e.g. "DNS lists"; NULL: not such a word. */
const char *names_unsupported(struct slice word, unsigned places);

/* What to do about a word that names_unsupported() knows. */
const char *names_instead(struct slice word, unsigned places);

/* What a word of another program's conditions is called here: `from` for sender; NULL: not such a word. */
const char *names_meant(struct slice word);

/* Whether the word has a meaning in one of these places, supported or not; settings are not looked at. */
bool names_is_word(struct slice word, unsigned places);

/* Whether the word stands in a filter's braces: settings too. */
bool names_is_filter_word(struct slice word);

/* Why a statement of greylist.conf has no job here; NULL: not such a statement. *is_warning: its absence can be felt. */
const char *names_jobless(struct slice word, bool *is_warning);

/* The nearest word of these places, settings included for NAMES_STATEMENT; NULL when none is near. */
const char *names_suggest(struct slice word, unsigned places);

/* Whether a statement may begin with this word. */
bool names_is_statement(struct slice word);

#endif
