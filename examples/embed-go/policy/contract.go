package policy

import (
	"strconv"
	"strings"
	"syscall"
)

// Environment is what holds as long as the host runs, and what its operator has
// set.
type Environment struct {
	PageSize     uint32
	UserHz       uint32
	HugePageSize uint64
	Machine      string
	Settings     []Setting
}

// Setting is a knob and its value. The last one of a knob counts.
type Setting struct {
	Knob, Value string
}

// Source is where an input comes from. What does not apply is empty.
type Source struct {
	// Kind is `host`, `cgroup`, `process`, `namespaced`, `tasks`, `processes`.
	Kind string
	// Name is the absolute path, or the name of the file.
	Name string
	// Of a cgroup file.
	Version, Controller, Scope string
	// Process is whose file it is.
	Process string
}

// String is what a capture calls the source:
// `cgroup2:memory/memory.max@lineage`.
func (s Source) String() string {
	switch {
	case s.Kind == "cgroup":
		version := strings.TrimPrefix(s.Version, "v")
		return "cgroup" + version + ":" + s.Controller + "/" + s.Name + "@" + s.Scope
	case s.Kind == "process":
		return "process:" + s.Process + "/" + s.Name
	case s.Name == "":
		return s.Kind
	}
	return s.Kind + ":" + s.Name
}

// Need is an input that an entry asks for.
type Need struct {
	// Key is the policy's own name for it.
	Key    string
	Source Source
}

// History is said of a file whose text depends on earlier renders.
type History struct {
	Format     string
	IntervalMs uint32
}

// Entry is a file or directory that a policy serves, or several that differ in
// the number for which a `*` stands.
type Entry struct {
	Path    string
	Kind    string
	Mode    uint16
	Class   string
	Summary string
	Reason  string
	Needs   []Need
	// History is nil for most.
	History *History
}

// Manifest is what a policy serves.
type Manifest struct {
	Name, Version string
	Entries       []Entry
}

// Find gives the entry for a path: of the same name, or one in which a `*`
// stands for each number in the path. The error is that of a path which the policy
// does not serve.
func (m *Manifest) Find(path string) (*Entry, error) {
	var found *Entry
	for i := range m.Entries {
		entry := &m.Entries[i]
		if entry.Path == path {
			return entry, nil
		}
		if found == nil && standsFor(entry.Path, path) {
			found = entry
		}
	}
	if found == nil {
		return nil, &Error{
			Code:    "unsupported-path",
			Errno:   syscall.ENOENT,
			message: "the policy does not serve it",
		}
	}
	return found, nil
}

// PID_MAX_LIMIT of include/linux/threads.h.
const lastNumber = 4194304

func standsFor(pattern, path string) bool {
	literal, rest, isPattern := strings.Cut(pattern, "*")
	if !isPattern {
		return pattern == path
	}
	if !strings.HasPrefix(path, literal) {
		return false
	}
	path = path[len(literal):]
	digits := path[:len(path)-len(strings.TrimLeft(path, "0123456789"))]
	number, err := strconv.ParseUint(digits, 10, 32)
	hasLeadingZero := len(digits) > 1 && digits[0] == '0'
	return err == nil && number <= lastNumber && !hasLeadingZero &&
		standsFor(rest, path[len(digits):])
}

// Snapshot is what one render gets to see.
type Snapshot struct {
	Environment Environment
	// Now is CLOCK_BOOTTIME of the host in nanoseconds.
	Now    uint64
	IsHost bool
	// State is what the last render of this file left, or nil.
	State  []byte
	Inputs []Input
}

// Input is one thing that was read.
type Input struct {
	Key          string
	Level, Depth uint32
	Content      Content
}

// Content is what was found: Read, Tasks or Absent.
type Content interface {
	isContent()
}

// Read is what a file holds.
type Read []byte

// Tasks are counts over the container's tasks.
type Tasks struct {
	Total   uint32 `json:"total"`
	Running uint32 `json:"running"`
	Blocked uint32 `json:"blocked"`
	LastPid uint32 `json:"last_pid"`
}

// Absent is why nothing could be read.
type Absent syscall.Errno

func (Read) isContent()   {}
func (Tasks) isContent()  {}
func (Absent) isContent() {}

// Rendered is the text of a file.
type Rendered struct {
	Body []byte
	// IsText is whether the policy says that it is UTF-8.
	IsText bool
	// State is for the next render of a file that has a history; else nil.
	State []byte
}
