// What does upstream make of CEL expressions on devices, and what do they cost?
//
// Reads expressions, one a line, from standard input (empty lines and lines that begin with # are
// skipped) and writes one line each, its parts between tabs:
//
//   - the expression as a JSON string;
//   - one letter for each device of devices.json: t, f, e (run-time error), l (cost limit reached);
//   - the estimated cost with the gates of list-typed attributes and consumable capacity on;
//   - the estimated cost with both off;
//   - the actual cost for each device, between commas; - where nothing was evaluated, the limit was
//     reached, or the cost depends on the order in which Go goes over a map.
//
// A single c stands for what does not compile.
//
// With -derived before the devices, the expressions are those of derived attributes. Each line holds
// the expression, whether it may be written with the gate of list-typed attributes on (w) and off (w,
// or c), and the attribute that it makes of each device as JSON, or e.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	resourceapi "k8s.io/api/resource/v1"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	dracel "k8s.io/dynamic-resource-allocation/cel"
)

type device struct {
	Driver string             `json:"driver"`
	Device resourceapi.Device `json:"device"`
}

// compile compiles an expression. cel-go panics over some (a literal map whose key is a list): whoever
// asks gets no program then, so it counts as one that does not compile.
func compile(expression string, features dracel.Features, options dracel.Options) (result dracel.CompilationResult) {
	defer func() {
		if panicked := recover(); panicked != nil {
			result.Error = &apiservercel.Error{Type: apiservercel.ErrorTypeInternal, Detail: fmt.Sprintf("panic: %v", panicked)}
		}
	}()
	return dracel.GetCompiler(features).CompileCELExpression(expression, options)
}

// estimate is what an expression is estimated to cost when it is written under these gates.
func estimate(expression string, features dracel.Features) string {
	written := environment.NewExpressions
	result := compile(expression, features, dracel.Options{EnvType: &written})
	if result.Error != nil {
		return "c"
	}
	return strconv.FormatUint(result.MaxCost, 10)
}

func actualCost(details *cel.EvalDetails) string {
	if actual := details.ActualCost(); actual != nil {
		return strconv.FormatUint(*actual, 10)
	}
	return "-"
}

// derive writes what attributes expressions make.
func derive(expressions []string, devices []device) {
	off, on := dracel.Features{}, dracel.Features{EnableConsumableCapacity: true, EnableListTypeAttributes: true}
	written := environment.NewExpressions
	may := func(expression string, features dracel.Features) string {
		result := compile(expression, features, dracel.Options{EnvType: &written, DerivedAttribute: true})
		if result.Error != nil {
			return "c"
		}
		return "w"
	}
	without := make([]string, len(expressions))
	for i, expression := range expressions {
		without[i] = may(expression, off)
	}
	for i, expression := range expressions {
		text, _ := json.Marshal(expression)
		result := compile(expression, on, dracel.Options{DerivedAttribute: true})
		if result.Error != nil {
			fmt.Printf("%s\tc\n", text)
			continue
		}
		fmt.Printf("%s\t%s\t%s", text, may(expression, on), without[i])
		for _, d := range devices {
			attribute, _, err := result.EvaluateDerivedAttribute(context.Background(), d.input())
			made, _ := json.Marshal(attribute)
			if err != nil {
				made = []byte("e")
			}
			fmt.Printf("\t%s", made)
		}
		fmt.Println()
	}
}

func (d device) input() dracel.Device {
	return dracel.Device{
		Driver:                   d.Driver,
		AllowMultipleAllocations: d.Device.AllowMultipleAllocations,
		Attributes:               d.Device.Attributes,
		Capacity:                 d.Device.Capacity,
	}
}

func main() {
	derived := len(os.Args) > 1 && os.Args[1] == "-derived"
	if derived {
		os.Args = os.Args[1:]
	}
	content, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var devices []device
	if err := json.Unmarshal(content, &devices); err != nil {
		panic(err)
	}
	on := dracel.Features{EnableConsumableCapacity: true, EnableListTypeAttributes: true}
	var expressions []string
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		expression := lines.Text()
		if expression != "" && !strings.HasPrefix(expression, "#") {
			expressions = append(expressions, expression)
		}
	}
	if derived {
		derive(expressions, devices)
		return
	}
	// Upstream keeps one compiler, for the gates asked for last.
	without := make([]string, len(expressions))
	for i, expression := range expressions {
		without[i] = estimate(expression, dracel.Features{})
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for i, expression := range expressions {
		text, _ := json.Marshal(expression)
		result := compile(expression, on, dracel.Options{DisableCostEstimation: true})
		if result.Error != nil {
			fmt.Fprintf(out, "%s\tc\n", text)
			if len(os.Args) > 2 {
				fmt.Fprintf(os.Stderr, "%s: %s\n", expression, result.Error.Detail)
			}
			continue
		}
		var outcomes strings.Builder
		var costs []string
		for _, d := range devices {
			input := d.input()
			matches, details, err := result.DeviceMatches(context.Background(), input)
			cost := actualCost(details)
			// Go goes over maps in any order. What costs much goes over none in this table.
			for again := 0; again < 40 && len(cost) < 5; again++ {
				if _, details, _ := result.DeviceMatches(context.Background(), input); actualCost(details) != cost {
					cost = "-"
					break
				}
			}
			switch {
			case err != nil && strings.Contains(err.Error(), "cost limit exceeded"):
				outcomes.WriteByte('l')
				cost = "-"
			case err != nil && strings.Contains(err.Error(), "internal error"):
				// cel-go panicked: what it had counted by then says nothing.
				outcomes.WriteByte('e')
				cost = "-"
			case err != nil:
				outcomes.WriteByte('e')
			case matches:
				outcomes.WriteByte('t')
			default:
				outcomes.WriteByte('f')
			}
			if err != nil && len(os.Args) > 2 {
				fmt.Fprintf(os.Stderr, "%s: %s\n", expression, err)
			}
			costs = append(costs, cost)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", text, outcomes.String(), estimate(expression, on), without[i], strings.Join(costs, ","))
	}
}
