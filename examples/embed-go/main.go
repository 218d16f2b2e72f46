// The command render prints the files that a container should see, from a
// capture:
//
//	render [-s KNOB=VALUE]… POLICY.wasm CAPTURE.json PATH…
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"vproc.example/embed/capture"
	"vproc.example/embed/policy"
)

func main() {
	var settings []policy.Setting
	flag.Func("s", "set a knob: `KNOB=VALUE`", func(argument string) error {
		knob, value, isSetting := strings.Cut(argument, "=")
		if !isSetting {
			return errors.New("it has no `=`")
		}
		settings = append(settings, policy.Setting{Knob: knob, Value: value})
		return nil
	})
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: render [-s KNOB=VALUE]... POLICY.wasm CAPTURE.json PATH...")
	}
	flag.Parse()
	if flag.NArg() < 3 {
		flag.Usage()
		os.Exit(2)
	}
	if !run(flag.Arg(0), flag.Arg(1), settings, flag.Args()[2:]) {
		os.Exit(1)
	}
}

// complain says in a line what is wrong.
func complain(of string, err error) bool {
	var file *fs.PathError
	if errors.As(err, &file) {
		err = file.Err // it names the file again
	}
	fmt.Fprintf(os.Stderr, "render: %s: %v\n", of, err)
	return false
}

func run(componentFile, captureFile string, settings []policy.Setting, paths []string) bool {
	json, err := os.ReadFile(captureFile)
	if err != nil {
		return complain(captureFile, err)
	}
	recorded, err := capture.Load(json)
	if err != nil {
		return complain(captureFile, err)
	}
	component, err := os.ReadFile(componentFile)
	if err != nil {
		return complain(componentFile, err)
	}
	renderer, err := policy.Load(component, policy.DefaultLimits())
	if err != nil {
		return complain(componentFile, err)
	}
	defer renderer.Close()
	// After those of the capture: the last setting of a knob counts.
	recorded.Environment.Settings = append(recorded.Environment.Settings, settings...)
	manifest, err := renderer.Declare(recorded.Environment)
	if err != nil {
		return complain("the policy", err)
	}
	ok, blank := true, ""
	for _, path := range paths {
		text, err := render(renderer, manifest, recorded, path)
		if err != nil {
			ok = complain(path, err)
			continue
		}
		if len(paths) > 1 { // as head(1) does
			fmt.Printf("%s==> %s <==\n", blank, path)
			blank = "\n"
		}
		os.Stdout.Write(text)
	}
	return ok
}

func render(renderer *policy.Policy, manifest *policy.Manifest, recorded *capture.Capture,
	path string) ([]byte, error) {
	entry, err := manifest.Find(path)
	if err != nil {
		return nil, err
	}
	snapshot, err := recorded.Snapshot(entry)
	if err != nil {
		return nil, err
	}
	// Who renders for a running container keeps State of a file that has a
	// history, and hands it in at the next render as snapshot.State.
	rendered, err := renderer.Render(path, snapshot)
	if err != nil {
		return nil, err
	}
	return rendered.Body, nil
}
