/* Commands that the agent itself sends through the log, one after the other. */
#ifndef CLI_PROPOSE_H_
#define CLI_PROPOSE_H_

#include "base/err.h"
#include "registry/port.h"

/* Send @cmd, which stays the caller's, and wait until it is applied and visible to readers. Any
 * thread but one that serves the log itself. *@out, if not NULL, is the result; a command that was
 * refused is an error, @e says why. */
int propose_and_wait(struct reg_proposer *proposer,
                     struct buf *cmd,
                     struct reg_result *out,
                     struct errmsg *e);

#endif
