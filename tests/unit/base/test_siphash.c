/*
 * SipHash-2-4 of the bytes 0, 1, 2 … n-1 under the key 0 … 15, as its authors' vectors have it (and OpenSSL's SIPHASH): some of
 * them by name, all of them by a checksum over the table.
 */
#include "../test.h"
#include "base/siphash.h"

#include <string.h>

enum { LENGTHS = 64 };

static const struct {
    size_t len;
    const char *wide_hex, *hex;
} vectors[] = {
    {0, "a3817f04ba25a8e66df67214c7550293", "310e0edd47db6f72"},
    {1, "da87c1d86b99af44347659119b22fc45", "fd67dc93c539f874"},
    {7, "a1f1ebbed8dbc153c0b84aa61ff08239", "37d1018bf50002ab"},
    {8, "3b62a9ba6258f5610f83e264f31497b4", "6224939a79f5f593"},
    {15, "5493e99933b0a8117e08ec0f97cfc3d9", "e545be4961ca29a1"},
    {63, "5150d1772f50834a503e069a973fbd7c", "724506eb4c328a95"},
};

static struct siphash_key key_of_vectors(void)
{
    struct siphash_key key;
    for (unsigned i = 0; i < sizeof(key.bytes); i++)
        key.bytes[i] = (uint8_t)i;
    return key;
}

static const char *hex(const uint8_t *bytes, size_t n, char out[33])
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return out;
}

static void little_endian(uint64_t v, uint8_t out[8])
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static void gives_the_vectors(void)
{
    struct siphash_key key = key_of_vectors();
    uint8_t in[LENGTHS], narrow[8], wide[16];
    char text[33];
    for (unsigned i = 0; i < LENGTHS; i++)
        in[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        little_endian(siphash64(&key, slice_of(in, vectors[i].len)), narrow);
        CHECK_STR(hex(narrow, sizeof(narrow), text), vectors[i].hex);
        siphash128(&key, slice_of(in, vectors[i].len), wide);
        CHECK_STR(hex(wide, sizeof(wide), text), vectors[i].wide_hex);
    }
}

static uint64_t fnv1a(uint64_t sum, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    return sum;
}

static void gives_all_lengths(void)
{
    struct siphash_key key = key_of_vectors();
    uint64_t sum = 0xcbf29ce484222325u, sum_wide = sum;
    uint8_t in[LENGTHS], narrow[8], wide[16];
    for (unsigned n = 0; n < LENGTHS; n++) {
        in[n] = (uint8_t)n;
        little_endian(siphash64(&key, slice_of(in, n)), narrow);
        sum = fnv1a(sum, narrow, sizeof(narrow));
        siphash128(&key, slice_of(in, n), wide);
        sum_wide = fnv1a(sum_wide, wide, sizeof(wide));
    }
    CHECK(sum == 0xdf6e50c71553c78cu);
    CHECK(sum_wide == 0x7549d6b8cba97803u);
}

static void depends_on_key_and_place(void)
{
    struct siphash_key a = key_of_vectors(), b = a;
    b.bytes[15] ^= 1;
    CHECK(siphash64(&a, SLICE_LIT("x")) != siphash64(&b, SLICE_LIT("x")));
    CHECK(siphash64(&a, SLICE_NONE) == siphash64(&a, SLICE_LIT("")));
    /* the same bytes, wherever they lie */
    char room[32];
    for (size_t at = 0; at < 8; at++) {
        memcpy(room + at, "0123456789abcdef", 16);
        CHECK(siphash64(&a, slice_of(room + at, 16)) == siphash64(&a, SLICE_LIT("0123456789abcdef")));
    }
}

int main(void)
{
    TEST(gives_the_vectors);
    TEST(gives_all_lengths);
    TEST(depends_on_key_and_place);
    return TEST_END();
}
