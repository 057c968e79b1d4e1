/* O_TMPFILE where the file system has it; else a named file that is unlinked at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "registry/snapshot.h"
#include "registry/state.h"

enum { PATH_SIZE = 4096 };

int reg_spool_open(const struct reg *r, int *fd, struct errmsg *e)
{
    *fd = open(r->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*fd >= 0) {
        return 0;
    }
    char path[PATH_SIZE];
    int n = snprintf(path, sizeof path, "%s/snapshot-XXXXXX", r->dir);
    if (n < 0 || n >= PATH_SIZE) {
        return err_set(e, E_TOOBIG, "path too long: \"%s\"", r->dir);
    }
    *fd = mkostemp(path, O_CLOEXEC);
    if (*fd < 0) {
        return err_set(e, err_from_errno(errno), "cannot create a file in \"%s\": %s", r->dir,
                       strerror(errno));
    }
    (void)unlink(path); /* what stays behind if this fails is an empty name, no data is lost */
    return 0;
}
