/*
 * advice.h - how Postfix is to be told of our milter, and what in its configuration defeats a hold. Decisions over
 * postconf's values and ours; pure.
 */
#ifndef TARSIER_POSTFIX_ADVICE_H
#define TARSIER_POSTFIX_ADVICE_H

#include "base/buf.h"
#include "conf/conf.h"
#include "postfix/maincf.h"
#include "postfix/milters.h"

/* The parameters beside postfix_milters_wanted that are looked at, from `postconf -x`; NULL-terminated. */
extern const char *const postfix_advice_wanted[];

struct postfix_setup {
    const char *milter;  /* for smtpd_milters: "unix:tarsier/tarsier.sock", "inet:localhost:10025" */
    const char *address; /* the same in tarsier.conf's form, where we listen */
    bool chrooted;       /* smtpd reaches it from within the queue directory */
    bool is_asked;       /* every service that takes mail from outside asks it already */
    const char *blocked; /* why main.cf cannot do it; lines; NULL: it can */
    const char *foreign; /* services with lists of their own that do not ask us, which may be meant so; lines; NULL: none */
    struct maincf_change change;
};

/*
 * What has to be done. values: as postfix_milters_read wants them, and postfix_advice_wanted; main_cf: its text. Owner:
 * arena.
 */
void postfix_setup_decide(struct arena *arena, const struct conf *conf, const struct postfix_values *values,
                          struct slice main_cf, struct postfix_setup *out);

/*
 * What defeats a hold once `after` (postconf's values with the change) is in force, a paragraph each, appended to out.
 * sessions: Postfix's process limit at its port (mta.h); 0: not known. Returns how many.
 */
size_t postfix_advise(struct arena *arena, const struct conf *conf, const struct postfix_values *after,
                      const struct postfix_setup *setup, uint32_t sessions, struct buf *out);

/*
 * Where its smtpd can be spoken to from this host: "127.0.0.1" and "25", or what master.cf and inet_interfaces name. Owner:
 * arena.
 */
void postfix_door_address(struct arena *arena, const struct postfix_values *values, const char **host, const char **port);

/* Whether the kernel's list of AppArmor profiles has one in force for Postfix's smtpd. */
bool postfix_apparmor_confines(struct slice profiles);

#endif
