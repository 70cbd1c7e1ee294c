"""The objects that the API server is asked about: valid ones of every kind and version, changed in one
place or a few. Every limit just held and just missed, every field removed, emptied, doubled and wrong.

A case is [gates, standing, base, changes]: change [PATH, VALUE] sets, [PATH] removes. In values,
{"$text": [WHAT, N]} is a text repeated, {"$list": [N, ENTRY]} a list and {"$map": [N, KEY, ENTRY]} a map
with "#" in each entry's texts replaced by its number. `expand` makes the object."""
import copy
import json
import random

from expressions import EVERYWHERE, EVERYWHERE_DERIVED


def text(what, times):
    return {"$text": [what, times]}


def many(count, entry):
    return {"$list": [count, entry]}


def named(count, key, entry):
    return {"$map": [count, key, entry]}


def fill(value, number=None):
    """Writes out a value; "#" is `number`."""
    if isinstance(value, str):
        return value if number is None else value.replace("#", str(number))
    if isinstance(value, list):
        return [fill(entry, number) for entry in value]
    if not isinstance(value, dict):
        return value
    if "$text" in value:
        what, times = value["$text"]
        return fill(what, number) * times
    if "$list" in value:
        count, entry = value["$list"]
        return [fill(entry, i) for i in range(count)]
    if "$map" in value:
        count, key, entry = value["$map"]
        return {fill(key, i): fill(entry, i) for i in range(count)}
    return {key: fill(entry, number) for key, entry in value.items()}


def expand(base, changes):
    base = copy.deepcopy(base)
    for path, *value in changes:
        at = base
        for step in path[:-1]:
            if isinstance(at, dict) and isinstance(step, str):
                at = at.setdefault(step, {})
            elif isinstance(at, list):
                at = at[step]
            else:
                raise LookupError(path)
            if not isinstance(at, (dict, list)):
                raise LookupError(path)
        last = path[-1]
        if isinstance(at, dict) != isinstance(last, str):
            raise LookupError(path)
        if not value:
            del at[last]
        elif isinstance(at, list) and last == len(at):
            at.append(fill(value[0]))
        else:
            at[last] = fill(value[0])
    return base


LABELS = ["", "a", "A", "a.b", "-a", "a-", text("a", 63), text("a", 64), "a_b", "ü", text("A", 64)]
SUBDOMAINS = ["a", "", "A", "a.b", "a..b", "a.B", text("a", 253), text("a", 254), "a_b", "a/b", ".", "a.-b", "a b"]
DRIVERS = ["", "a", "A.b", text("a", 63), text("a", 64), text("A", 64), "a..b", "a/b", "ü", "\u212a", "\u017f", text("é", 40), text("é", 64), "a_b", text("a", 254)]
QUALIFIED = ["a", "_a", "1a", text("a", 32), text("a", 33), text("1", 33), "", "/", "a/", "/a", "d.e/a", "D.e/a", "d_e/a", "d.e/1", "a/b/c", "A/!/c", "ü/a", "a-b"]
LONG_QUALIFIED = ["".join(["a" * 63, "/x"]), "a" * 64 + "/x", "A" * 64 + "/x", "d.e/" + "x" * 32, "d.e/" + "x" * 33, "a" * 254 + "/x", "a" * 63 + "/" + "x" * 33]
LABEL_KEYS = ["a", "", "a/b", "A/b", "/a", "a/", "/", "a/b/c", text("a", 63), text("a", 64), "-a", "a" * 253 + "/b", "a" * 254 + "/b", "a b", "A.b_c-D", "ü", "a/" + "b" * 64]
LABEL_VALUES = ["a", "", "-a", "a-", text("a", 63), text("a", 64), "a b", "A.b_c", "ü", text("!", 64)]
QUANTITIES = ["0", "1", "-1", "1.5", "1e3", "1E3", "5m", "1n", "0.1n", "1Ki", "1.5Gi", "16Ei", "9E", "1e40", "+4", "007", ".5", "5.", "12e", "1e-3", "1KI", "1 Gi", "a", "1.2.3", "", 4, 1.5, 1e3, True, " 4 ", "4 ", "-0", "1e", "1ee3", "--1", "1k", "1K", "1u", "999999999999999999999", "0x10", "1_000", "Infinity", "NaN"]
CONDITION = {"type": "Ready", "status": "True", "reason": "Good", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
VERSIONS = ["1.2.3", "v1.2.3", "1.2", "01.2.3", "1.2.3-rc.1", "1.2.3-01", "1.2.3+b.01", "1.2.3-", "1.2.3+", "", "1.2.3-a..b", "1.2.3 ", "1.2.3-" + "a" * 58, "1.2.3-" + "a" * 59, "1.2." + "3" * 61, text("a", 65)]
POOLS = ["a", "", "a/b", "a//b", "/a", "a/", "A", "a.b/c", text("a", 253), text("a", 254), "a" * 126 + "/" + "b" * 126, "a" * 127 + "/" + "b" * 126, "a/B/c!", text("A", 254), "ü"]


class Kinds:
    """The cases of one version."""

    def __init__(self, version):
        self.version = version
        self.flat = version == "v1beta1"
        self.bases = {}
        self.cases = []
        self.gates = "default"
        self.standing = "new"

    # What v1beta1 writes in another place.

    def request(self, name, **content):
        """A request for exactly something."""
        return {"name": name, **(content if self.flat else {"exactly": content})}

    def device(self, name, **content):
        return {"name": name, **({"basic": content} if self.flat else content)}

    def in_request(self, *path):
        return path if self.flat else ("exactly",) + path

    def in_device(self, *path):
        return ("basic",) + path if self.flat else path

    def base(self, name, kind, spec, **more):
        meta = {"name": "x"}
        if kind.startswith("ResourceClaim"):
            meta["namespace"] = "default"
        self.name = f"{name}/{self.version}"
        self.bases[self.name] = {"apiVersion": f"resource.k8s.io/{self.version}", "kind": kind, "metadata": meta, "spec": spec, **more}
        self.case()

    def case(self, *changes):
        self.cases.append([self.gates, self.standing, self.name, [list(change) for change in changes]])

    def each(self, path, values):
        for value in values:
            self.case([path, value])

    def sweep(self, root):
        """Every field below `root` removed, null, emptied, doubled and wrong."""
        def walk(path, value):
            if path != root:
                self.case([path])
                self.case([path, None])
            if isinstance(value, dict):
                self.each(path, [{}, [], "a"])
                for key, entry in value.items():
                    walk(path + [key], entry)
            elif isinstance(value, list):
                self.each(path, [[], {}, "a"])
                if value:
                    self.case([path + [len(value)], value[0]])
                for index, entry in enumerate(value):
                    walk(path + [index], entry)
            elif isinstance(value, bool):
                self.each(path, [not value, "true", 1])
            elif isinstance(value, str):
                self.each(path, ["", "!", "A", "a/b", 1])
            else:
                self.each(path, [0, -1, 2**63 - 1, 2**63, 1.0, 1.5, "1"])
        at = self.bases[self.name]
        for step in root:
            at = at[step]
        walk(list(root), at)

    # The kinds.

    def metadata(self):
        meta = ["metadata"]
        self.each(meta + ["name"], SUBDOMAINS)
        for name in ["a", "a-", "A-", "-", "a.", "a.-", text("a", 58), text("a", 59), text("a", 253), text("a", 254), "A", "a/", "b" * 58 + "/", "b" * 58 + "%x", "ü-", "a" * 57 + "ü"]:
            self.case([meta + ["name"]], [meta + ["generateName"], name])
            self.case([meta + ["generateName"], name])
        for key in LABEL_KEYS:
            self.case([meta + ["labels"], {key if isinstance(key, str) else fill(key): "v"}])
            self.case([meta + ["annotations"], {key if isinstance(key, str) else fill(key): "v"}])
        for value in LABEL_VALUES:
            self.case([meta + ["labels"], {"k": value, "A!": "v!"}])
        self.case([meta + ["annotations"], {"K/\u0130": "x"}])
        self.case([meta + ["annotations"], {"k": text("x", (256 << 10) - 1)}])
        self.case([meta + ["annotations"], {"k": text("x", 256 << 10)}])
        for finalizer in ["kubernetes", "orphan", "foregroundDeletion", "a", "a/b", "A/b", "", "a/b/c", "/", "-"]:
            self.case([meta + ["finalizers"], [finalizer]])
        self.case([meta + ["finalizers"], ["orphan", "foregroundDeletion"]])
        self.case([meta + ["finalizers"], ["a/b", "a/b"]])
        owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
        for change in [{}, {"apiVersion": ""}, {"apiVersion": "/"}, {"apiVersion": "a/"}, {"apiVersion": "/a"}, {"apiVersion": "a/b/c"}, {"kind": ""}, {"name": ""}, {"uid": ""}, {"kind": "Event"}, {"kind": "Event", "apiVersion": "events.k8s.io/v1"}, {"controller": True}]:
            self.case([meta + ["ownerReferences"], [{**owner, **change}]])
        self.case([meta + ["ownerReferences"], [{}]])
        controller = {**owner, "controller": True}
        self.case([meta + ["ownerReferences"], [controller, controller]])
        self.case([meta + ["ownerReferences"], [controller, {**controller, "uid": "v"}, {**controller, "uid": "w"}]])
        self.case([meta + ["ownerReferences"], [owner, {**owner, "name": ""}]])
        self.case([meta + ["generation"], -1])

    def opaque(self, path):
        self.each(path + ["opaque", "driver"], DRIVERS)
        self.each(path + ["opaque", "parameters"], [None, {}, [], "a", 1, True, {"a": {"b": [1, 2.5, None]}}])
        for length in [10 << 10, (10 << 10) + 1]:
            self.case([path + ["opaque", "parameters"], {"k": text("x", length - 8)}])
        self.case([path + ["opaque", "parameters"], {"k": text("<", 1705)}])
        self.case([path + ["opaque", "parameters"], {"k": text("<", 1706)}])
        self.case([path + ["opaque", "parameters"], {"k": text("é", 5116)}])
        self.case([path + ["opaque", "parameters"], {"k": text("é", 5117)}])

    def selectors(self, path):
        good = {"cel": {"expression": "true"}}
        for expression in EVERYWHERE:
            self.case([path, [{"cel": {"expression": expression}}]])
        for length in [10 << 10, (10 << 10) + 1]:
            self.case([path, [{"cel": {"expression": {"$text": [" ", length]}}}]])
        self.case([path, [{}]])
        self.case([path, [{"cel": {}}]])
        self.case([path, [good, {}, good, {"cel": None}]])
        self.case([path, many(32, good)])
        self.case([path, many(33, good)])
        self.case([path, many(33, {})])

    def tolerations(self, path):
        for operator in ["Exists", "Equal", "", "equal", None]:
            for value in ["", "v", "-v"]:
                self.case([path, [{"key": "k", "operator": operator, "value": value}]])
        for key in LABEL_KEYS:
            self.case([path, [{"key": key, "operator": "Exists"}]])
        for value in LABEL_VALUES:
            self.case([path, [{"key": "k", "value": value}]])
        for effect in ["", "None", "NoSchedule", "NoExecute", "PreferNoSchedule", "noexecute"]:
            self.case([path, [{"key": "k", "operator": "Exists", "effect": effect}]])
        for seconds in [0, -1, 5, None]:
            self.case([path, [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}]])
        self.case([path, [{}]])
        self.case([path, many(16, {"key": "k#", "operator": "Exists"})])
        self.case([path, many(17, {"key": "k#", "operator": "Exists"})])
        self.case([path, many(33, {"operator": "#"})])

    def references(self, path):
        for name in ["r", "l", "l/s", "l/t", "r/s", "nothing", "nothing/s", "l/nothing", "", "/", "l/", "/s", "l/s/t", "R", "a b", "r.r"]:
            self.case([path, [name]])
        self.case([path, ["r", "r"]])
        self.case([path, ["r", "x", "r", "x", "x"]])
        self.case([path, many(32, "r")])
        self.case([path, many(33, "r#")])
        self.case([path, []])

    def claim_spec(self, path):
        devices = path + ["devices"]
        requests = devices + ["requests"]
        exactly = requests + [0] + list(self.in_request())
        sub = requests + [1, "firstAvailable", 0]
        self.sweep(devices)
        self.each(requests + [0, "name"], LABELS)
        self.each(sub + ["name"], LABELS)
        self.case([requests + [1, "name"], "r"])
        self.case([requests, many(32, self.request("r#", deviceClassName="c"))], [devices + ["constraints"]], [devices + ["config"]])
        self.case([requests, many(33, self.request("r#", deviceClassName="c"))])
        self.case([requests, many(33, {"name": "A"})])
        self.case([requests, [{"name": "r"}]])
        self.case([requests, [{}]])
        both = {**self.request("r", deviceClassName="C", allocationMode="all", selectors=many(33, {}), tolerations=[{"operator": "x"}]), "firstAvailable": [{"name": "S", "deviceClassName": "C", "allocationMode": "all", "tolerations": [{"effect": "x"}]}]}
        self.case([requests + [0], both])
        self.case([requests + [0, "firstAvailable"], []])
        self.case([requests + [1, "firstAvailable"], []])
        self.case([requests + [1, "firstAvailable"], many(8, {"name": "s#", "deviceClassName": "c"})])
        self.case([requests + [1, "firstAvailable"], many(9, {"name": "s#", "deviceClassName": "c"})])
        self.case([requests + [1, "firstAvailable"], many(9, {"name": "S"})])
        self.case([requests + [1, "firstAvailable"], [{"name": "s", "deviceClassName": "c"}, {"name": "s", "deviceClassName": ""}]])
        for at in [exactly, sub]:
            self.each(at + ["deviceClassName"], SUBDOMAINS)
            for mode in ["All", "ExactCount", "", "all", "Any", None]:
                for count in [None, 0, 1, -1, 2**63 - 1]:
                    self.case([at + ["allocationMode"], mode], [at + ["count"], count])
            self.selectors(at + ["selectors"])
            self.tolerations(at + ["tolerations"])
            self.each(at + ["capacity", "requests", "a"], QUANTITIES)
            for name in QUALIFIED + LONG_QUALIFIED:
                self.case([at + ["capacity", "requests"], {fill(name): "1"}])
            self.case([at + ["capacity", "requests"], named(40, "c#", "1")])
            self.case([at + ["capacity"], {}])
        self.each(exactly + ["adminAccess"], [False, None])
        if self.flat:
            for content in [{"selectors": []}, {"count": 1}, {"count": 0}, {"allocationMode": "All"}, {"tolerations": []}, {"adminAccess": False}, {"capacity": {}}, {"deviceClassName": ""}]:
                self.case([requests + [0], {"name": "r", **content}])
                self.case([requests + [0], {"name": "r", "firstAvailable": [{"name": "s", "deviceClassName": "c"}], **content}])
        constraints = devices + ["constraints"]
        self.references(constraints + [0, "requests"])
        for attribute in QUALIFIED + LONG_QUALIFIED:
            self.case([constraints, [{"matchAttribute": attribute}]])
            self.case([constraints, [{"distinctAttribute": attribute}]])
        self.case([constraints, [{"matchAttribute": "a", "distinctAttribute": "b"}]])
        self.case([constraints, [{"matchAttribute": "d.e/a", "distinctAttribute": "d.e/a"}]])
        self.case([constraints, [{}, {"requests": ["r"]}]])
        self.case([constraints, many(32, {"matchAttribute": "d.e/a#"})])
        self.case([constraints, many(33, {"matchAttribute": "!"})])
        config = devices + ["config"]
        self.references(config + [0, "requests"])
        self.opaque(config + [0])
        self.case([config, many(32, {"opaque": {"driver": "d", "parameters": {}}})])
        self.case([config, many(33, {"opaque": {"driver": "!", "parameters": {}}})])
        self.case([config, [{}]])
        self.case([config, [{"opaque": {}}]])

    def derived(self, path):
        """With derived attributes: needs their gate to be seen."""
        devices = path + ["devices"]
        exactly = devices + ["requests", 0] + list(self.in_request())
        sub = devices + ["requests", 1, "firstAvailable", 0]
        good = {"name": "d.e/x", "expression": "device.driver"}
        constraints = [devices + ["constraints"], [{"matchAttribute": "d.e/x"}]]
        for at in [exactly, sub]:
            at = at + ["derivedAttributes"]
            self.case([at, [good]], constraints)
            self.case([at, [good]])
            self.case([at, [good, good]], constraints)
            self.case([at, [{}]], constraints)
            self.case([at, [{"name": "", "expression": ""}]])
            self.case([at, []])
            for name in QUALIFIED + LONG_QUALIFIED:
                self.case([at, [{**good, "name": name}]], [devices + ["constraints"], [{"distinctAttribute": name}]])
            for requests in [["r"], ["l"], ["l/s"], ["l/t"], ["r", "l/t"], []]:
                self.case([at, [good]], [devices + ["constraints"], [{"requests": requests, "matchAttribute": "d.e/x"}]])
                self.case([at, [good]], [devices + ["constraints"], [{"requests": requests, "matchAttribute": "d.e/y", "distinctAttribute": "d.e/x"}]])
            for expression in EVERYWHERE_DERIVED:
                self.case([at, [{**good, "expression": expression}]], constraints)
            self.case([at, [{**good, "expression": text(" ", (10 << 10) + 1)}]], constraints)
            self.case([at, many(32, {**good, "name": "d.e/x#"})], [devices + ["constraints"], many(32, {"matchAttribute": "d.e/x#"})])
            self.case([at, many(33, {**good, "name": "d.e/x#"})])
            self.case([at, many(33, {"name": ""})])
        if self.flat:
            self.case([devices + ["requests", 0], {"name": "r", "derivedAttributes": []}])

    def claim_base(self):
        return {"devices": {
            "requests": [
                self.request("r", deviceClassName="c", count=2, selectors=[{"cel": {"expression": "true"}}], tolerations=[{"key": "k", "operator": "Exists"}], capacity={"requests": {"a": "1"}}),
                {"name": "l", "firstAvailable": [
                    {"name": "s", "deviceClassName": "c", "allocationMode": "All", "selectors": [{"cel": {"expression": "true"}}]},
                    {"name": "t", "deviceClassName": "c", "tolerations": [{"key": "k", "value": "v"}]}]}],
            "constraints": [{"requests": ["r", "l/s"], "matchAttribute": "d.e/a"}, {"distinctAttribute": "d.e/b"}],
            "config": [{"requests": ["r"], "opaque": {"driver": "d.e", "parameters": {"k": "v"}}}]}}

    def claims(self):
        self.base("claim", "ResourceClaim", self.claim_base())
        self.metadata()
        self.claim_spec(["spec"])
        self.derived(["spec"])
        self.each(["spec"], [{}, {"devices": {}}, {"devices": None}, None])
        self.case([["status"], {"reservedFor": [{}]}])

    def templates(self):
        self.base("template", "ResourceClaimTemplate", {"metadata": {"labels": {"a": "b"}}, "spec": self.claim_base()})
        self.sweep(["spec", "spec", "devices", "requests"])
        self.sweep(["spec", "metadata"])
        meta = ["spec", "metadata"]
        for key in LABEL_KEYS:
            self.case([meta + ["labels"], {fill(key): "-"}])
            self.case([meta + ["annotations"], {fill(key): "-"}])
        for field, value in [("name", "n"), ("generateName", "n"), ("namespace", "n"), ("selfLink", "n"), ("uid", "n"), ("resourceVersion", "n"), ("generation", 1), ("generation", 0), ("name", ""),
                             ("creationTimestamp", None), ("creationTimestamp", "2026-01-01T00:00:00Z"), ("deletionTimestamp", "2026-01-01T00:00:00Z"), ("deletionGracePeriodSeconds", 0), ("finalizers", []), ("finalizers", ["x"]), ("ownerReferences", []), ("managedFields", [])]:
            self.case([meta + [field], value])
        self.each(["spec"], [{}, {"spec": {}}, None, {"spec": None}])
        self.each(["spec", "spec", "devices", "config", 0, "opaque", "driver"], ["", "A", "!"])
        self.each(["spec", "spec", "devices", "constraints", 0, "matchAttribute"], ["", "a", "A/b", "!"])

    def classes(self):
        self.base("class", "DeviceClass", {"selectors": [{"cel": {"expression": "true"}}], "config": [{"opaque": {"driver": "d.e", "parameters": {}}}], "extendedResourceName": "e.f/g"})
        self.metadata()
        self.sweep(["spec"])
        self.selectors(["spec", "selectors"])
        self.opaque(["spec", "config", 0])
        self.case([["spec", "config"], many(32, {"opaque": {"driver": "d", "parameters": {}}})])
        self.case([["spec", "config"], many(33, {"opaque": {"driver": "!"}})])
        self.each(["spec", "extendedResourceName"], LABEL_KEYS + ["kubernetes.io/a", "a.kubernetes.io/b", "requests.a/b", "requests.kubernetes.io/b", "deviceclass.resource.kubernetes.io/a", "a" * 244 + "/b", "a" * 245 + "/b", None])

    def node_selector(self, path):
        term = path + ["nodeSelectorTerms"]
        for operator in ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "", "in"]:
            for values in [None, [], ["a"], ["1"], ["a", "b"], ["-"]]:
                self.case([term, [{"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}]])
                self.case([term, [{"matchFields": [{"key": "metadata.name", "operator": operator, "values": values}]}]])
        for key in LABEL_KEYS:
            self.case([term, [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]])
        self.each(term, [[], None, [{}], [{}, {}], [{"matchFields": [{"key": "spec.x", "operator": "In", "values": ["-"]}]}], [{"matchExpressions": [{}], "matchFields": [{}]}]])
        for value in LABEL_VALUES:
            self.case([term, [{"matchExpressions": [{"key": "k", "operator": "NotIn", "values": [value, "-"]}]}]])
        for value in SUBDOMAINS:
            self.case([term, [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [value]}]}]])
        self.case([path, {}])

    def binding(self, path):
        for a, b in [(None, None), ([], []), (["a"], None), (None, ["a"]), (["a"], []), ([], ["a"]), (["a"], ["b"]), (["a"], ["a"]), (["a", "a"], ["b", "b"]), (["a", "b"], ["b", "a", "a"]), (["A/b"], ["!"]), ([""], ["a/b/c"])]:
            self.case([path + ["bindingConditions"], a], [path + ["bindingFailureConditions"], b])
        for count in [4, 5]:
            self.case([path + ["bindingConditions"], many(count, "a#")], [path + ["bindingFailureConditions"], many(count, "b#")])
        self.case([path + ["bindingConditions"], many(5, "-")], [path + ["bindingFailureConditions"], many(6, "-#")])
        self.each(path + ["bindsToNode"], [True, False])

    def policy(self, path):
        """Request policies of a capacity."""
        value, policy = path + ["value"], path + ["requestPolicy"]
        self.each(policy, [{}, {"default": "1"}, {"default": "999"}, {"validValues": ["1"]}, {"validRange": {"min": "1"}}, {"default": "1", "validRange": {}}, {"default": "1", "validValues": []}, {"default": "1", "validValues": [], "validRange": {"min": "1"}},
                           {"default": "1", "validValues": ["1"], "validRange": {"min": "1"}}, {"validValues": ["1"], "validRange": {"min": "2"}}])
        for values, default in [(["1", "2", "4"], "1"), (["1", "2", "4"], "3"), (["2", "1"], "1"), (["1", "1"], "1"), (["1", "1.0"], "1"), (["1", "1000m"], "1"), (["1k", "1000"], "1k"), (["1Ki", "1024"], "1Ki"), (["1.5Ki", "1536"], "1536"), (["1.5Ki", "1.5Ki"], "1536"), (["3", "2", "1", "0"], "9"),
                                (["10", "11"], "10"), (["11"], "11"), (["500m", "1"], "500m"), (["0.5", "500m"], "500m"), (["0.50", "0.5"], "500m"), (["1e1", "10"], "10"), (["0", "0"], "0"), (["-1", "0"], "0"), (["1", "001"], "1"), (["1n", "0.1n"], "1n")]:
            self.case([value, "10"], [policy, {"default": default, "validValues": values}])
        self.case([value, "100"], [policy, {"default": "1", "validValues": many(10, "1#")}])
        self.case([value, "100"], [policy, {"default": "10", "validValues": many(10, "1#")}])
        self.case([value, "100"], [policy, {"default": "10", "validValues": many(11, "1#")}])
        bounds = [("1", None, None, "1"), ("1", "8", None, "1"), ("1", "8", "1", "4"), ("2", "8", "2", "4"), ("2", "8", "2", "3"), ("2", "9", "2", "4"), ("2", "9", "2", "3"), ("0", "10", "5", "5"), ("0", "11", "1", "1"), ("11", None, None, "11"), ("8", "2", None, "4"), ("2", "4", None, "1"), ("2", "4", None, "5"),
                  ("2", "4", "0", "2"), ("2", "4", "-1", "2"), ("2", None, "9", "2"), ("2", None, "8", "2"), ("500m", "2", "500m", "1"), ("500m", "2", "300m", "1"), ("0", "2", "1", "500m"), ("1u", "2", "1", "1"), ("0", "1", "1n", "0"), ("0.0005", "1", "1m", "1"), ("-1", "4", "1", "1"), ("-4", "-2", "1", "-3"), ("0", None, "1", "-1"),
                  ("0", "1Ki", "1Ki", "0"), ("1Ki", "4Ki", "1024", "2Ki"), ("1.5", "4.5", "1.5", "3"), ("1", None, "1500m", "1"), ("1", "7", "1.0", "2"), (None, "4", "1", "2"), (None, None, None, "2"), ("a", "4", "1", "2")]
        for min_, max_, step, default in bounds:
            range_ = {key: bound for key, bound in [("min", min_), ("max", max_), ("step", step)] if bound is not None}
            self.case([value, "10"], [policy, {"default": default, "validRange": range_}])
        for all_, min_, max_, step, default in [("32Ei", "0", "16Ei", "1", "0"), ("1e30", "0", "1e20", "1", "0"), ("1e30", "0", "9223372036854775807", "1", "0"), ("1e30", "0", "9223372036854775808", "1", "0"), ("1e30", "0", "1e18", "1.5", "0"), ("1e30", "0.5", "9e15", "0.5", "1"), ("1e30", "0.5", "9e16", "0.5", "1"), ("1e30", "18446744073709551616", "36893488147419103232", "18446744073709551616", "18446744073709551616"), ("16Gi", "1Gi", "16Gi", "1Gi", "4Gi"), ("96Gi", "1Gi", "96Gi", "7Gi", "8Gi")]:
            self.case([value, all_], [policy, {"default": default, "validRange": {"min": min_, "max": max_, "step": step}}])

    def slices(self):
        taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
        self.base("slice", "ResourceSlice", {
            "driver": "d.e", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "nodeName": "n",
            "devices": [
                self.device("a", attributes={"i": {"int": 1}, "b": {"bool": True}, "d.e/s": {"string": "x"}, "v": {"version": "1.2.3"}}, capacity={"m": {"value": "1Gi"}}),
                self.device("b", taints=[taint], bindingConditions=["x"], bindingFailureConditions=["y"], bindsToNode=True)]})
        a, b = (["spec", "devices", index] + list(self.in_device()) for index in (0, 1))
        self.metadata()
        self.sweep(["spec"])
        self.each(["spec", "driver"], DRIVERS)
        self.each(["spec", "pool", "name"], POOLS)
        self.each(["spec", "nodeName"], SUBDOMAINS + [None])
        devices = ["spec", "devices"]
        self.case([devices, many(128, self.device("d#"))])
        self.case([devices, many(129, self.device("d#"))])
        self.case([devices, many(129, self.device("D", attributes={"A!": {}}, taints=[{}]))])
        for feature in [{"taints": [taint]}, {"consumesCounters": [{"counterSet": "c", "counters": {"x": {"value": "1"}}}]}, {"taints": [], "consumesCounters": []}]:
            for count in [64, 65]:
                self.case([devices, many(count, self.device("d#", **feature))])
        self.case([devices, [self.device("a"), self.device("a"), self.device("a")]])
        self.each(devices + [0, "name"], LABELS)
        # Attributes and capacities.
        for name in QUALIFIED + LONG_QUALIFIED:
            self.case([a + ["attributes"], {fill(name): {"int": 1}}])
            self.case([a + ["capacity"], {fill(name): {"value": "1"}}])
        self.case([a + ["attributes"], {"a" * 97: {}, "b" * 96: {}, "/": {}}])
        self.each(a + ["attributes", "i"], [{}, {"int": 1, "bool": True}, {"int": 0}, {"bool": False}, {"string": ""}, {"version": ""}, {"string": "a", "version": "!"}, {"string": text("x", 64)}, {"string": text("x", 65)}, {"string": text("é", 32)}, {"string": text("é", 33)}, None,
                                            {"int": 2**63 - 1}, {"int": -(2**63)}, {"int": 2**63}])
        for version in VERSIONS:
            self.case([a + ["attributes", "v"], {"version": version}])
        for quantity in QUANTITIES:
            self.case([a + ["capacity", "m"], {"value": quantity}])
        self.case([a + ["capacity", "m"], {}])
        for count in [31, 32]:
            self.case([a + ["attributes"], named(count, "a#", {"int": 1})])
        self.case([a + ["attributes"], named(33, "a#", {"int": 1})])
        self.case([a + ["attributes"], named(49, "a#", {"int": 1})])
        self.case([a + ["capacity"], named(33, "a#", {"value": "1"})], [a + ["attributes"]])
        # Taints.
        for key in LABEL_KEYS:
            self.case([b + ["taints"], [{**taint, "key": key}]])
        for value in LABEL_VALUES:
            self.case([b + ["taints"], [{**taint, "value": value}]])
        for effect in ["", "None", "NoExecute", "PreferNoSchedule"]:
            self.case([b + ["taints"], [{**taint, "effect": effect}]])
        self.case([b + ["taints"], [taint, taint]])
        self.case([b + ["taints"], many(16, {**taint, "key": "k#"})])
        self.case([b + ["taints"], many(17, {**taint, "key": "!"})])
        self.case([b + ["taints"], many(17, {"key": "!"})])
        self.case([b + ["taints"], [{**taint, "timeAdded": "2026-01-01T00:00:00Z"}, {**taint, "timeAdded": None}]])
        self.binding(b)
        # Where the slice is.
        for placement in [{}, {"nodeName": "n", "allNodes": True}, {"allNodes": True}, {"allNodes": False}, {"nodeName": ""}, {"nodeName": "n", "allNodes": False}, {"perDeviceNodeSelection": True}, {"perDeviceNodeSelection": False}, {"nodeName": "n", "perDeviceNodeSelection": False},
                          {"nodeName": "n", "allNodes": True, "perDeviceNodeSelection": True, "nodeSelector": {}}, {"nodeSelector": {"nodeSelectorTerms": [{}]}}, {"nodeSelector": {"nodeSelectorTerms": [{}]}, "nodeName": "N"}]:
            self.case([["spec", "nodeName"]], *[[["spec", key], value] for key, value in placement.items()])
        for placement in [{}, {"nodeName": "n"}, {"nodeName": "N"}, {"nodeName": ""}, {"allNodes": True}, {"allNodes": False}, {"nodeName": "n", "allNodes": True}, {"nodeSelector": {}}, {"nodeSelector": {"nodeSelectorTerms": [{}, {}]}}, {"nodeName": "n", "nodeSelector": {"nodeSelectorTerms": [{}]}}]:
            self.case([devices + [0], self.device("a", **placement)])
            self.case([["spec", "nodeName"]], [["spec", "perDeviceNodeSelection"], True], [devices, [self.device("a", **placement), self.device("b", allNodes=True)]])
            self.case([["spec", "nodeName"]], [["spec", "allNodes"], True], [["spec", "perDeviceNodeSelection"], False], [devices, [self.device("a", **placement)]])
        self.base("selected-slice", "ResourceSlice", {"driver": "d.e", "pool": {"name": "p", "generation": 0, "resourceSliceCount": 2}, "nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}]}})
        self.node_selector(["spec", "nodeSelector"])
        self.shared_slices()
        self.counting_slices()

    def shared_slices(self):
        self.base("shared-slice", "ResourceSlice", {
            "driver": "d.e", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "allNodes": True,
            "devices": [self.device("a", allowMultipleAllocations=True, capacity={"m": {"value": "10", "requestPolicy": {"default": "1", "validRange": {"min": "1", "max": "8", "step": "1"}}}})]})
        self.sweep(["spec", "devices"])
        self.policy(["spec", "devices", 0] + list(self.in_device("capacity", "m")))

    def counting_slices(self):
        counters = {"x": {"value": "4"}}
        self.base("counting-slice", "ResourceSlice", {
            "driver": "d.e", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "perDeviceNodeSelection": True,
            "devices": [self.device("a", nodeName="n", consumesCounters=[{"counterSet": "c", "counters": counters}]), self.device("b", nodeSelector={"nodeSelectorTerms": [{}]})]})
        self.sweep(["spec", "devices"])
        a = ["spec", "devices", 0] + list(self.in_device("consumesCounters"))
        for name in LABELS:
            self.case([a + [0, "counterSet"], name])
            self.case([a + [0, "counters"], {fill(name): {"value": "1"}, "-": {"value": "0"}}])
        self.case([a, many(2, {"counterSet": "c#", "counters": counters})])
        self.case([a, many(3, {"counterSet": "c#", "counters": {}})])
        self.case([a + [0, "counters"], named(32, "c#", {"value": "1"})])
        self.case([a + [0, "counters"], named(33, "c#!", {"value": "1"})])
        self.each(a + [0, "counters", "x", "value"], QUANTITIES)
        self.node_selector(["spec", "devices", 1] + list(self.in_device("nodeSelector")))
        self.base("counters", "ResourceSlice", {"driver": "d.e", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "nodeName": "n", "sharedCounters": [{"name": "c", "counters": counters}]})
        self.sweep(["spec", "sharedCounters"])
        sets = ["spec", "sharedCounters"]
        for name in LABELS:
            self.case([sets + [0, "name"], name])
            self.case([sets + [0, "counters"], {fill(name): {"value": "1"}, "A": {}}])
        self.case([sets, many(8, {"name": "c#", "counters": counters})])
        self.case([sets, many(9, {"name": "c", "counters": {}})])
        self.case([sets, [{"name": "c", "counters": counters}, {"name": "c", "counters": counters}]])
        self.case([sets + [0, "counters"], named(32, "c#", {"value": "1"})])
        self.case([sets + [0, "counters"], named(33, "c#!", {"value": "1"})])
        self.case([["spec", "devices"], []])
        self.case([["spec", "devices"], [self.device("a")]])
        self.case([["spec", "devices"], None])

    def gated_slices(self):
        """Fields of slices whose gates are off by default."""
        self.base("gated-slice", "ResourceSlice", {
            "driver": "d.e", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}, "nodeName": "n",
            "skipNodeOperations": ["*"], "partitionTypeAttribute": "d.e/t",
            "devices": [self.device("a", attributes={"t": {"string": "x"}, "l": {"ints": [1, 2]}, "d.e/m": {"strings": ["x"]}}, capacity={"m": {"value": "4"}},
                                    consumesCounters=[{"counterSet": "c", "counters": {"x": {"value": "1"}}, "compatibilityGroups": ["g", "h"]}],
                                    nodeAllocatableResources={"cpu": {"mapping": {"capacityKey": "m", "capacityMultiplier": "2"}, "overhead": {"perPod": "1"}}, "hugepages-2Mi": {"overhead": {"perContainer": "1"}}}),
                        self.device("b", attributes={"d.e/t": {"string": "x"}})]})
        self.sweep(["spec"])
        a = ["spec", "devices", 0] + list(self.in_device())
        lists = a + ["attributes", "l"]
        for value in [{"ints": []}, {"bools": []}, {"strings": []}, {"versions": []}, {"ints": [], "int": 1}, {"ints": [1], "int": 1}, {"ints": [1], "bools": [True]}, {"ints": [], "bools": []}, {"strings": ["", text("x", 64), text("x", 65)]}, {"versions": ["1.2.3", "v1", text("1", 65)]}, {"strings": ["a", "a"]}, {"string": "a", "strings": [text("é", 33)]}, {"ints": None}]:
            self.case([lists, value])
        self.case([a + ["attributes", "l"], {"ints": many(46, 1)}])
        self.case([a + ["attributes", "l"], {"ints": many(47, 1)}])
        self.case([a + ["attributes", "l"], {"ints": many(24, 1), "bools": many(24, True)}])
        for count in [64, 65]:
            self.case([["spec", "devices"], many(count, self.device("d#", attributes={"l": {"ints": [1]}}))], [["spec", "partitionTypeAttribute"]])
            self.case([["spec", "devices"], many(count, self.device("d#", attributes={"l": {"ints": []}}))], [["spec", "partitionTypeAttribute"]])
        self.each(["spec", "skipNodeOperations"], [[], ["*"], ["NodePrepareResources"], ["NodeUnprepareResources"], ["NodePrepareResources", "NodeUnprepareResources"], ["NodePrepareResources", "*"], ["*", "*"], ["x"], [""], ["NodePrepareResources", "NodePrepareResources", "x", "x"]])
        for name in QUALIFIED + LONG_QUALIFIED + ["d.e/l", "d.e/m", "d.e/nothing", "other.e/t", "d.e/", "t"]:
            self.case([["spec", "partitionTypeAttribute"], name])
        self.case([a + ["consumesCounters"]])
        self.case([["spec", "devices", 1] + list(self.in_device("consumesCounters")), [{"counterSet": "c", "counters": {"x": {"value": "1"}}}]], [["spec", "devices", 1] + list(self.in_device("attributes")), {"t": {"int": 1}}])
        groups = a + ["consumesCounters", 0, "compatibilityGroups"]
        for name in LABELS:
            self.case([groups, [name]])
        self.each(groups, [[], ["a", "a"], ["a", "b", "c"], ["!", "!"], ["!", "!", "!"]])
        resources = a + ["nodeAllocatableResources"]
        for name in ["cpu", "memory", "hugepages-1Gi", "hugepages-", "hugepages", "ephemeral-storage", "", "a/b", "CPU"]:
            self.case([resources, {name: {"overhead": {"perPod": "1"}}}])
        for value in [{}, {"mapping": {}}, {"overhead": {}}, {"mapping": {"capacityKey": "m"}}, {"mapping": {"capacityMultiplier": "1"}}, {"mapping": {"deviceMultiplier": "1"}}, {"mapping": {"deviceMultiplier": "1", "capacityKey": "m", "capacityMultiplier": "1"}}, {"mapping": {"deviceMultiplier": "1", "capacityMultiplier": "1"}},
                      {"mapping": {"capacityKey": "", "capacityMultiplier": "1"}}, {"mapping": {"capacityKey": "nothing", "capacityMultiplier": "1"}}, {"mapping": {"capacityKey": "m", "capacityMultiplier": "0"}}, {"mapping": {"capacityKey": "m", "capacityMultiplier": "-1"}}, {"mapping": {"deviceMultiplier": "0"}}, {"mapping": {"deviceMultiplier": "-1m"}},
                      {"mapping": {"deviceMultiplier": "a"}}, {"overhead": {"perPod": "-1"}}, {"overhead": {"perContainer": "-1n", "perPod": "0"}}, {"overhead": {"perPod": "-1", "perContainer": "-1"}}, {"mapping": {"capacityMultiplier": "-1"}}]:
            self.case([resources, {"cpu": value}])

    def rules(self):
        self.base("rule", "DeviceTaintRule", {"deviceSelector": {"driver": "d.e", "pool": "p", "device": "a"}, "taint": {"key": "k", "value": "v", "effect": "NoExecute"}})
        if self.version == "v1":
            self.metadata()
        self.sweep(["spec"])
        self.each(["spec", "deviceSelector", "driver"], DRIVERS)
        self.each(["spec", "deviceSelector", "pool"], POOLS)
        self.each(["spec", "deviceSelector", "device"], LABELS)
        self.each(["spec", "taint", "key"], LABEL_KEYS)
        self.each(["spec", "taint", "value"], LABEL_VALUES)
        self.each(["spec", "taint", "effect"], ["", "None", "NoSchedule", "NoExecute", "PreferNoSchedule", "none"])
        self.case([["spec", "taint", "timeAdded"], "2026-01-01T00:00:00Z"])
        self.each(["spec"], [{}, None])
        self.standing = "stored"
        self.base("rule-status", "DeviceTaintRule", {"taint": {"key": "k", "effect": "NoExecute"}}, status={"conditions": [CONDITION]})
        self.sweep(["status"])
        self.conditions(["status", "conditions"])
        self.standing = "new"

    def conditions(self, path):
        for change in [{"type": ""}, {"type": "a/b"}, {"type": "-"}, {"status": ""}, {"status": "true"}, {"status": "Unknown"}, {"observedGeneration": -1}, {"observedGeneration": 1}, {"reason": ""}, {"reason": "a b"}, {"reason": "A_,:b"}, {"reason": "Ab:"},
                       {"reason": text("a", 1024)}, {"reason": text("a", 1025)}, {"message": text("a", 32768)}, {"message": text("a", 32769)}]:
            self.case([path, [{**CONDITION, **change}]])
        self.case([path, many(8, {**CONDITION, "type": "T#"})])
        self.case([path, many(9, {**CONDITION, "type": "T#"})])
        self.case([path, many(3, CONDITION)])

    def statuses(self):
        """The status of claims that exist."""
        self.standing = "stored"
        share = "01234567-89ab-cdef-0123-456789abcdef"
        self.base("status", "ResourceClaim", self.claim_base(), status={
            "allocation": {
                "devices": {
                    "results": [{"request": "r", "driver": "d.e", "pool": "p", "device": "a", "tolerations": [{"key": "k", "operator": "Exists"}], "bindingConditions": ["x"], "bindingFailureConditions": ["y"], "shareID": share, "consumedCapacity": {"m": "1"}},
                                {"request": "l/s", "driver": "d.e", "pool": "p", "device": "b"}],
                    "config": [{"source": "FromClass", "requests": ["r"], "opaque": {"driver": "d.e", "parameters": {}}}]},
                "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]}},
            "reservedFor": [{"resource": "pods", "name": "x", "uid": "u"}],
            "devices": [{"driver": "d.e", "pool": "p", "device": "b", "conditions": [CONDITION], "data": {"a": 1}, "networkData": {"interfaceName": "eth0", "ips": ["10.9.8.7/24"], "hardwareAddress": "00:11"}},
                        {"driver": "d.e", "pool": "p", "device": "a", "shareID": share}]})
        self.sweep(["status"])
        results = ["status", "allocation", "devices", "results"]
        config = ["status", "allocation", "devices", "config"]
        first = results + [0]
        for name in ["r", "l", "l/s", "l/x", "x", "", "l/s/t"]:
            self.case([first + ["request"], name])
        self.each(first + ["driver"], DRIVERS)
        self.each(first + ["pool"], POOLS)
        self.each(first + ["device"], LABELS)
        for a, b in [(["a"], None), (None, ["a"]), (["a"], ["a"]), (many(5, "a#"), many(5, "b#"))]:
            self.case([first + ["bindingConditions"], a], [first + ["bindingFailureConditions"], b])
        self.tolerations(first + ["tolerations"])
        for id in [share, share.upper(), "", "x", share + "0", share.replace("-", ""), "{" + share + "}", "urn:uuid:" + share]:
            self.case([first + ["shareID"], id])
            self.case([["status", "devices", 1, "shareID"], id])
            self.case([["status", "devices", 1, "shareID"], id], [first + ["shareID"], id])
        self.each(first + ["skipNodeOperations"], [["*"], ["x"], ["NodePrepareResources"], ["*", "*"]])
        self.case([results, many(32, {"request": "r", "driver": "d.e", "pool": "p", "device": "a#"})], [["status", "devices"]])
        self.case([results, many(33, {"request": "R", "driver": "", "pool": "", "device": ""})], [["status", "devices"]])
        self.references(config + [0, "requests"])
        self.opaque(config + [0])
        self.each(config + [0, "source"], ["FromClaim", "FromClass", "", "fromClaim"])
        self.case([config, many(64, {"source": "FromClaim", "opaque": {"driver": "d", "parameters": {}}})])
        self.case([config, many(65, {"source": "", "opaque": {"driver": "!", "parameters": {}}})])
        self.node_selector(["status", "allocation", "nodeSelector"])
        reserved = ["status", "reservedFor"]
        self.case([reserved, many(256, {"resource": "pods", "name": "x", "uid": "u#"})])
        self.case([reserved, many(257, {"resource": "", "name": "x", "uid": "u"})])
        self.case([["status", "allocation"]], [["status", "devices"]])
        device = ["status", "devices", 0]
        self.each(device + ["driver"], DRIVERS)
        self.each(device + ["pool"], POOLS)
        self.each(device + ["device"], LABELS)
        self.conditions(device + ["conditions"])
        self.each(device + ["data"], [None, {}, [], 1, "a", {"k": text("x", (10 << 10) - 8)}, {"k": text("x", (10 << 10) - 7)}])
        network = device + ["networkData"]
        self.each(network + ["interfaceName"], ["", text("a", 256), text("a", 257), text("é", 129)])
        self.each(network + ["hardwareAddress"], ["", text("a", 128), text("a", 129)])
        for address in ["10.9.8.7/24", "10.9.8.7", "10.9.8.07/24", "10.9.8.7/33", "10.9.8.7/024", "2001:db8::1/64", "2001:DB8::1/64", "::ffff:1.2.3.4/120", "::1.2.3.4/96", "fe80::1%eth0/64", "", "/", "10.9.8.7/-1", "10.9.8.7/+1", "0:0:0:0:0:0:0:1/128", "::/0", "10.9.8.7/ 24"]:
            self.case([network + ["ips"], [address]])
        self.case([network + ["ips"], ["10.9.8.7/24", "10.9.8.7/24", "x", "x"]])
        self.case([network + ["ips"], many(16, "10.9.8.#/24")])
        self.case([network + ["ips"], many(17, "x")])
        self.standing = "new"


def all_cases(thorough):
    """Bases and cases. Not thorough: a part of those of the older versions, which have little of their own."""
    every = {"v1": 1, "v1beta2": 1 if thorough else 7, "v1beta1": 1 if thorough else 3, "v1alpha3": 1}
    combinations = 20000 if thorough else 1500
    bases, cases = {}, []
    for version in ["v1", "v1beta2", "v1beta1", "v1alpha3"]:
        kinds = Kinds(version)
        for kinds.gates in ["default", "all"]:
            if kinds.gates == "default":
                if version != "v1alpha3":
                    for kind in [kinds.claims, kinds.templates, kinds.classes, kinds.slices, kinds.gated_slices, kinds.statuses]:
                        kind()
                if version != "v1beta1":
                    kinds.rules()
            elif version != "v1alpha3":
                kinds.gated_slices()
                kinds.shared_slices()
                kinds.base("derived", "ResourceClaim", kinds.claim_base())
                kinds.derived(["spec"])
                kinds.base("derived-template", "ResourceClaimTemplate", {"spec": kinds.claim_base()})
                kinds.derived(["spec", "spec"])
        bases.update(kinds.bases)
        cases += kinds.cases[::every[version]]
    cases += combined(bases, cases, combinations)
    seen, unique = set(), []
    for case in cases:
        key = json.dumps(case, sort_keys=True)
        if key not in seen and not any(is_timeless(change) for change in case[3]):
            seen.add(key)
            unique.append(case)
    return bases, unique


def is_timeless(change):
    """Whether a condition loses its time: no condition is read without."""
    path, *value = change
    value = value[0] if value else None
    return "conditions" in path and (path[-1] == "lastTransitionTime" and value is None or path[-2] == "conditions" and value in (None, {}))


def combined(bases, cases, count):
    """Objects with several things wrong: what two to four cases of one base change."""
    choice = random.Random(1)
    by_base = {}
    for case in cases:
        by_base.setdefault(tuple(case[:3]), []).append(case[3])
    result = []
    for _ in range(count):
        where = choice.choice(sorted(by_base))
        changes = [change for case in choice.choices(by_base[where], k=choice.randint(2, 4)) for change in case]
        try:
            expand(bases[where[2]], changes)
        except (LookupError, TypeError):
            continue  # one change took away what another wants to change
        result.append([*where, changes])
    return result
