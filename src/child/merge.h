/*
 * merge.h - several filters, one MTA: what is asked of the MTA on behalf of all, what of it each one gets, and one verdict
 * out of many. Pure functions.
 */
#ifndef TARSIER_CHILD_MERGE_H
#define TARSIER_CHILD_MERGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "milter/command.h"

/* ---- negotiation ---- */

/* What one child wants, as it said when it last negotiated. */
struct child_requirements {
    bool known;                    /* false: it has never said; then it may want anything */
    struct milter_options options; /* symlists in memory of the holder's */
};

/*
 * The union: actions any wants, steps (NO… bits) that nobody wants to see, HDR_LEADSPC if offered and any child is there,
 * SKIP if offered, NR_HDR if offered (a verdict on a header can wait for EOH), RCPT_REJ if any asked; other NR_ and the MDS_
 * bits never. An unknown requirement is one for everything. At each stage the union of names: a child's list, or defaults[stage]
 * for a child that has none there (or is unknown). own: what we need ourselves (its actions, its NO… bits, its lists). The
 * result's lists are in arena; a stage that nobody names is NONE.
 */
struct milter_options merge_requirements(const struct milter_options *mta_offer, const struct milter_options *own,
                                         const struct child_requirements *required, size_t n,
                                         const char *const defaults[SMFIM_STAGES], struct arena *arena);

/*
 * Does what it chose ask for more of the MTA than was granted: a step that is not sent, an action, RCPT_REJ, LEADSPC? NULL:
 * no; else what, for the log.
 */
const char *merge_action_name(uint32_t actions); /* of the first of these SMFIF_* that changes a message, for the log */
const char *merge_wants_more(const struct milter_options *granted, const struct milter_options *chosen);

/* Blank-separated names, with or without braces ("i {rcpt_addr}"): is this macro among them? */
bool merge_names_have(struct slice names, struct slice name);
/* Of macro pairs (name NUL value NUL …) append those that are among names. */
void merge_filter_macros(struct slice pairs, struct slice names, struct buf *out);

/* ---- verdicts ---- */

/* From weak to strong (issue: discard > reject > tempfail > continue > accept). */
enum verdict { VERDICT_ACCEPT, VERDICT_CONTINUE, VERDICT_TEMPFAIL, VERDICT_REJECT, VERDICT_DISCARD };

/* How one filter stands to one question. */
enum child_standing {
    STANDING_NOT_ASKED, /* its condition says no, or it is done with this connection or message: it has no vote */
    STANDING_UNDECIDED, /* asked later, maybe: keeps the rest from ending with "accept" */
    STANDING_ANSWERED,  /* verdict */
    STANDING_FAILED,    /* its fallback counts */
};

struct child_vote {
    enum child_standing standing;
    enum verdict verdict;  /* ANSWERED */
    enum verdict fallback; /* FAILED */
};

struct merged {
    enum verdict verdict;
    /*
     * The first one in order whose verdict it is and whose text goes out; -1: nobody's (CONTINUE when one is undecided, else
     * ACCEPT).
     */
    int by;
};
/*
 * The strongest verdict of those who have a voice. accept + continue = continue; all that have a voice accept = accept,
 * unless somebody is undecided: then CONTINUE, by nobody. A fallback "accept" neither ends nor stops anything: it counts
 * only where no other voice is, and is ACCEPT there.
 */
struct merged merge_verdicts(const struct child_vote *votes, size_t n);

/* Of an answer. SKIP counts as CONTINUE; REPLYCODE by its status. */
enum verdict verdict_of_code(uint8_t code, int status);

#endif
