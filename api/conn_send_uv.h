/* For api/ only: how answers leave a connection. */
#ifndef API_CONN_SEND_UV_H_
#define API_CONN_SEND_UV_H_

#include "api/conn_uv.h"

/* Append @answer (borrowed), dressed for this connection, to the loop's buffer. A long body is sent
 * at once, by reference; the connection may be closed by that. */
void conn_emit(struct conn *c, struct answer *answer);
/* Send what the loop's buffer holds: at once what the socket takes, later the rest, which then
 * counts in c->n_writes. The buffer is empty afterwards; the connection may be closed. */
void conn_send(struct conn *c);
/* By conn_uv.c: nothing is outstanding any more. */
void conn_sent(struct conn *c);

#endif
