package policy

import (
	"errors"
	"io/fs"
	"testing"
)

func TestAStarIsANumber(t *testing.T) {
	manifest := Manifest{Entries: []Entry{
		{Path: "/cpu*/core_id"}, {Path: "/*/task/*/stat"}, {Path: "/plain"},
	}}
	for path, entry := range map[string]string{
		"/cpu0/core_id":       "/cpu*/core_id",
		"/cpu4194304/core_id": "/cpu*/core_id",
		"/17/task/18/stat":    "/*/task/*/stat",
		"/plain":              "/plain",
	} {
		if found, err := manifest.Find(path); err != nil || found.Path != entry {
			t.Errorf("%s: %v, %v", path, found, err)
		}
	}
	for _, path := range []string{
		"", "/cpu/core_id", "/cpu00/core_id", "/cpu4194305/core_id", "/cpu1x/core_id",
		"/cpu99999999999999999999/core_id", "/cpu-1/core_id", "/17/task/stat", "/plain/",
	} {
		if found, err := manifest.Find(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, %v", path, found, err)
		}
	}
}

func TestAnErrorWrapsAnErrno(t *testing.T) {
	_, err := Load([]byte("nonsense"), DefaultLimits())
	var failure *Error
	if !errors.As(err, &failure) || failure.Code != "not-a-policy" {
		t.Errorf("%v", err)
	}
}
