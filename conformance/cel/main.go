// What does upstream make of CEL expressions on devices?
//
// Reads expressions, one a line, from standard input (empty lines and lines that begin with # are
// skipped) and writes one line each: the expression as a JSON string, a space, and one letter for
// each device of devices.json: t, f, e (run-time error), or a single c (compile error).
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	resourceapi "k8s.io/api/resource/v1"
	dracel "k8s.io/dynamic-resource-allocation/cel"
)

type device struct {
	Driver string             `json:"driver"`
	Device resourceapi.Device `json:"device"`
}

func main() {
	content, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var devices []device
	if err := json.Unmarshal(content, &devices); err != nil {
		panic(err)
	}
	compiler := dracel.GetCompiler(dracel.Features{EnableConsumableCapacity: true, EnableListTypeAttributes: true})
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		expression := lines.Text()
		if expression == "" || strings.HasPrefix(expression, "#") {
			continue
		}
		text, _ := json.Marshal(expression)
		result := compiler.CompileCELExpression(expression, dracel.Options{DisableCostEstimation: true})
		if result.Error != nil {
			fmt.Fprintf(out, "%s c\n", text)
			if len(os.Args) > 2 {
				fmt.Fprintf(os.Stderr, "%s: %s\n", expression, result.Error.Detail)
			}
			continue
		}
		var outcomes strings.Builder
		for _, d := range devices {
			matches, _, err := result.DeviceMatches(context.Background(), dracel.Device{
				Driver:                   d.Driver,
				AllowMultipleAllocations: d.Device.AllowMultipleAllocations,
				Attributes:               d.Device.Attributes,
				Capacity:                 d.Device.Capacity,
			})
			switch {
			case err != nil:
				outcomes.WriteByte('e')
				if len(os.Args) > 2 {
					fmt.Fprintf(os.Stderr, "%s: %s\n", expression, err)
				}
			case matches:
				outcomes.WriteByte('t')
			default:
				outcomes.WriteByte('f')
			}
		}
		fmt.Fprintf(out, "%s %s\n", text, outcomes.String())
	}
}
