/* Response headers become whole lines once, here, with names as Go writes them ("X-Extra"). */
#include "cli/http_access.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cli/config.h"
#include "cli/config_load.h"

/* A token (RFC 9110, 5.6.2). */
static bool name_is_valid(const char *name)
{
    for (const char *p = name; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && strchr("!#$%&'*+-.^_`|~", *p) == NULL) {
            return false;
        }
    }
    return name[0] != '\0';
}

/* No control characters: they could end the line. */
static bool value_is_valid(const char *value)
{
    for (const char *p = value; *p != '\0'; p++) {
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 127) {
            return false;
        }
    }
    return true;
}

/* These say where an answer ends: a wrong one would break it. */
static bool frames_answer(const char *name)
{
    static const char *const names[] = {"Connection", "Content-Encoding", "Content-Length",
                                        "Trailer", "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void add_line(struct buf *out, const char *name, const char *value)
{
    bool up = true;
    for (const char *p = name; *p != '\0'; p++) {
        buf_add_char(out, (char)(up ? toupper((unsigned char)*p) : slice_lower(*p)));
        up = *p == '-';
    }
    buf_printf(out, ": %s\r\n", value);
}

static int finish_headers(struct config *c, struct errmsg *e)
{
    const struct config_map *m = &c->http_response_headers;
    struct buf b = BUF_INIT;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->n; i++) {
        const char *name = m->items[i].key;
        if (!name_is_valid(name) || !value_is_valid(m->items[i].value)) {
            rc = err_set(e, E_INVAL, "http_config.response_headers: \"%.64s\" is no valid header",
                         name);
        } else if (frames_answer(name)) {
            rc = err_set(e, E_INVAL, "http_config.response_headers: %s cannot be set", name);
        } else if (strcasecmp(name, "Content-Type") != 0 && strcasecmp(name, "Date") != 0) {
            add_line(&b, name, m->items[i].value); /* those two are told by each answer itself */
        }
    }
    if (rc == 0 && !buf_ok(&b)) {
        rc = err_set(e, E_NOMEM, "http_config.response_headers: %s", err_text(E_NOMEM));
    }
    if (rc == 0 && b.len > 0) {
        buf_add_char(&b, '\0');
        c->http_access.headers = slice_str(config_strdup(c, b.p));
    }
    buf_fini(&b);
    return rc;
}

static int finish_writers(struct config *c, struct errmsg *e)
{
    const struct config_list *l = &c->http_allow_write_from;
    struct access_network *networks = config_alloc(c, (l->n + 1) * sizeof *networks);
    for (size_t i = 0; i < l->n; i++) {
        if (!access_network_parse(l->items[i], &networks[i])) {
            return err_set(e, E_INVAL,
                           "http_config.allow_write_http_from: \"%.64s\" is no network (write for "
                           "example \"10.0.0.0/8\")",
                           l->items[i]);
        }
    }
    c->http_access.writers = networks;
    c->http_access.n_writers = l->n;
    return 0;
}

int http_access_finish(struct config *c, struct errmsg *e)
{
    c->http_access = (struct api_access){
        .blocked = c->http_block_endpoints.items,
        .n_blocked = c->http_block_endpoints.n,
    };
    if (c->translate_wan_addrs) {
        /* With one datacenter nothing is to be translated; the header says that it would be. */
        c->http_access.route_headers = SLICE_LIT("X-Consul-Translate-Addresses: true\r\n");
    }
    int rc = finish_headers(c, e);
    return rc == 0 ? finish_writers(c, e) : rc;
}
