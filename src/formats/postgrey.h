/*
 * postgrey.h - postgrey's database as `db_dump postgrey.db` or `db_dump -p postgrey.db` prints it. Line after line; opens no file.
 *
 *     VERSION=3
 *     format=print                              or bytevalue: all bytes in hexadecimal
 *     HEADER=END
 *      192.0.2.0/a@s.example/b@r.example        client or its network / sender / recipient, in small letters
 *      1795485418,1795489018,.7                 first and last visit; what the network's mask has cut off
 *     DATA=END
 *
 * Source: postgrey 1.13 to 1.37, smtpd_access_policy() and do_*_substitutions(); Berkeley DB's db_dump(1).
 */
#ifndef TARSIER_FORMATS_POSTGREY_H
#define TARSIER_FORMATS_POSTGREY_H

#include "base/arena.h"
#include "base/buf.h"
#include "formats/dump.h"

struct postgrey_reader {
    struct buf key; /* of the entry whose value comes next. Owner: buf_fini */
    bool in_data, is_hex, has_key, ended;
};

struct postgrey_entry {
    struct ip addr;
    struct slice sender, recipient;
    struct wall first, last;
};

/*
 * Take a line, without its newline. Errors: ERR_NOT_FOUND no entry is complete with it; ERR_SYNTAX, ERR_RANGE with *why a few words: go on
 * with the next line. Owner: *out lies in the arena.
 */
MUST_CHECK enum err postgrey_take_line(struct postgrey_reader *r, struct arena *arena, struct slice line,
                                       struct postgrey_entry *out, const char **why);

/*
 * The record that an entry stands for: AUTO where it has come back behind postgrey's delay. Where postgrey has replaced the sender's numbers
 * by '#' that is the pair of client and sender's domain. autowhite_sec: life of AUTO. Errors: ERR_NOT_FOUND its life is over at now;
 * ERR_UNSUPPORTED a replaced sender that has not come back.
 */
MUST_CHECK enum err postgrey_to_record(struct arena *arena, const struct postgrey_entry *entry,
                                       const struct dump_rules *rules, int64_t autowhite_sec, struct wall now,
                                       struct grey_record *record);

#endif
