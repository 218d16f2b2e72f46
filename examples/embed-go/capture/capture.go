// Package capture reads captures of vprocctl: what a host found, as JSON. See
// fixtures/README.md.
package capture

import (
	"encoding/json"
	"errors"
	"fmt"

	"vproc.example/embed/policy"
)

// The newest format that this reads.
const format = 1

// ErrNotRecorded says that a capture lacks what an entry needs.
var ErrNotRecorded = errors.New("was not recorded")

// Capture is what a host found at a moment.
type Capture struct {
	Environment policy.Environment
	Now         uint64
	IsHost      bool
	// Records are what was found, without keys, by source:
	// `cgroup2:memory/memory.max@lineage`.
	Records map[string][]policy.Input
}

type document struct {
	Format      *int         `json:"vproc-capture"`
	Environment *environment `json:"environment"`
	Now         *uint64      `json:"now"`
	IsHost      *bool        `json:"is_host"`
	Records     []record     `json:"records"`
}

type environment struct {
	PageSize     *uint32 `json:"page_size"`
	UserHz       *uint32 `json:"user_hz"`
	HugePageSize *uint64 `json:"huge_page_size"`
	Machine      *string `json:"machine"`
	Settings     []struct {
		Knob  string `json:"knob"`
		Value string `json:"value"`
	} `json:"settings"`
}

type record struct {
	Source string    `json:"source"`
	Found  []reading `json:"found"`
}

type reading struct {
	Level  uint32        `json:"level"`
	Depth  uint32        `json:"depth"`
	Text   *string       `json:"text"`
	Base64 []byte        `json:"base64"`
	Tasks  *policy.Tasks `json:"tasks"`
	Errno  *uint32       `json:"errno"`
}

// Load reads a capture.
func Load(text []byte) (*Capture, error) {
	var header struct {
		Format *int `json:"vproc-capture"`
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, fmt.Errorf("not a capture: %w", err)
	}
	if header.Format == nil {
		return nil, errors.New("not a capture: it has no `vproc-capture`")
	}
	if *header.Format > format {
		return nil, fmt.Errorf("a capture of format %d, of which %d is known", *header.Format, format)
	}
	var read document
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, fmt.Errorf("not a capture: %w", err)
	}
	from := read.Environment
	if from == nil || read.Now == nil || read.IsHost == nil || from.PageSize == nil ||
		from.UserHz == nil || from.HugePageSize == nil || from.Machine == nil {
		return nil, errors.New("not a capture: a member is missing")
	}
	made := &Capture{
		Environment: policy.Environment{
			PageSize:     *from.PageSize,
			UserHz:       *from.UserHz,
			HugePageSize: *from.HugePageSize,
			Machine:      *from.Machine,
		},
		Now:     *read.Now,
		IsHost:  *read.IsHost,
		Records: make(map[string][]policy.Input, len(read.Records)),
	}
	for _, setting := range from.Settings {
		made.Environment.Settings =
			append(made.Environment.Settings, policy.Setting{Knob: setting.Knob, Value: setting.Value})
	}
	for _, record := range read.Records {
		if err := made.add(record); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// add adds a record. Of two of a source the first counts.
func (c *Capture) add(record record) error {
	if _, isKnown := c.Records[record.Source]; isKnown {
		return nil
	}
	found := make([]policy.Input, len(record.Found))
	for i, reading := range record.Found {
		content := reading.content()
		if content == nil {
			return fmt.Errorf(
				"not a capture: %s has neither `text` nor `base64`, `tasks` or `errno`", record.Source)
		}
		found[i] = policy.Input{Level: reading.Level, Depth: reading.Depth, Content: content}
	}
	c.Records[record.Source] = found
	return nil
}

func (r reading) content() policy.Content {
	switch {
	case r.Text != nil:
		return policy.Read(*r.Text)
	case r.Base64 != nil:
		return policy.Read(r.Base64)
	case r.Tasks != nil:
		return *r.Tasks
	case r.Errno != nil:
		return policy.Absent(*r.Errno)
	}
	return nil
}

// Snapshot is what a render of an entry gets to see: an input for each group, or
// other place, where a need was found.
func (c *Capture) Snapshot(entry *policy.Entry) (policy.Snapshot, error) {
	snapshot := policy.Snapshot{Environment: c.Environment, Now: c.Now, IsHost: c.IsHost}
	for _, need := range entry.Needs {
		found, isKnown := c.Records[need.Source.String()]
		if !isKnown {
			return snapshot, fmt.Errorf("it needs %s, which %w", need.Source, ErrNotRecorded)
		}
		for _, input := range found {
			input.Key = need.Key
			snapshot.Inputs = append(snapshot.Inputs, input)
		}
	}
	return snapshot, nil
}
