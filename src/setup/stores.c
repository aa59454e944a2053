/* stores.c - which kind of store the `store` statement means. */
#include "setup/stores.h"

#include "base/mem.h"
#include "conf/settings.h"
#include "store/store.h"

#include <string.h>

static const struct store_kind *const kinds[] = {&store_lmdb, &store_memory};

const struct store_kind *stores_find(const char *place)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strncmp(place, kinds[i]->scheme, strlen(kinds[i]->scheme)) == 0)
            return kinds[i];
    return NULL;
}

const char *stores_state_directory(const struct conf_settings *set)
{
    const struct store_kind *kind = stores_find(set->store);
    if (kind && kind->is_directory)
        return set->store;
    const struct settings_table *table = settings_global();
    return table->rows[settings_find(table, SLICE_LIT("store"), SLICE_NONE)].default_text;
}

void stores_put_kinds(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        buf_printf(out, "%s\"%s%s\"", i ? " or " : "", kinds[i]->scheme, kinds[i]->is_directory ? "directory" : "");
}
