// Upstream's allocator as a filter: one scenario a line in, one answer a line out, in order.
//
//	oracle [-timeout 10s] [-cap STEPS]   answers, with upstreamSteps
//	oracle bench                         nanoseconds of one call
//	oracle fill N                        fills N nodes like the scenario's with its claim
//
// The formats are those of `trainyard allocate`. Where upstream is cut short, by time or by steps,
// the outcome is "time-out".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"k8s.io/dynamic-resource-allocation/structured"
)

func main() {
	timeout := flag.Duration("timeout", 10*time.Second, "give up on a scenario after this long")
	limit := flag.Int64("cap", 2_000_000, "give up on a scenario after this many search steps; 0: never")
	flag.Parse()
	// The third allocator walks pools in random order: asked twice, it may answer differently.
	structured.EnableAllocators("incubating", "experimental")
	var err error
	switch flag.Arg(0) {
	case "":
		err = filter(func(scenario *Scenario) any { return answer(scenario, *timeout, *limit) }, runtime.NumCPU())
	case "bench":
		err = filter(func(scenario *Scenario) any { return bench(scenario) }, 1)
	case "fill":
		var nodes int
		if nodes, err = strconv.Atoi(flag.Arg(1)); err == nil {
			err = filter(func(scenario *Scenario) any { return fill(scenario, nodes) }, 1)
		}
	default:
		err = fmt.Errorf("unknown mode %q", flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(2)
	}
}

// filter answers every line that can be read, several at a time, in order.
func filter(ask func(*Scenario) any, workers int) error {
	pending := make(chan chan []byte, 4*workers)
	running := make(chan struct{}, workers)
	var failed error
	go func() {
		defer close(pending)
		lines := bufio.NewReaderSize(os.Stdin, 1<<20)
		for number := 1; ; number++ {
			line, err := lines.ReadBytes('\n')
			if len(line) > 0 {
				answered := make(chan []byte, 1)
				pending <- answered
				running <- struct{}{}
				go func() {
					defer func() { <-running }()
					answered <- reply(line, number, ask)
				}()
			}
			if err != nil {
				return
			}
		}
	}()
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for answered := range pending {
		text := <-answered
		if text == nil {
			failed = errors.New("some lines were not answered")
			continue
		}
		out.Write(text)
		out.WriteByte('\n')
		if len(pending) == 0 {
			out.Flush()
		}
	}
	return failed
}

func reply(line []byte, number int, ask func(*Scenario) any) []byte {
	var scenario Scenario
	if err := json.Unmarshal(line, &scenario); err != nil {
		fmt.Fprintf(os.Stderr, "oracle: line %d: %s\n", number, err)
		return nil
	}
	text, err := json.Marshal(ask(&scenario))
	if err != nil {
		fmt.Fprintf(os.Stderr, "oracle: line %d: %s\n", number, err)
		return nil
	}
	return text
}

// counting lets upstream's search, which asks for Err exactly once a step, take only so many.
type counting struct {
	context.Context
	left int64
}

var errSteps = errors.New("too many steps")

func (c *counting) Err() error {
	// Upstream asks again for the cause, so the last word must stay.
	if c.left == 1 {
		return errSteps
	}
	c.left--
	return c.Context.Err()
}
