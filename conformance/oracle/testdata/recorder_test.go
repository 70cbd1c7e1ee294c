// Takes the place of the allocator's test in a copy of upstream's module: runs upstream's shared test cases and writes each question
// down as a scenario, a line each, to the file that SCENARIOS names.
package experimental

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	v1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/dynamic-resource-allocation/structured/internal"
	"k8s.io/dynamic-resource-allocation/structured/internal/allocatortesting"
)

type object = map[string]any

type recorder struct {
	internal.Allocator
	to       *json.Encoder
	scenario object
}

func (r recorder) GetStats() internal.Stats {
	return r.Allocator.(internal.AllocatorExtended).GetStats()
}

func (r recorder) Allocate(ctx context.Context, node *v1.Node, claims []*resourceapi.ResourceClaim) ([]resourceapi.AllocationResult, error) {
	r.scenario["node"], r.scenario["claims"] = node, claims
	if err := r.to.Encode(r.scenario); err != nil {
		return nil, err
	}
	return r.Allocator.Allocate(ctx, node, claims)
}

func allocated(state AllocatedState) object {
	device := func(id DeviceID) object {
		return object{"driver": id.Driver.String(), "pool": id.Pool.String(), "device": id.Device.String()}
	}
	var devices, shared, capacity []object
	for id := range state.AllocatedDevices {
		devices = append(devices, device(id))
	}
	for id := range state.AllocatedSharedDeviceIDs {
		shared = append(shared, object{"driver": id.Driver.String(), "pool": id.Pool.String(), "device": id.Device.String(), "shareID": id.ShareID.String()})
	}
	for id, consumed := range state.AggregatedCapacity {
		entry := device(id)
		entry["capacity"] = consumed
		capacity = append(capacity, entry)
	}
	return object{"devices": devices, "shared": shared, "capacity": capacity}
}

func TestAllocator(t *testing.T) {
	file, err := os.Create(os.Getenv("SCENARIOS"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	to, count := json.NewEncoder(file), 0
	record := func(ctx context.Context, features Features, state AllocatedState, lister DeviceClassLister,
		slices []*resourceapi.ResourceSlice, cache *cel.Cache) (internal.Allocator, error) {
		allocator, err := NewAllocator(ctx, features, state, lister, slices, cache)
		if err != nil {
			return nil, err
		}
		classes, err := lister.List()
		if err != nil {
			return nil, err
		}
		count++
		return recorder{allocator, to, object{
			"name": fmt.Sprintf("upstream's case %d", count), "features": features.Set().UnsortedList(), "classes": classes, "slices": slices,
			"allocated": allocated(state),
		}}, nil
	}
	allocatortesting.TestAllocator(t, SupportedFeatures, record)
	allocatortesting.TestLexicographicalAllocator(t, SupportedFeatures, record)
}
