/* wire.h - cut a byte stream into milter packets. No sockets, no clock, no allocation. */
#ifndef TARSIER_MILTER_WIRE_H
#define TARSIER_MILTER_WIRE_H

#include "base/buf.h"

/* A body frame of Postfix is up to 65,536 bytes with its command byte; MDS_1M and the like are not asked for. */
enum { WIRE_PACKET_MAX_BYTES = 65536 };

enum wire_result { WIRE_OK, WIRE_MORE, WIRE_BAD };

struct wire_packet {
    uint8_t cmd;       /* SMFIC_* or SMFIR_*; not checked here */
    struct slice body; /* borrowed from the input */
};

/*
 * Take the next packet off the front of *in.
 *
 * Units:  max is in bytes and counts the command byte, as the wire does.
 * Errors: WIRE_MORE  *in holds only part of a packet; *in and *out are untouched.
 *         WIRE_BAD   length 0 or above max. The stream cannot be resynchronised; the caller closes it.
 * Owner:  out->body points into *in and dies with those bytes.
 */
MUST_CHECK enum wire_result wire_next(struct slice *in, uint32_t max, struct wire_packet *out);

/* Append one packet. */
void wire_put(struct buf *out, uint8_t cmd, struct slice body);

/* Append one packet whose body is put together in place: what is put between the two calls is the body. */
MUST_CHECK size_t wire_begin(struct buf *out, uint8_t cmd); /* returns the mark for wire_end */
void wire_end(struct buf *out, size_t mark);

/* Take a number off the front of *rest; false, with *rest untouched, when fewer than its four bytes are left. */
MUST_CHECK bool wire_take_u32(struct slice *rest, uint32_t *out);

/* Append s and a NUL. A NUL in s would shift every argument behind it, so it ends s. */
void wire_put_string(struct buf *out, struct slice s);

#endif
