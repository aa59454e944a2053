/*
 * mail.c - a message under edit. Even first byte: the bytes choose every number of a play (tests/unit/mail/play.h): headers,
 * recipients, filters, views and edits, against models of an MTA. Odd: they are what filters say, packet by packet, each
 * seeing the edits of the one before; a packet that is no edit ends a filter. What goes to the MTA must make the end of it.
 */
#include "../tests/unit/mail/play.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice rest; /* of the input */

static unsigned next_number(unsigned below)
{
    unsigned byte = rest.len > 0 ? (uint8_t)rest.ptr[0] : 0;
    rest = slice_from(rest, 1);
    return byte % below;
}

static unsigned zero(unsigned below)
{
    (void)below;
    return 0;
}

/* As a link to a child makes edits of packets. False: it is none. */
static bool take_edit(const struct milter_reply *r, struct mail_edits *edits)
{
    enum mail_edit_kind kind;
    switch (r->code) {
    case SMFIR_ADDHEADER:
    case SMFIR_INSHEADER:
    case SMFIR_CHGHEADER:
        kind = r->code == SMFIR_ADDHEADER   ? MAIL_ADD_HEADER
               : r->code == SMFIR_INSHEADER ? MAIL_INSERT_HEADER
                                            : MAIL_CHANGE_HEADER;
        return mail_edits_add(edits, kind, r->u.header.index, r->u.header.name, r->u.header.value) == ERR_NONE;
    case SMFIR_ADDRCPT:
    case SMFIR_ADDRCPT_PAR:
    case SMFIR_DELRCPT:
    case SMFIR_CHGFROM:
        kind = r->code == SMFIR_DELRCPT   ? MAIL_DELETE_RECIPIENT
               : r->code == SMFIR_CHGFROM ? MAIL_CHANGE_SENDER
                                          : MAIL_ADD_RECIPIENT;
        return mail_edits_add(edits, kind, 0, r->u.address.address, r->u.address.esmtp) == ERR_NONE;
    case SMFIR_QUARANTINE:
        return mail_edits_add(edits, MAIL_QUARANTINE, 0, r->u.reason, SLICE_NONE) == ERR_NONE;
    default:
        return false;
    }
}

static const char *play_packets(void)
{
    enum { PACKETS_MAX = MTA_HEADERS_MAX / 2 };
    struct play *p = play_begin(zero);
    p->leadspc = true;
    play_headers(p, 3);
    mail_end_headers(p->mail);
    struct mail_edits edits = {0};
    struct wire_packet packet;
    unsigned f = 0;
    for (unsigned n = 0; n < PACKETS_MAX && wire_next(&rest, WIRE_PACKET_MAX_BYTES, &packet) == WIRE_OK; n++) {
        struct milter_reply r;
        if (milter_parse_reply(&packet, &r) == ERR_NONE && take_edit(&r, &edits))
            continue;
        if (f == PLAY_FILTERS)
            break;
        mail_apply(p->mail, f, f, &edits);
        mail_edits_fini(&edits);
        f++;
    }
    mail_apply(p->mail, f, f, &edits);
    mail_edits_fini(&edits);

    struct buf packets = {0};
    mail_put_changes(p->mail, p->leadspc, &packets);
    const char *wrong = !mta_take_all(p->mta, buf_slice(&packets))  ? "a packet that is none"
                        : !play_same_headers(p, MAIL_FINAL, p->mta) ? "other headers"
                        : !play_same_sender(p, MAIL_FINAL, p->mta)  ? "another sender"
                                                                    : NULL;
    buf_fini(&packets);
    play_end(p);
    return wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *(*const plays[])(play_draw *) = {play_to_mta, play_in_a_row, play_own_words};
    if (size == 0)
        return 0;
    rest = slice_of(data + 1, size - 1);
    const char *wrong = data[0] % 2 ? play_packets() : plays[data[0] / 2 % COUNT_OF(plays)](next_number);
    if (wrong)
        PANIC(wrong);
    return 0;
}
