/* reader.h - the thread that answers LOOK, and one slice of a listing between two batches of them. Its read transactions live at most 50 ms, so that old pages are never kept long. */
#ifndef TARSIER_STORE_READER_H
#define TARSIER_STORE_READER_H

#include "store/writer.h"

struct reader {
    struct queue *queue;
    const struct tables *tables;
    pthread_mutex_t *env_lock;
    const bool *keep_expired; /* the writer's; under the queue's lock */
    int *read_error;          /* the writer's, which closes the store; under the queue's lock */
    const struct store_config *config;
    uint64_t corrupt; /* under the queue's lock */
};

/* For pthread_create. Ends when queue->stop is set and the queue is empty. */
void *reader_main(void *reader);

#endif
