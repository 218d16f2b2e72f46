package policy

/*
#include <stdlib.h>
#include "policy.h"
*/
import "C"

import "unsafe"

// ------------------------------------------------------------------ into C

// arena holds the memory that is lent to C for a call: C may not be given what
// points to memory of Go.
type arena struct {
	pieces []unsafe.Pointer
}

func (a *arena) free() {
	for _, piece := range a.pieces {
		C.free(piece)
	}
}

func (a *arena) bytes(bytes []byte) C.struct_policy_text {
	piece := C.CBytes(bytes)
	a.pieces = append(a.pieces, piece)
	return C.struct_policy_text{data: (*C.char)(piece), size: C.size_t(len(bytes))}
}

func (a *arena) text(text string) C.struct_policy_text {
	return a.bytes([]byte(text))
}

func (a *arena) room(count int, size uintptr) unsafe.Pointer {
	piece := C.policy_allocate(C.size_t(count), C.size_t(size))
	a.pieces = append(a.pieces, piece)
	return piece
}

func (a *arena) environment(environment Environment) C.struct_policy_environment {
	count := len(environment.Settings)
	first := (*C.struct_policy_setting)(a.room(count, C.sizeof_struct_policy_setting))
	settings := unsafe.Slice(first, count)
	for i, setting := range environment.Settings {
		settings[i].knob = a.text(setting.Knob)
		settings[i].value = a.text(setting.Value)
	}
	return C.struct_policy_environment{
		page_size:      C.uint32_t(environment.PageSize),
		user_hz:        C.uint32_t(environment.UserHz),
		huge_page_size: C.uint64_t(environment.HugePageSize),
		machine:        a.text(environment.Machine),
		settings:       first,
		setting_count:  C.size_t(count),
	}
}

func (a *arena) snapshot(snapshot Snapshot) C.struct_policy_snapshot {
	count := len(snapshot.Inputs)
	first := (*C.struct_policy_input)(a.room(count, C.sizeof_struct_policy_input))
	inputs := unsafe.Slice(first, count)
	for i, input := range snapshot.Inputs {
		inputs[i] = a.input(input)
	}
	return C.struct_policy_snapshot{
		environment: a.environment(snapshot.Environment),
		now:         C.uint64_t(snapshot.Now),
		is_host:     C.bool(snapshot.IsHost),
		has_state:   C.bool(snapshot.State != nil),
		state:       a.bytes(snapshot.State),
		inputs:      first,
		input_count: C.size_t(count),
	}
}

func (a *arena) input(input Input) C.struct_policy_input {
	made := C.struct_policy_input{
		key:   a.text(input.Key),
		level: C.uint32_t(input.Level),
		depth: C.uint32_t(input.Depth),
	}
	switch content := input.Content.(type) {
	case Read:
		made.content = C.POLICY_READ
		made.bytes = a.bytes(content)
	case Tasks:
		made.content = C.POLICY_TASKS
		made.tasks = C.struct_policy_tasks{
			total:    C.uint32_t(content.Total),
			running:  C.uint32_t(content.Running),
			blocked:  C.uint32_t(content.Blocked),
			last_pid: C.uint32_t(content.LastPid),
		}
	case Absent:
		made.content = C.POLICY_ABSENT
		made.number = C.uint32_t(content)
	}
	return made
}

// -------------------------------------------------------------------- out of C

func text(text C.struct_policy_text) string {
	return string(copied(text))
}

func copied(bytes C.struct_policy_text) []byte {
	// Not C.GoBytes, which counts in a C.int; and never nil.
	copied := make([]byte, bytes.size)
	copy(copied, unsafe.Slice((*byte)(unsafe.Pointer(bytes.data)), int(bytes.size)))
	return copied
}

func manifest(declared *C.struct_policy_manifest) *Manifest {
	entries := unsafe.Slice(declared.entries, int(declared.entry_count))
	made := &Manifest{
		Name:    text(declared.name),
		Version: text(declared.version),
		Entries: make([]Entry, len(entries)),
	}
	for i := range entries {
		made.Entries[i] = entry(&entries[i])
	}
	return made
}

func entry(declared *C.struct_policy_entry) Entry {
	needs := unsafe.Slice(declared.needs, int(declared.need_count))
	made := Entry{
		Path:    text(declared.path),
		Kind:    text(declared.kind),
		Mode:    uint16(declared.mode),
		Class:   text(declared.treatment),
		Summary: text(declared.summary),
		Reason:  text(declared.reason),
		Needs:   make([]Need, len(needs)),
	}
	for i := range needs {
		made.Needs[i] = Need{text(needs[i].key), source(&needs[i].source)}
	}
	if declared.has_history {
		made.History = &History{text(declared.history_format), uint32(declared.interval_ms)}
	}
	return made
}

func source(declared *C.struct_policy_source) Source {
	return Source{
		Kind:       text(declared.kind),
		Name:       text(declared.name),
		Version:    text(declared.version),
		Controller: text(declared.controller),
		Scope:      text(declared.scope),
		Process:    text(declared.process),
	}
}
