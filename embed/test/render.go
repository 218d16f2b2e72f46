// Renders files from captures, for a test that compares them with vprocctl:
//
//	compare policy.wasm capture.json[,later.json…] /proc/meminfo …
//
// Prints, for each path, {"text": …}, or {"base64": …} for what is not text, or
// {"error": …}; and a single {"error": …} where the policy refuses the settings
// of the capture. Of several captures of one container, oldest first, the last is
// printed, with the history of the others. All paths are rendered at once.
package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"

	"vproc.example/embed/capture"
	"vproc.example/embed/policy"
)

type object map[string]any

func must[T any](value T, err error) T {
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	return value
}

func main() {
	renderer := must(policy.Load(must(os.ReadFile(os.Args[1])), policy.DefaultLimits()))
	defer renderer.Close()
	paths := os.Args[3:]
	// What the last render of a file with history left, to hand in at its next.
	states := make([][]byte, len(paths))
	var answer object
	for _, file := range strings.Split(os.Args[2], ",") {
		answer = render(renderer, must(capture.Load(must(os.ReadFile(file)))), paths, states)
	}
	os.Stdout.Write(must(json.Marshal(answer)))
}

func render(renderer *policy.Policy, recorded *capture.Capture, paths []string,
	states [][]byte) object {
	manifest, err := renderer.Declare(recorded.Environment)
	if err != nil {
		return failed(err)
	}
	answers := make([]object, len(paths))
	var all sync.WaitGroup
	for i := range paths {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			entry, err := manifest.Find(paths[i])
			if err != nil {
				answers[i] = failed(err)
				return
			}
			snapshot := must(recorded.Snapshot(entry))
			snapshot.State = states[i]
			rendered, err := renderer.Render(paths[i], snapshot)
			if err != nil {
				answers[i] = failed(err)
				return
			}
			states[i] = rendered.State
			answers[i] = shown(rendered)
		}(i)
	}
	all.Wait()
	answer := object{}
	for i, path := range paths {
		answer[path] = answers[i]
	}
	return answer
}

func shown(rendered *policy.Rendered) object {
	answer := object{"base64": rendered.Body}
	if rendered.IsText {
		answer = object{"text": string(rendered.Body)}
	}
	if rendered.State != nil {
		answer["state"] = rendered.State
	}
	return answer
}

func failed(err error) object {
	var refused *policy.Error
	if !errors.As(err, &refused) {
		must(0, err)
	}
	answer := object{"tag": refused.Code}
	switch refused.Code {
	case "missing-input":
		answer["val"] = refused.About
	case "malformed-input":
		answer["val"] = object{"key": refused.About, "line": refused.Line, "reason": refused.Reason}
	case "rejected-setting":
		answer["val"] = object{"knob": refused.About, "reason": refused.Reason}
	}
	return object{"error": answer}
}
