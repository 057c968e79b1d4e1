/* Joining and reloading. Whoever names this server's own address has joined it already; no other
 * server can be joined yet. */
#include "api/handlers.h"

/* "host", "host:port", "[v6]", "[v6]:port". The port is 0 when there is none. */
static struct slice split(struct slice s, unsigned long *port)
{
    const char *end = s.p + s.len;
    bool bracket = s.len > 0 && s.p[0] == '[';
    const char *stop = s.len == 0 ? NULL : memchr(s.p, bracket ? ']' : ':', s.len);
    *port = 0;
    if (stop == NULL || (!bracket && memchr(stop + 1, ':', (size_t)(end - stop - 1)) != NULL)) {
        return s; /* a name, or a bare IPv6 address */
    }
    const char *colon = bracket ? stop + 1 : stop;
    for (const char *p = colon + 1; colon < end && *colon == ':' && p < end; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        *port = digit > 9 || *port > 65535 ? 65536 : *port * 10 + digit;
    }
    return slice_of(s.p + (bracket ? 1 : 0), (size_t)(stop - s.p) - (bracket ? 1 : 0));
}

void agent_join(struct api_req *r)
{
    unsigned long port;
    struct slice wan = {NULL, 0};
    struct slice host = split(r->tail, &port);
    bool is_wan = api_param(r, "wan", &wan) && wan.len > 0;
    uint16_t own = is_wan ? r->server->serf_wan_port : r->server->serf_lan_port;
    if (r->tail.len == 0) {
        api_reply_error(r, 500,
                        "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n");
    } else if (slice_ieq(host, slice_str(r->server->address)) && (port == 0 || port == own)) {
        api_reply_empty(r);
    } else {
        api_reply_error(r, 500,
                        "1 error occurred:\n\t* Failed to join %.*s: joining other servers is not "
                        "supported yet\n\n",
                        (int)host.len, host.p);
    }
}

/* As the signal HUP; the answer does not wait for it. */
void agent_reload(struct api_req *r)
{
    r->server->reload(r->server->arg);
    api_reply_empty(r);
}
