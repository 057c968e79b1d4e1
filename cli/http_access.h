/* The rules of `http_config` in the form that the HTTP servers use. For config.c and its tests. */
#ifndef CLI_HTTP_ACCESS_H_
#define CLI_HTTP_ACCESS_H_

#include "base/err.h"

struct config;

/* Fill in c->http_access, in the configuration's memory. E_INVAL: @e names the key. */
int http_access_finish(struct config *c, struct errmsg *e);

#endif
