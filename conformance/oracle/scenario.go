// A scenario, and upstream's answer to it.
package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/dynamic-resource-allocation/structured"
)

type Scenario struct {
	Name      string                       `json:"name"`
	Features  []string                     `json:"features"`
	Node      *corev1.Node                 `json:"node"`
	Classes   Classes                      `json:"classes"`
	Slices    []*resourceapi.ResourceSlice `json:"slices"`
	Claims    []*resourceapi.ResourceClaim `json:"claims"`
	Allocated struct {
		Devices []struct {
			Device
		} `json:"devices"`
		Shared []struct {
			Device
			ShareID types.UID `json:"shareID"`
		} `json:"shared"`
		Capacity []struct {
			Device
			Capacity map[resourceapi.QualifiedName]resource.Quantity `json:"capacity"`
		} `json:"capacity"`
	} `json:"allocated"`
}

type Device struct {
	Driver string `json:"driver"`
	Pool   string `json:"pool"`
	Name   string `json:"device"`
}

func (d Device) id() structured.DeviceID {
	return structured.MakeDeviceID(d.Driver, d.Pool, d.Name)
}

// Classes is upstream's lister of classes.
type Classes []*resourceapi.DeviceClass

func (c Classes) List() ([]*resourceapi.DeviceClass, error) { return c, nil }

func (c Classes) Get(name string) (*resourceapi.DeviceClass, error) {
	for _, class := range c {
		if class.Name == name {
			return class, nil
		}
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Group: "resource.k8s.io", Resource: "deviceclasses"}, name)
}

func (s *Scenario) features() (features structured.Features, err error) {
	known := map[string]*bool{
		"DRAAdminAccess":        &features.AdminAccess,
		"DRAConsumableCapacity": &features.ConsumableCapacity,
		"DRADerivedAttributes":  &features.DerivedAttributes,
		"DRADeviceBindingConditions+DRAResourceClaimDeviceStatus": &features.DeviceBindingAndStatus,
		"DRADeviceCompatibilityGroups":                            &features.CompatibilityGroups,
		"DRADeviceTaints":                                         &features.DeviceTaints,
		"DRAFractionalCapacityRange":                              &features.FractionalCapacityRange,
		"DRAListTypeAttributes":                                   &features.ListTypeAttributes,
		"DRAOptionalNodeOperations":                               &features.OptionalNodeOperations,
		"DRAPartitionableDevices":                                 &features.PartitionableDevices,
		"DRAPrioritizedList":                                      &features.PrioritizedList,
	}
	for _, name := range s.Features {
		feature, ok := known[name]
		if !ok {
			return features, errors.New("unknown feature " + name)
		}
		*feature = true
	}
	return features, nil
}

func (s *Scenario) allocated() structured.AllocatedState {
	state := structured.AllocatedState{
		AllocatedDevices:         sets.New[structured.DeviceID](),
		AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](),
		AggregatedCapacity:       structured.NewConsumedCapacityCollection(),
	}
	for _, device := range s.Allocated.Devices {
		state.AllocatedDevices.Insert(device.id())
	}
	for _, share := range s.Allocated.Shared {
		state.AllocatedSharedDeviceIDs.Insert(structured.MakeSharedDeviceID(share.id(), &share.ShareID))
	}
	for _, used := range s.Allocated.Capacity {
		state.AggregatedCapacity.Insert(structured.NewDeviceConsumedCapacity(used.id(), used.Capacity))
	}
	return state
}

// Compilers are costly to make, and a cache that was made holds on to its own.
var caches = map[cel.Features]*cel.Cache{}

func init() {
	for _, capacity := range []bool{false, true} {
		for _, lists := range []bool{false, true} {
			features := cel.Features{EnableConsumableCapacity: capacity, EnableListTypeAttributes: lists}
			caches[features] = cel.NewCache(1000, features)
		}
	}
}

func cacheFor(features structured.Features) *cel.Cache {
	return caches[cel.Features{
		EnableConsumableCapacity: features.ConsumableCapacity,
		EnableListTypeAttributes: features.ListTypeAttributes,
	}]
}

type Answer struct {
	Name          string                         `json:"name"`
	Outcome       string                         `json:"outcome"`
	Results       []resourceapi.AllocationResult `json:"results,omitzero"`
	Error         string                         `json:"error,omitempty"`
	UpstreamSteps int64                          `json:"upstreamSteps"`
}

const nilShare = types.UID("00000000-0000-0000-0000-000000000000")

func answer(s *Scenario, timeout time.Duration, limit int64) (answer Answer) {
	answer.Name = s.Name
	defer func() {
		// Objects that no API server lets pass can be too much for upstream.
		if problem := recover(); problem != nil {
			answer = Answer{Name: s.Name, Outcome: "panic", Error: fmt.Sprint(problem)}
		}
	}()
	features, err := s.features()
	if err != nil {
		return Answer{Name: s.Name, Outcome: "invalid", Error: err.Error()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if limit > 0 {
		// One more than may be taken: the one that is refused.
		ctx = &counting{Context: ctx, left: limit + 1}
	}
	allocator, err := structured.NewAllocator(ctx, features, s.allocated(), s.Classes, s.Slices, cacheFor(features))
	if err == nil {
		answer.Results, err = allocator.Allocate(ctx, s.Node, s.Claims)
		answer.UpstreamSteps = steps(allocator)
		if limit > 0 {
			answer.UpstreamSteps = min(answer.UpstreamSteps, limit)
		}
	}
	switch {
	case err != nil && (errors.Is(err, errSteps) || errors.Is(err, context.DeadlineExceeded)):
		answer.Outcome = "time-out"
	case errors.Is(err, structured.ErrFailedAllocationOnNode):
		answer.Outcome = "node-error"
	case err != nil:
		answer.Outcome = "fatal"
	case answer.Results == nil:
		answer.Outcome = "refused"
	default:
		answer.Outcome = "allocated"
	}
	if err != nil {
		answer.Error, answer.Results = err.Error(), nil
	}
	for _, result := range answer.Results {
		for i := range result.Devices.Results {
			if share := &result.Devices.Results[i]; share.ShareID != nil {
				id := nilShare
				share.ShareID = &id
			}
		}
	}
	return answer
}

// steps reads upstream's statistics, whose type has no name outside of upstream.
func steps(allocator structured.Allocator) int64 {
	method := reflect.ValueOf(allocator).MethodByName("GetStats")
	return method.Call(nil)[0].FieldByName("NumAllocateOneInvocations").Int()
}
