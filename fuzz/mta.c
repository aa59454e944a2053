/* mta.c - any two texts as Postfix's main.cf and master.cf; a NUL parts them. */
#include "postfix/mta.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice master = slice_of(data, size), main_cf = slice_cut(&master, '\0');
    if (mta_sessions(main_cf, master) > INT32_MAX)
        PANIC("a limit beyond every limit");
    return 0;
}
