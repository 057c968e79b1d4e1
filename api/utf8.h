/* Bad UTF-8 made good, as Go does when it reads JSON. Pure. */
#ifndef API_UTF8_H_
#define API_UTF8_H_

#include "base/buf.h"

/* Append @s to @b with U+FFFD for each byte that begins no valid sequence. */
void utf8_mend(struct buf *b, struct slice s);

#endif
