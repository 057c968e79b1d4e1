/* Who leads, and what an API without ACLs says about ACLs. */
#include "api/handlers.h"
#include "api/json.h"

void status_leader(struct api_req *r)
{
    char address[128] = "";
    bool known = false;
    uint64_t contact;
    r->server->leadership(r->server->arg, &known, address, &contact);
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    json_cstr(&j, known ? address : "");
    api_reply_json(r, buf_slice(b));
}

/* This server is the only voter, so it is the list of peers. */
void status_peers(struct api_req *r)
{
    struct buf *b = api_buf(r);
    struct buf *address = api_buf(r);
    bool v6 = define_address_family(slice_str(r->server->address)) == 6;
    buf_printf(address, "%s%s%s:%u", v6 ? "[" : "", r->server->address, v6 ? "]" : "",
               r->server->server_port);
    struct json j = json_to(b);
    json_arr(&j);
    json_str(&j, buf_slice(address));
    json_arr_end(&j);
    api_reply_json(r, buf_slice(b));
}

void acl_disabled(struct api_req *r)
{
    api_reply_error(r, 401, "ACL support disabled");
}
