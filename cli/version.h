/* Which Rollcall this is, and which Consul it speaks for. */
#ifndef CLI_VERSION_H_
#define CLI_VERSION_H_

#define ROLLCALL_VERSION "0.1.0"
#define CONSUL_VERSION "1.21.4" /* the API that clients are told they meet */

/* The build may name its commit and its date (RFC 3339); a plain `make` stays reproducible. */
#ifndef ROLLCALL_REVISION
#define ROLLCALL_REVISION "unknown"
#endif
#ifndef ROLLCALL_BUILD_DATE
#define ROLLCALL_BUILD_DATE "1970-01-01T00:00:00Z"
#endif

#endif
