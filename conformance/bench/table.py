"""Tables of what `run` measured."""

import json
import sys


def lines(name):
    with open(f"{sys.argv[1]}/{name}") as file:
        return [json.loads(line) for line in file]


def time(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns / 1e3:.3g} us"


print("| scenario | upstream | ours | ratio | ours, warm | ratio | loading |")
print("| --- | --- | --- | --- | --- | --- | --- |")
for theirs, ours in zip(lines("upstream"), lines("ours"), strict=True):
    assert theirs["name"] == ours["name"]
    late = theirs["outcome"] == "time-out"
    assert late or theirs["outcome"] == ours["outcome"], (theirs, ours)
    more = "> " if late else ""
    print(
        f"| {ours['name']} ({ours['outcome']}) | {more}{time(theirs['ns'])} | {time(ours['ns'])} "
        f"| {more}{theirs['ns'] / ours['ns']:.0f} | {time(ours['ns_warm'])} "
        f"| {more}{theirs['ns'] / ours['ns_warm']:.0f} | {time(ours['ns_load'])} |"
    )
print()
print("| nodes | placements | upstream | ours | ratio | ours, a placement |")
print("| --- | --- | --- | --- | --- | --- |")
upstream = {line["nodes"]: line for line in lines("upstream-fill")}
for ours in lines("ours-fill"):
    theirs = upstream.get(ours["nodes"])
    assert theirs is None or theirs["placed"] == ours["placed"], (theirs, ours)
    ratio = f"{theirs['seconds'] / ours['seconds']:.0f}" if theirs else ""
    each = ours["seconds"] * 1e9 / ours["placed"]
    print(
        f"| {ours['nodes']} | {ours['placed']} | {time(theirs['seconds'] * 1e9) if theirs else ''} "
        f"| {time(ours['seconds'] * 1e9)} "
        f"| {ratio} | {time(each)} |"
    )
