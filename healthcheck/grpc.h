/* gRPC's health protocol on the wire: two protobuf messages of one field each, their 5-byte frame,
 * and the names of its codes. Used inside this folder only. Pure.
 *
 *     message HealthCheckRequest  { string service = 1; }
 *     message HealthCheckResponse { ServingStatus status = 1; }
 *     frame: u8 compressed | u32 length, big endian | message */
#ifndef HEALTHCHECK_GRPC_H_
#define HEALTHCHECK_GRPC_H_

#include "base/buf.h"
#include "base/slice.h"

enum hc_serving { HC_SERVING_UNKNOWN, HC_SERVING, HC_NOT_SERVING, HC_SERVICE_UNKNOWN };

/* Append the framed request for @service (empty: the server as a whole). */
void hc_grpc_request(struct buf *b, struct slice service);

/* Read one framed response, all of @s. An absent field is HC_SERVING_UNKNOWN, as protobuf says;
 * unknown fields are skipped. Returns 0; E_PROTO; E_UNSUPPORTED: the message is compressed. */
int hc_grpc_response(struct slice s, int *status);

/* "SERVING", "NOT_SERVING", ...; NULL for a number that the protocol does not name. */
const char *hc_grpc_serving_text(int status);
/* "Unavailable", "NotFound", ... as Go's codes.Code prints; NULL beyond 16. */
const char *hc_grpc_code_text(int code);

#endif
