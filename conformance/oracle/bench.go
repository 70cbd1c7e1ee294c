// How long upstream takes.
package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/dynamic-resource-allocation/structured"
)

type Measure struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Ns      int64  `json:"ns"`
	Calls   int64  `json:"calls"`
}

// bench measures: construct the allocator for decoded objects and allocate, CEL compiled
// beforehand (the first call, not timed, sees to that).
func bench(s *Scenario) Measure {
	first := answer(s, 10*time.Second, 0)
	if first.Outcome == "time-out" {
		return Measure{Name: s.Name, Outcome: first.Outcome, Ns: int64(10 * time.Second), Calls: 1}
	}
	features, _ := s.features()
	state := s.allocated()
	ctx := context.Background()
	var calls int64
	var spent time.Duration
	for spent < 500*time.Millisecond {
		start := time.Now()
		allocator, err := structured.NewAllocator(ctx, features, state, s.Classes, s.Slices, cacheFor(features))
		if err == nil {
			allocator.Allocate(ctx, s.Node, s.Claims)
		}
		spent += time.Since(start)
		calls++
	}
	return Measure{Name: s.Name, Outcome: first.Outcome, Ns: int64(spent) / calls, Calls: calls}
}

type Filled struct {
	Name    string  `json:"name"`
	Nodes   int     `json:"nodes"`
	Placed  int     `json:"placed"`
	Seconds float64 `json:"seconds"`
}

// fill places the scenario's claim on copies of its node until none has room, first fit,
// remembering the first node with room. Kinder than the scheduler, which tries many nodes.
func fill(s *Scenario, count int) Filled {
	features, _ := s.features()
	var nodes []*corev1.Node
	var slices []*resourceapi.ResourceSlice
	for i := range count {
		name := fmt.Sprintf("node-%05d", i)
		node := s.Node.DeepCopy()
		node.Name = name
		nodes = append(nodes, node)
		for _, slice := range s.Slices {
			slice := slice.DeepCopy()
			slice.Name = name + "-" + slice.Name
			slice.Spec.NodeName = &name
			slice.Spec.Pool.Name = name
			slices = append(slices, slice)
		}
	}
	state := s.allocated()
	ctx := context.Background()
	placed := 0
	start := time.Now()
	for first := 0; first < count; {
		allocator, err := structured.NewAllocator(ctx, features, state, s.Classes, slices, cacheFor(features))
		if err != nil {
			panic(err)
		}
		results, err := allocator.Allocate(ctx, nodes[first], s.Claims)
		if err != nil {
			panic(err)
		}
		if results == nil {
			first++
			continue
		}
		placed++
		for _, result := range results {
			for _, device := range result.Devices.Results {
				state.AllocatedDevices.Insert(structured.MakeDeviceID(device.Driver, device.Pool, device.Device))
			}
		}
	}
	return Filled{Name: s.Name, Nodes: count, Placed: placed, Seconds: time.Since(start).Seconds()}
}
