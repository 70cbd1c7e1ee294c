// Reads inputs as kubectl does, with the decoder that its resource builder uses.
//
// Takes lines of JSON with a field "in", and gives the same lines with what became of each input:
// "out" are the objects, and "refused" says whether reading ended in an error.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type line struct {
	In      string `json:"in"`
	Out     []any  `json:"out"`
	Refused bool   `json:"refused"`
}

func read(input string) (objects []any, refused bool) {
	objects = []any{}
	// The buffer size is the one of k8s.io/cli-runtime/pkg/resource.
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(input)), 4096)
	for {
		extension := runtime.RawExtension{}
		err := decoder.Decode(&extension)
		if err == io.EOF {
			return objects, false
		}
		if err != nil {
			return objects, true
		}
		raw := bytes.TrimSpace(extension.Raw)
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		var object any
		numbers := json.NewDecoder(bytes.NewReader(raw))
		numbers.UseNumber()
		if err := numbers.Decode(&object); err != nil {
			panic(err)
		}
		objects = append(objects, object)
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var asked line
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		asked.Out, asked.Refused = read(asked.In)
		if err := out.Encode(asked); err != nil {
			panic(err)
		}
	}
}
