"""The table of what `driver` measured: driver_table.py FOLDER OURS THEIRS, where the two are names of nodes.
MB are those of /proc: 1024 kB, of 1024 bytes each."""

import os
import re
import sys

folder, *nodes = sys.argv[1:]


def text(name):
    with open(f"{folder}/{name}") as file:
        return file.read()


def memory(node, key):
    kib = re.search(key + r":\s+(\d+) kB", text(node + ".status"))[1]
    return f"{int(kib) / 1024:.1f} MB"


def histograms(name):
    """Sum and count of each histogram of the kubelet, by what it measures."""
    found = {}
    for metric, labels, value in re.findall(r"^dra_(\w+)\{(.*)\} (\S+)$", text(name), re.M):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if labels.get("is_error", "false") != "false" or labels.get("grpc_status_code", "OK") != "OK":
            continue
        if "method_name" in labels:
            what = f"{labels['method_name'].rsplit('/', 1)[-1]}, {labels['driver_name']}"
        else:
            what = f"{labels['operation_name']}, the kubelet's whole"
        found.setdefault(what, {})[metric.rsplit("_", 1)[-1]] = float(value)
    return found


def latencies(node):
    before, after = histograms(node + ".before"), histograms(node + ".after")
    means = {}
    for what, now in after.items():
        then = before.get(what, {"sum": 0, "count": 0})
        count = now["count"] - then["count"]
        if count:
            means[what] = f"{(now['sum'] - then['sum']) / count * 1000:.2f} ms ({count:.0f})"
    return means


sides = []
for node in nodes:
    sides.append(
        {
            "resident memory (VmRSS)": memory(node, "VmRSS"),
            "of that anonymous": memory(node, "RssAnon"),
            "its peak (VmHWM)": memory(node, "VmHWM"),
            "program, stripped": f"{os.path.getsize(f'{folder}/{node}.stripped') / 1024**2:.1f} MB",
            **dict(sorted(latencies(node).items())),
        }
    )
ours, theirs = sides
print("| | `trainyard-driver` | minimal driver on upstream's helper |")
print("| --- | --- | --- |")
for what in dict.fromkeys([*ours, *theirs]):
    print(f"| {what} | {ours.get(what, '')} | {theirs.get(what, '')} |")
