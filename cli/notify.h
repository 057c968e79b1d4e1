/* Tells the service manager how far the agent is (systemd's sd_notify protocol). */
#ifndef CLI_NOTIFY_H_
#define CLI_NOTIFY_H_

/* Send @state ("READY=1") to $NOTIFY_SOCKET; does nothing when there is none. Consul also writes
 * there, so units of Type=notify keep working. */
void notify(const char *state);

#endif
