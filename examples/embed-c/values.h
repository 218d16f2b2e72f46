/* The contract's values as wasmtime's C API has them. Not for who embeds. */

#ifndef VALUES_H
#define VALUES_H

#include "policy.h"

#include <wasmtime.h>
#include <wasmtime/component.h>

/* Whether it is UTF-8. wasmtime ends the program over a string that is not. */
bool is_utf8(struct policy_text text);
bool environment_is_utf8(const struct policy_environment *environment);
bool snapshot_is_utf8(const struct policy_snapshot *snapshot);

/* Arguments of a call, for `wasmtime_component_val_delete`. */
wasmtime_component_val_t text_value(struct policy_text text);
wasmtime_component_val_t environment_value(const struct policy_environment *environment);
wasmtime_component_val_t snapshot_value(const struct policy_snapshot *snapshot);

/* What a call answered; false where it is not of the contract's shape. The
 * texts of a manifest are in `answer`, which has to live as long. */
bool read_manifest(const wasmtime_component_val_t *answer, struct policy_manifest *manifest);
bool read_rendered(const wasmtime_component_val_t *answer, struct policy_rendered *rendered);
bool read_refusal(const wasmtime_component_val_t *answer, struct policy_error *error);

#endif
