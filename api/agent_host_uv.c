/* agent/host: the machine as libuv sees it, in the shape that Consul takes from gopsutil. Fields
 * that libuv does not know are left out. */
#include <uv.h>

#include "api/handlers.h"
#include "api/json.h"
#include "base/clock.h"

static void u64(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_u64(j, v);
}

static void str(struct json *j, const char *key, const char *v)
{
    json_key(j, key);
    json_cstr(j, v);
}

static void memory(struct json *j)
{
    uint64_t total = uv_get_total_memory();
    uint64_t available = uv_get_free_memory(); /* MemAvailable on Linux */
    json_key(j, "Memory");
    json_obj(j);
    u64(j, "total", total);
    u64(j, "available", available);
    u64(j, "used", total > available ? total - available : 0);
    json_obj_end(j);
}

static void processors(struct json *j)
{
    uv_cpu_info_t *cpus = NULL;
    int n = 0;
    json_key(j, "CPU");
    json_arr(j);
    if (uv_cpu_info(&cpus, &n) == 0) {
        for (int i = 0; i < n; i++) {
            json_obj(j);
            u64(j, "cpu", (uint64_t)i);
            str(j, "modelName", cpus[i].model);
            json_key(j, "mhz");
            json_i64(j, cpus[i].speed);
            json_obj_end(j);
        }
        uv_free_cpu_info(cpus, n);
    }
    json_arr_end(j);
}

static void host(struct json *j)
{
    char name[UV_MAXHOSTNAMESIZE] = "";
    size_t size = sizeof name;
    uv_utsname_t os = {.sysname = ""};
    double uptime = 0;
    /* What fails stays empty: the rest is still worth having. */
    (void)uv_os_gethostname(name, &size);
    (void)uv_os_uname(&os);
    (void)uv_uptime(&uptime);
    json_key(j, "Host");
    json_obj(j);
    str(j, "hostname", name);
    u64(j, "uptime", (uint64_t)uptime);
    str(j, "os", os.sysname);
    str(j, "kernelVersion", os.release);
    str(j, "kernelArch", os.machine);
    json_obj_end(j);
}

static void disk(struct json *j)
{
    uv_fs_t req;
    json_key(j, "Disk");
    json_obj(j);
    str(j, "path", "/");
    if (uv_fs_statfs(NULL, &req, "/", NULL) == 0) { /* no callback: at once, and memory is quick */
        const uv_statfs_t *fs = req.ptr;
        u64(j, "total", fs->f_blocks * fs->f_bsize);
        u64(j, "free", fs->f_bavail * fs->f_bsize);
        u64(j, "used", (fs->f_blocks - fs->f_bfree) * fs->f_bsize);
    }
    uv_fs_req_cleanup(&req);
    json_obj_end(j);
}

void agent_host(struct api_req *r)
{
    struct buf *b = api_buf(r);
    struct json j = json_to(b);
    json_obj(&j);
    memory(&j);
    processors(&j);
    host(&j);
    disk(&j);
    json_key(&j, "CollectionTime");
    json_i64(&j, clock_wall_ns());
    json_key(&j, "Errors");
    json_nil(&j);
    json_obj_end(&j);
    api_reply_json(r, buf_slice(b));
}
