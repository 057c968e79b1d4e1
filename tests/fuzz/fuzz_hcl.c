/* HCL against arbitrary bytes: it ends, keeps to its bounds, and what it makes is JSON; looking for
 * a line reads the same bytes and more forms, so it runs too. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/hcl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct errmsg e = {""};
    json_t *root;
    int rc = hcl_parse(text, "f", &root, &e);
    if (rc == 0) {
        assert(json_is_object(root));
        char *out = json_dumps(root, JSON_COMPACT);
        assert(out != NULL);
        free(out);
        json_decref(root);
    } else {
        assert(root == NULL && e.text[0] != '\0');
    }
    (void)hcl_line_of(text, "services.port"); /* found or not */
    return 0;
}
