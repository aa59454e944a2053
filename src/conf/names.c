/* names.c - tables of the words that are no settings. */
#include "conf/names.h"
#include "base/mem.h"
#include "conf/diag.h"
#include "conf/settings.h"
#include "conf/terms.h"

#include <string.h>

struct name {
    const char *word;
    unsigned places;
    const char *what; /* NULL: supported */
};

enum {
    STATEMENT = NAMES_STATEMENT,
    CLAUSE = NAMES_CLAUSE,
    OPTION = NAMES_OPTION,
    LIST = NAMES_LIST,
    CONDITION = NAMES_CONDITION,
    FILTER = NAMES_FILTER,
};

static const struct name names[] = {
    /* supported; the tests of ACL lines and conditions stand in terms.c */
    {"socket", STATEMENT, NULL},
    {"listen", STATEMENT, NULL},
    {"include", STATEMENT, NULL},
    {"filter", STATEMENT, NULL},
    {"s25r", STATEMENT, NULL},
    {"generic_rdns", STATEMENT, NULL},
    {"racl", STATEMENT, NULL},
    {"acl", STATEMENT, NULL},
    {"list", STATEMENT, NULL},
    {"addr", STATEMENT | LIST, NULL},
    {"domain", STATEMENT | LIST, NULL},
    {"from", STATEMENT | LIST, NULL},
    {"rcpt", STATEMENT | LIST, NULL},
    {"helo", LIST, NULL},
    {"not", CLAUSE | CONDITION, NULL},
    {"default", CLAUSE, NULL},
    {"delay", OPTION, NULL},
    {"autowhite", OPTION, NULL},
    {"tarpit_scope", OPTION, NULL},
    {"code", OPTION, NULL},
    {"ecode", OPTION, NULL},
    {"msg", OPTION, NULL},
    {"report", OPTION, NULL},
    {"nolog", OPTION, NULL},
    {"addheader", OPTION, NULL},
    {"condition", STATEMENT, NULL},
    {"dnsrbl", STATEMENT, NULL},
    {"network", STATEMENT, NULL},
    {"trust", STATEMENT, NULL},
    {"helo_confirmed", STATEMENT, NULL},
    {"builtin", FILTER, NULL},
    {"connect", FILTER, NULL},
    {"when", FILTER, NULL},
    {"provide", FILTER, NULL},
    {"sees", FILTER, NULL},
    /* first words of settings of two */
    {"holds", STATEMENT, NULL},
    {"sessions", STATEMENT, NULL},
    {"timeout", FILTER, NULL},
    {"progress", FILTER, NULL},
    {"breaker", FILTER, NULL},
    /* known, not supported */
    {"dacl", STATEMENT, "rules at the end of the message"},
    {"rawfrom", STATEMENT | CLAUSE | LIST, "the sender address as it came"},
    {"dnsrbl", LIST, "DNS lists"},
    {"dnswl", STATEMENT | CLAUSE | CONDITION, "DNS lists"},
    {"spf", STATEMENT | CLAUSE | CONDITION, "the SPF check"},
    {"dkim", STATEMENT | CLAUSE | CONDITION, "the DKIM check"},
    {"mx", CLAUSE, "the sender's MX records"},
    {"geoip", CLAUSE | LIST | CONDITION, "the client's country"},
    {"geoipdb", STATEMENT, "the client's country"},
    {"p0f", CLAUSE | LIST, "the client's operating system"},
    {"p0fsock", STATEMENT, "the client's operating system"},
    {"auth", CLAUSE | LIST, "a rule on the login"},
    {"tls", CLAUSE | LIST, "a rule on the client's certificate"},
    {"sm_macro", STATEMENT | CLAUSE | LIST, "rules on macros of the MTA"},
    {"header", LIST, "rules on the message"},
    {"body", LIST, "rules on the message"},
    {"rcptcount", CLAUSE, "counting recipients"},
    {"urlcheck", STATEMENT | CLAUSE | LIST, "asking a web server"},
    {"ldapcheck", STATEMENT | CLAUSE, "asking an LDAP server"},
    {"ldapconf", STATEMENT, "asking an LDAP server"},
    {"fixldapcheck", STATEMENT, "asking an LDAP server"},
    {"ratelimit", STATEMENT | CLAUSE | CONDITION, "rate limits"},
    {"nsupdate", STATEMENT | CLAUSE, "changing DNS records"},
    {"tsig", STATEMENT, "changing DNS records"},
    {"spamd", CLAUSE, "asking SpamAssassin"},
    {"spamdsock", STATEMENT, "asking SpamAssassin"},
    {"set", CLAUSE, "properties"},
    {"rset", CLAUSE, "properties"},
    {"log", STATEMENT | CLAUSE, "a rule that writes log lines"},
    {"flushaddr", OPTION, "forgetting a client"},
    {"addfooter", OPTION, "changing the message"},
    {"subjtag", OPTION, "changing the message"},
    {"maxpeek", OPTION, "rules on the message"},
    {"peer", STATEMENT, "keeping several servers in step"},
    {"syncaddr", STATEMENT, "keeping several servers in step"},
    {"syncsrcaddr", STATEMENT, "keeping several servers in step"},
    {"syncmaxqlen", STATEMENT, "keeping several servers in step"},
    {"stat", STATEMENT, "statistics written to a file"},
    {"drac", STATEMENT, "the DRAC database"},
    {"localaddr", STATEMENT, "our own address in format strings"},
    {"command", FILTER, "starting a milter"},
};

static const struct {
    const char *word;
    bool is_warning;
    const char *why;
} jobless[] = {
    {"dumpfreq", false, "every record is on the disk before its reply is sent"},
    {"dump_no_time_translation", false, "no dump is written"},
    {"nodetach", false, "the daemon always stays in the foreground"},
    {"nospf", false, "nobody is let in for an SPF pass alone"},
    {"nodrac", false, "there is no DRAC database"},
    {"noaccessdb", false, "the access database's macro lets nobody in"},
    {"multiracl", false, "every recipient is judged by itself in any case"},
    {"logexpired", false, "expired records are not logged"},
    {"maxpeek", false, "no rule looks into the message"},
    {"logfac", true, "log lines go to the facility `mail`"},
    {"unbracket", true, "a client's name counts only where the MTA has verified it"},
};

const char *names_unsupported(struct slice word, unsigned places)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if ((names[i].places & places) && names[i].what && slice_eq_nocase(word, slice_cstr(names[i].word)))
            return names[i].what;
    return NULL;
}

const char *names_instead(struct slice word, unsigned places)
{
    if (places & NAMES_FILTER && slice_eq_nocase(word, slice_cstr("command")))
        return "take it out, and let systemd start that milter: systemctl enable --now UNIT";
    return "take it out if you can do without it";
}

const char *names_jobless(struct slice word, bool *is_warning)
{
    for (size_t i = 0; i < COUNT_OF(jobless); i++)
        if (slice_eq_nocase(word, slice_cstr(jobless[i].word))) {
            *is_warning = jobless[i].is_warning;
            return jobless[i].why;
        }
    return NULL;
}

const char *names_meant(struct slice word)
{
    /* what they are called elsewhere: in greylist.conf, in milter-manager, in Postfix */
    static const struct {
        const char *word, *here;
    } others[] = {
        {"trust", "trusted"}, {"recipients", "every rcpt"},     {"recipient", "rcpt"},   {"sender", "from"},
        {"client", "addr"},   {"sm_macro", "macro \"{name}\""}, {"local", "not remote"}, {"subject", "header \"Subject\""},
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (slice_eq_nocase(word, slice_cstr(others[i].word)))
            return others[i].here;
    return NULL;
}

enum {
    TERMS_MAX = 64,
    CANDIDATES_MAX = COUNT_OF(names) + TERMS_MAX + COUNT_OF(jobless) + CONF_SETTINGS_MAX + CONF_FILTER_SETTINGS_MAX
};

/* The settings of one word; the first words of the others stand in the table above. */
static size_t put_settings(const struct settings_table *table, const char **out)
{
    size_t n = 0;
    for (size_t i = 0; i < table->count; i++)
        if (!strchr(table->rows[i].name, ' '))
            out[n++] = table->rows[i].name;
    return n;
}

static unsigned terms_places(unsigned places)
{
    return (places & CLAUSE ? TERMS_RACL : 0u) | (places & CONDITION ? TERMS_WHEN : 0u);
}

/* What is known too late for a racl line is no word to propose there. */
static size_t put_terms(unsigned places, const char **out)
{
    size_t n = 0;
    for (size_t i = 0; i < terms_count() && n < TERMS_MAX; i++) {
        const struct terms_row *row = terms_row(i);
        if ((row->places & terms_places(places)) && !((places & CLAUSE) && terms_is_late(row->kind)))
            out[n++] = row->word;
    }
    return n;
}

const char *names_suggest(struct slice word, unsigned places)
{
    const char *candidates[CANDIDATES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].places & places)
            candidates[n++] = names[i].word;
    n += put_terms(places, candidates + n);
    if (places & NAMES_STATEMENT) {
        n += put_settings(settings_global(), candidates + n);
        for (size_t i = 0; i < COUNT_OF(jobless); i++)
            candidates[n++] = jobless[i].word;
    }
    if (places & NAMES_FILTER)
        n += put_settings(settings_filter(), candidates + n);
    return diag_suggest(word, candidates, n);
}

bool names_is_word(struct slice word, unsigned places)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if ((names[i].places & places) && slice_eq_nocase(word, slice_cstr(names[i].word)))
            return true;
    return terms_find(word, terms_places(places)) != NULL;
}

bool names_is_filter_word(struct slice word)
{
    return names_is_word(word, NAMES_FILTER) ||
           settings_find(settings_filter(), word, SLICE_NONE) < settings_filter()->count;
}

bool names_is_statement(struct slice word)
{
    bool is_warning;
    return names_is_word(word, NAMES_STATEMENT) || names_jobless(word, &is_warning) ||
           settings_has_second(settings_global(), word) ||
           settings_find(settings_global(), word, SLICE_NONE) < settings_count() ||
           slice_eq_nocase(word, SLICE_LIT("tarpit"));
}
