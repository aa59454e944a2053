/*
 * control.h - the loop with real sockets and, in the engine's place, something that does what an MTA's connection says, a line
 * a command, and tells on the first such connection what has happened, a line an event. The loop runs in the test's thread; the
 * MTA and the child are played by a second one.
 *
 *     echo WORD               WORD
 *     open N PATH | tcp N PORT   N connected | N lost ERRNO      (N: slot + 100 * (serial - 1))
 *     send N TEXT | blob N BYTES
 *     drain N                 N drained
 *     pause N | resume N | close N
 *                             N bytes TEXT
 *     selfblob BYTES | selfdrain R    (to the connection that says it)    drained R
 *     write F R BYTES         R ok | R error ERRNO               (F: a spool file, filled by control_pattern)
 *     read F R OFFSET BYTES   R same BYTES | R differs BYTES | R error ERRNO
 *     free F
 *     dns R                   dns R found | dns R failed
 */
#ifndef TARSIER_TESTS_IO_CONTROL_H
#define TARSIER_TESTS_IO_CONTROL_H

#include "io/io.h"

#include <stdatomic.h>

enum { CONTROL_SPOOLS = 8 }; /* files: 1 to 8 */

struct control {
    struct io *io;
    struct io_hooks hooks; /* to be changed before control_start */
    char directory[64], socket_path[100];
    owner_id first;
    uint64_t written[CONTROL_SPOOLS + 1];
    bool stepping, failed;
    void *mine; /* of the test */
};

/* The second thread's part: a connection to the loop, the first one. */
typedef void control_script(struct control *c, int mta);

/* In a new directory, with the loop listening. */
void control_start(struct control *c, struct io_limits limits);
/* The loop, until the script has ended; then everything is freed and the directory removed. */
void control_run(struct control *c, control_script *script);

int control_dial(struct control *c);
bool control_say(int fd, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Commands, a line each. */
bool control_ask(int mta, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* These bytes next, and nothing else. */
bool control_hear(int fd, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Exactly so many bytes of a blob. */
bool control_hear_blob(int fd, size_t bytes);
bool control_hear_end(int fd);
/* Say and hear `echo` some times: whatever else was to happen would have happened. */
bool control_nothing_more(int mta);

char control_pattern(uint64_t spool, uint64_t offset);

#define EXPECT(c, cond)                                                                                                     \
    do {                                                                                                                    \
        if (!(cond)) {                                                                                                      \
            printf("# %s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                                                     \
            (c)->failed = true;                                                                                             \
        }                                                                                                                   \
    } while (0)

#endif
