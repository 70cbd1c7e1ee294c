"""ask.py [--thorough] GATES=ADDRESS... : asks API servers what they think of all cases, and prints the verdicts.
With --thorough these are several times as many. ADDRESS is a file with an API server's address and token, as `serve` prints them; GATES names those it
runs with, as cases do. Prints the bases on one line, what is said of CEL expressions on another, then a line for each case: [gates, standing, base,
changes, verdict]; a verdict is a list of [path, kind], or "refused" for what could not even be read."""
import concurrent.futures
import http.client
import json
import ssl
import sys
import threading
import urllib.parse

import cases
import expressions

PLURALS = {"DeviceClass": "deviceclasses", "ResourceClaim": "resourceclaims", "ResourceClaimTemplate": "resourceclaimtemplates",
           "ResourceSlice": "resourceslices", "DeviceTaintRule": "devicetaintrules"}


class Server:
    def __init__(self, address):
        self.url, self.token = open(address).read().split()
        self.local = threading.local()

    def send(self, method, path, body=None):
        if not hasattr(self.local, "connection"):
            host = urllib.parse.urlsplit(self.url).netloc
            self.local.connection = http.client.HTTPSConnection(host, context=ssl._create_unverified_context())
        # As kubectl sends it: compact, and as Go escapes it.
        data = body and json.dumps(body, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        self.local.connection.request(method, path, data and data.encode(), {"Content-Type": "application/json", "Authorization": "Bearer " + self.token})
        answer = self.local.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def judge(self, standing, name, value):
        kind = value["kind"]
        path = f"/apis/{value['apiVersion']}/" + ("namespaces/default/" if kind.startswith("ResourceClaim") else "") + PLURALS[kind]
        query = "?dryRun=All&fieldValidation=Strict"
        if standing == "new":
            return verdict(*self.send("POST", path + query, value))
        value["metadata"]["name"] = name
        status, answer = self.send("POST", path, {key: entry for key, entry in value.items() if key != "status"})
        assert status == 201, answer
        value["metadata"]["resourceVersion"] = answer["metadata"]["resourceVersion"]
        result = verdict(*self.send("PUT", f"{path}/{name}/status{query}", value))
        self.send("DELETE", f"{path}/{name}")
        return result


def verdict(status, answer):
    if status in (200, 201):
        return []
    if status == 422:
        causes = answer["details"]["causes"]
        return sorted([cause["field"], cause["reason"].removeprefix("FieldValue")] for cause in causes)
    assert status in (400, 500) and ("handled as a" in answer["message"] or "unmarshal" in answer["message"] or "decoding" in answer["message"]), (status, answer)
    return "refused"


def expression(server, derived, text):
    """What a server says of an expression: the kind of error or null."""
    if derived:
        request = {"name": "r", "exactly": {"deviceClassName": "c", "derivedAttributes": [{"name": "d.e/x", "expression": text}]}}
        value = {"kind": "ResourceClaim", "spec": {"devices": {"requests": [request], "constraints": [{"matchAttribute": "d.e/x"}]}}}
    else:
        value = {"kind": "DeviceClass", "spec": {"selectors": [{"cel": {"expression": text}}]}}
    value.update(apiVersion="resource.k8s.io/v1", metadata={"name": "x"})
    kinds = [kind for path, kind in server.judge("new", None, value) if path.endswith("expression")]
    assert len(kinds) < 2, (text, kinds)
    return kinds[0] if kinds else None


def main():
    arguments = sys.argv[1:]
    bases, asked = cases.all_cases("--thorough" in arguments)
    servers = {gates: Server(address) for gates, address in (arg.split("=", 1) for arg in arguments if "=" in arg)}
    def ask(number):
        gates, standing, base, changes = asked[number]
        value = cases.expand(bases[base], changes)
        try:
            return servers[gates].judge(standing, f"case-{number}", value)
        except AssertionError as problem:
            print(f"case {asked[number]}: {problem}", file=sys.stderr)
            raise
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        verdicts = list(pool.map(ask, range(len(asked))))
    dump = lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    print(dump(bases))
    print(dump({"selectors": {text: expression(servers["default"], False, text) for text in expressions.SELECTORS},
                "derived": {text: expression(servers["all"], True, text) for text in expressions.DERIVED}}))
    for case, result in zip(asked, verdicts):
        print(dump(case + [result]))


main()
