/* record.c - fuzz: any bytes as a stored record. What is accepted must come back from its own encoding. */
#include "base/mem.h"
#include "grey/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grey_record r, again;
    if (grey_record_decode(slice_of(data, size), &r) != ERR_NONE)
        return 0;
    size_t n = grey_record_size(&r);
    uint8_t *bytes = mem_alloc(n);
    grey_record_encode(&r, bytes);
    if (grey_record_decode(slice_of(bytes, n), &again) != ERR_NONE)
        abort();
    bool same = r.type == again.type && r.is_auto == again.is_auto && r.by_hold == again.by_hold &&
                r.first_seen.sec == again.first_seen.sec && r.expires.sec == again.expires.sec &&
                r.auto_since.sec == again.auto_since.sec && r.patient_until.sec == again.patient_until.sec &&
                r.served_since.sec == again.served_since.sec && r.served_until.sec == again.served_until.sec &&
                r.left_sec == again.left_sec && r.left_until.sec == again.left_until.sec && ip_eq(&r.addr, &again.addr) &&
                slice_eq(r.domain, again.domain) && slice_eq(r.sender, again.sender) &&
                slice_eq(r.recipient, again.recipient);
    if (!same)
        abort();
    free(bytes);
    return 0;
}
