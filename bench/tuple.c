/* tuple.c - numbered tuples. */
#include "tuple.h"

#include <stdio.h>

static const uint32_t net = (198u << 24) | (18u << 16);

uint32_t tuple_client(uint64_t n, uint32_t clients)
{
    /* 0 and the last byte's ends are addresses like any other to a milter; the first ones are left to the MTA itself */
    return net + 256 + (uint32_t)(n % clients) % (TUPLE_CLIENTS_MAX - 256);
}

void tuple_sender(uint64_t n, char out[TUPLE_TEXT_MAX])
{
    snprintf(out, TUPLE_TEXT_MAX, "<s%llu@d%llu.example.org>", (unsigned long long)n, (unsigned long long)n % 1009);
}

void tuple_recipient(uint64_t n, unsigned which, char out[TUPLE_TEXT_MAX])
{
    if (which == 0)
        snprintf(out, TUPLE_TEXT_MAX, "<r%llu@example.net>", (unsigned long long)n % 101);
    else
        snprintf(out, TUPLE_TEXT_MAX, "<r%llu-%u@example.net>", (unsigned long long)n % 101, which);
}

void tuple_address(uint32_t client, char out[16])
{
    snprintf(out, 16, "%u.%u.%u.%u", client >> 24, client >> 16 & 255, client >> 8 & 255, client & 255);
}
