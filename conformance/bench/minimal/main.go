// minimal NODE KUBECONFIG <INVENTORY.json: the least that two DRA drivers can be on upstream's Go helper. It publishes the slices of
// `trainyard inventory TYPE -o json` for the node, in one process, and prepares a claim by one CDI file, written without fsync and
// remembered nowhere. What a driver must have beyond that (journal, checks, health, conflicts) it has not: it is the yardstick of
// conformance/bench/driver.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/dynamic-resource-allocation/kubeletplugin"
	"k8s.io/dynamic-resource-allocation/resourceslice"
)

const (
	plugins = "/var/lib/kubelet/plugins"
	cdi     = "/var/run/cdi"
)

func main() {
	if len(os.Args) != 3 {
		fail(errors.New("usage: minimal NODE KUBECONFIG <INVENTORY.json"))
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func run(node, kubeconfig string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var inventory struct {
		Items []resourceapi.ResourceSlice
	}
	if err := json.NewDecoder(os.Stdin).Decode(&inventory); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	for _, slice := range inventory.Items {
		if slice.Kind != "ResourceSlice" {
			continue
		}
		helper, err := start(ctx, client, node, slice.Spec)
		if err != nil {
			return err
		}
		defer helper.Stop()
	}
	<-ctx.Done()
	return nil
}

func start(ctx context.Context, client kubernetes.Interface, node string, spec resourceapi.ResourceSliceSpec) (*kubeletplugin.Helper, error) {
	data := filepath.Join(plugins, spec.Driver)
	if err := os.MkdirAll(data, 0o750); err != nil {
		return nil, err
	}
	helper, err := kubeletplugin.Start(ctx, driver(spec.Driver),
		kubeletplugin.DriverName(spec.Driver), kubeletplugin.NodeName(node), kubeletplugin.KubeClient(client),
		kubeletplugin.PluginDataDirectoryPath(data), kubeletplugin.HealthService(false))
	if err != nil {
		return nil, err
	}
	slices := []resourceslice.Slice{{Devices: spec.Devices}}
	return helper, helper.PublishResources(ctx, resourceslice.DriverResources{Pools: map[string]resourceslice.Pool{node: {Slices: slices}}})
}

// driver is the name of one.
type driver string

func (d driver) file(claim types.UID) string {
	return filepath.Join(cdi, fmt.Sprintf("%s-%s.json", d, claim))
}

func (d driver) PrepareResourceClaims(_ context.Context, claims []*resourceapi.ResourceClaim) (map[types.UID]kubeletplugin.PrepareResult, error) {
	results := map[types.UID]kubeletplugin.PrepareResult{}
	for _, claim := range claims {
		devices, err := d.prepare(claim)
		results[claim.UID] = kubeletplugin.PrepareResult{Devices: devices, Err: err}
	}
	return results, nil
}

func (d driver) prepare(claim *resourceapi.ResourceClaim) ([]kubeletplugin.Device, error) {
	type object = map[string]any
	kind := string(d) + "/device"
	var devices []kubeletplugin.Device
	var edits []object
	for index, result := range claim.Status.Allocation.Devices.Results {
		if result.Driver != string(d) {
			continue
		}
		name := fmt.Sprintf("%s-%d", claim.UID, index)
		node := object{"path": "/dev/" + result.Device, "hostPath": "/dev/null", "permissions": "rw"}
		edits = append(edits, object{"name": name, "containerEdits": object{"deviceNodes": []object{node}}})
		devices = append(devices, kubeletplugin.Device{Requests: []string{result.Request}, PoolName: result.Pool,
			DeviceName: result.Device, CDIDeviceIDs: []string{kind + "=" + name}})
	}
	content, err := json.Marshal(object{"cdiVersion": "0.6.0", "kind": kind, "devices": edits})
	if err != nil {
		return nil, err
	}
	// The container runtime may read the folder at any time.
	temporary := d.file(claim.UID) + ".tmp"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return nil, err
	}
	return devices, os.Rename(temporary, d.file(claim.UID))
}

func (d driver) UnprepareResourceClaims(_ context.Context, claims []kubeletplugin.NamespacedObject) (map[types.UID]error, error) {
	results := map[types.UID]error{}
	for _, claim := range claims {
		err := os.Remove(d.file(claim.UID))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		results[claim.UID] = err
	}
	return results, nil
}

func (driver) HandleError(_ context.Context, err error, message string) {
	fmt.Fprintln(os.Stderr, message+":", err)
}

func (driver) WatchHealthStatus(context.Context, chan<- kubeletplugin.DeviceHealthReport) error {
	return kubeletplugin.ErrHealthNotSupported
}
