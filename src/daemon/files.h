/* files.h - the configuration's files: reading and globbing for conf_load. Blocks; never on the loop's thread. */
#ifndef TARSIER_DAEMON_FILES_H
#define TARSIER_DAEMON_FILES_H

#include "conf/conf.h"

struct files;

/* Owner: files_close; texts that conf_load has copied stay. */
struct files *files_open(void);
void files_close(struct files *f);
struct conf_source files_source(struct files *f);

/* The file to read when none is named: /etc/tarsier/tarsier.conf, else the one that came with the installation. */
const char *files_default(void);

/* This machine's name for %V, from uname; never empty. Owner: the caller frees. */
char *files_hostname(void);

#endif
