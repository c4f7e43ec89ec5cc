/* fuzz_config: any text as YAML (first byte even) or as zoo.cfg (odd). What must hold: a refusal
 * has a sentence that names the file; what is accepted can be printed, and the printed form is
 * accepted and means the same. */
#include "tools/taktd/config.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static struct config first, second;

/* The printed form keeps no secrets, and no text that is not ASCII is sure to be YAML. */
static bool fuzz_is_plain(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] >= 0x80 || data[i] == '\\')
            return false;
    return true;
}

/* Leaves the values only. */
static void fuzz_strip(struct config *config)
{
    memset(config->super_digest, 0, sizeof(config->super_digest));
    memset(config->file, 0, sizeof(config->file));
    memset(config->zoo_dynamic_file, 0, sizeof(config->zoo_dynamic_file));
    memset(config->ignored, 0, sizeof(config->ignored));
    memset(config->origins, 0, sizeof(config->origins));
    config->file_is_zoo = false;
}

/* Texts may differ behind their NUL, so the comparison is by the table. */
static void fuzz_same(void)
{
    char a[12288], b[12288];

    fuzz_strip(&first);
    fuzz_strip(&second);
    for (uint32_t i = 0; i < config_table_count; i++) {
        config_value_print(&first, &config_table[i], a, sizeof(a));
        config_value_print(&second, &config_table[i], b, sizeof(b));
        CHECK(strcmp(a, b) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = {.text = ""};
    char *printed = NULL;
    size_t printed_size = 0;

    if (size == 0 || size > 65536)
        return 0;
    bool zoo = data[0] & 1;
    const char *text = (const char *)data + 1;
    config_init(&first);
    int err = zoo ? config_zoo_load(&first, "f", text, size - 1, &fault)
                  : config_yaml_load(&first, "f", text, size - 1, &fault);
    CHECK(err == 0 || err == ERR_CONFIG);
    CHECK(err == 0 || strncmp(fault.text, "f:", 2) == 0);
    if (err || !fuzz_is_plain(data, size))
        return 0;
    FILE *to = open_memstream(&printed, &printed_size);
    if (!to)
        abort();
    config_print(&first, to);
    fclose(to);
    config_init(&second);
    if (config_yaml_load(&second, "p", printed, printed_size, &fault) != 0) {
        fprintf(stderr, "%s\n%s", printed, fault.text);
        CHECK(!"what is printed is a configuration");
    }
    fuzz_same();
    free(printed);
    return 0;
}
