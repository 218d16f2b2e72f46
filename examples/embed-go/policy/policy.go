// Package policy runs a policy of vproc, a component of the world
// `vproc:policy/policy`, within limits. The types are those of `wit/policy.wit`,
// which says what they mean.
//
// wasmtime-go knows no components. So this goes through wasmtime's C API, and
// shares what examples/embed-c makes of it.
package policy

/*
#cgo CFLAGS: -std=c11 -D_GNU_SOURCE -Wall -Wextra
#cgo LDFLAGS: -lwasmtime -pthread
#include <stdlib.h>
#include "policy.h"
*/
import "C"

import (
	"syscall"
	"unsafe"
)

// Policy is a policy that was compiled. It may be used by several goroutines at
// once.
type Policy struct {
	policy *C.struct_policy
}

// Error says why there is no text. It wraps the errno that a read of the file
// should fail with, so that errors.Is(err, fs.ErrNotExist) works.
type Error struct {
	// Code is one of the cases of `error` in the contract, such as
	// `missing-input`; or `not-a-policy`, `trapped`, `malformed-answer`,
	// `too-large`, `invalid-argument`.
	Code  string
	Errno syscall.Errno
	// About is the key or the knob that is meant, Line the line in it, and
	// Reason what is wrong with it.
	About  string
	Line   uint32
	Reason string

	message string
}

func (e *Error) Error() string { return e.message }

func (e *Error) Unwrap() error { return e.Errno }

// Limits is what a policy may use: a stranger's must not hang or bloat this
// program.
type Limits struct {
	// Milliseconds of one call, exact to some 10 ms.
	Milliseconds uint32
	// Memory is bytes of linear memory.
	Memory int
	// Output is bytes of a rendered file, State of what it keeps.
	Output, State int
	// Component is bytes of a component that is loaded.
	Component int
}

// DefaultLimits are those of vprocctl.
func DefaultLimits() Limits {
	limits := &C.policy_default_limits
	return Limits{
		Milliseconds: uint32(limits.milliseconds),
		Memory:       int(limits.memory),
		Output:       int(limits.output),
		State:        int(limits.state),
		Component:    int(limits.component),
	}
}

// Load compiles a component. Close the policy when it is no longer used.
func Load(component []byte, limits Limits) (*Policy, error) {
	var failure C.struct_policy_error
	within := C.struct_policy_limits{
		milliseconds: C.uint32_t(limits.Milliseconds),
		memory:       C.size_t(limits.Memory),
		output:       C.size_t(limits.Output),
		state:        C.size_t(limits.State),
		component:    C.size_t(limits.Component),
	}
	var first unsafe.Pointer
	if len(component) > 0 {
		first = unsafe.Pointer(&component[0])
	}
	loaded := C.policy_load(first, C.size_t(len(component)), &within, &failure)
	if loaded == nil {
		return nil, taken(&failure)
	}
	return &Policy{loaded}, nil
}

// Close frees what the policy holds. Nothing may use it any more.
func (p *Policy) Close() {
	C.policy_free(p.policy)
	p.policy = nil
}

// Declare asks what the policy serves, and from what.
func (p *Policy) Declare(environment Environment) (*Manifest, error) {
	var lent arena
	defer lent.free()
	var declared C.struct_policy_manifest
	var failure C.struct_policy_error
	given := lent.environment(environment)
	if !C.policy_declare(p.policy, &given, &declared, &failure) {
		return nil, taken(&failure)
	}
	defer C.policy_manifest_clear(&declared)
	return manifest(&declared), nil
}

// Render makes the text of a file.
func (p *Policy) Render(path string, snapshot Snapshot) (*Rendered, error) {
	var lent arena
	defer lent.free()
	var made C.struct_policy_rendered
	var failure C.struct_policy_error
	given := lent.snapshot(snapshot)
	if !C.policy_render(p.policy, lent.text(path), &given, &made, &failure) {
		return nil, taken(&failure)
	}
	defer C.policy_rendered_clear(&made)
	rendered := &Rendered{Body: copied(made.body), IsText: bool(made.is_text)}
	if made.has_state {
		rendered.State = copied(made.state)
	}
	return rendered, nil
}

// taken empties an error of the C side.
func taken(failure *C.struct_policy_error) error {
	defer C.policy_error_clear(failure)
	return &Error{
		Code:    C.GoString(failure.code),
		Errno:   syscall.Errno(failure.number),
		About:   text(failure.about),
		Line:    uint32(failure.line),
		Reason:  text(failure.reason),
		message: C.GoString(failure.message),
	}
}
