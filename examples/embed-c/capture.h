/* Captures of vprocctl: what a host found, as JSON. See `fixtures/README.md`. */

#ifndef CAPTURE_H
#define CAPTURE_H

#include "policy.h"

struct capture;

/* Errors: `malformed-capture`, `capture-too-new`. */
struct capture *capture_load(const char *json, size_t size, struct policy_error *error);
void capture_free(struct capture *capture);

/* As it was recorded. Its texts live as long as the capture. */
const struct policy_environment *capture_environment(const struct capture *capture);

/* What a render of an entry gets to see. The snapshot refers to the capture, the
 * entry and the environment, and holds memory of its own. Error: `not-recorded`. */
bool capture_snapshot(const struct capture *capture, const struct policy_entry *entry,
                      const struct policy_environment *environment,
                      struct policy_snapshot *snapshot, struct policy_error *error);
void capture_snapshot_clear(struct policy_snapshot *snapshot);

#endif
