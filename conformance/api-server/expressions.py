"""CEL expressions that the API server is asked about: one at a time, and those of EVERYWHERE and
EVERYWHERE_DERIVED in every place that takes an expression."""

LONG = "[" + ",".join(["'a'"] * 100) + "]"

EVERYWHERE = [
    "true", "", "1", "device.", "device.driver == 'a'", "device.attributes['a'].b == 1", "device.nothing", "a", "has(device.attributes)",
    "device.capacity['a'].b.isGreaterThan(quantity('1'))", "device.attributes['a'].b.map(x, x)", "size(device.driver) > 2",
    "device.driver.matches('[')", "!", "device.allowMultipleAllocations == true", "device.attributes['a'].includes('b')", "A", "a/b", " " * (10 << 10),
    "['a','b','c'].all(a, ['a','b','c'].all(b, ['a','b','c'].all(c, ['a','b','c'].all(d, device.driver.contains(a + b + c + d)))))",
    f"{LONG}.all(a, {LONG}.all(b, {LONG}.all(c, device.driver == a + b + c)))",
]

SELECTORS = EVERYWHERE + [
    # types of the whole
    "false", "null", "'true'", "device", "[true]", "dyn(true)", "true ? true : 1", "true ? true : false", "true && 1", "true || false && true",
    # the device
    "device.attributes", "device.attributes['a']", "device.attributes['a'].b", "device.attributes['a']['b']", "device.attributes.a.b", "device.attributes[1].b",
    "device.attributes['a'].b == device.attributes['a'].c", "device.driver == 1", "device.driver in ['a', 'b']", "'a' in device.attributes",
    "'a' in device.attributes['b']", "1 in device.attributes", "has(device.attributes['a'].b)", "has(device.attributes.a)", "has(device.driver)",
    "has(device.nothing)", "has(device)", "device.capacity['a'].b.compareTo(quantity('1Gi')) >= 0", "device.capacity['a'].b > quantity('1')",
    "device.capacity['a'].b == quantity('1')", "device.attributes['a'].v.isGreaterThan(semver('1.2.3'))", "device.attributes['a'].v.major() == 1",
    "-device.driver == 1", "!device.driver", "device.driver ? true : false",
    # optionals and bindings
    "device.attributes['a'].?b.hasValue()", "device.attributes[?'a'].hasValue()", "device.attributes['a'].?b.orValue(1) == 1",
    "device.?attributes.hasValue()", "optional.of(1).hasValue()", "optional.none().hasValue()",
    "cel.bind(x, device.attributes['a'], x.b == 1)", "cel.bind(x, 1, y)",
    # libraries
    "quantity('x').isInteger()", "isQuantity('x')", "semver('1.2.3').compareTo(semver('v1.2', true)) == 0", "isSemver('1')",
    "ip('127.0.0.1').family() == 4", "cidr('10.0.0.0/8').containsIP('10.1.1.1')", "isIP('x')", "url('https://a').getHost() == 'a'", "isURL('a')",
    "'%d'.format([1]) == '1'", "sets.contains([1], [1])", "[1, 2].sum() == 3", "[1, 2].isSorted()", "[1,2].indexOf(1) == 0", "'abc'.find('b') == 'b'",
    "'abc'.findAll('b').size() == 1", "'a,b'.split(',').size() == 2", "'abc'.substring(1) == 'bc'", "'abc'.charAt(0) == 'a'",
    "'A'.lowerAscii() == 'a'", "'a'.replace('a', 'b') == 'b'", "['a'].join() == 'a'", "strings.quote('a') == 'a'", "'a'.reverse() == 'a'",
    "math.greatest(1, 2) == 2", "base64.encode(b'a') == 'a'", "[1].slice(0, 1) == [1]", "[3, 1].sort() == [1, 3]", "lists.range(3).size() == 3",
    "[[1]].flatten() == [1]", "[1].distinct() == [1]", "{'a': 1}.a == 1", "{1: 2}[1] == 2", "{'a': 1, 'a': 2}.a == 1", "[1, 'a'].size() == 2",
    # macros
    "[1, 2, 3].exists(x, x > 2)", "[1, 2, 3].exists_one(x, x > 2)", "[1].map(x, x > 0, x) == [1]", "[1].filter(x, x) == [1]", "[1].all(x, y)",
    "[1].all(1, true)", "[1].all(i, v, v > i)", "[1].transformList(i, v, v) == [1]",
    # operators and conversions
    "1 + 1 == 2", "1 + 1.0 == 2.0", "1 + 'a' == ''", "1u + 1u == 2u", "1 / 0 == 1", "1 == 1.0", "1 < 1.5", "'a' < 'b'", "1 == '1'", "null == 1",
    "int('1') == 1", "string(1) == '1'", "double('1') == 1.0", "bool('true')", "bytes('a') == b'a'",
    "timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')", "duration('1s') < duration('2s')", "type(1) == int", "dyn(1) == 1",
    # literals and syntax
    "9223372036854775807 > 0", "9223372036854775808 > 0", "-9223372036854775808 < 0", "0x10 == 16", "1e3 == 1000.0", "'\\n' == 'a'", "r'\\n' == 'a'",
    "'\\q' == 'a'", "'''a''' == 'a'", '"a" == \'a\'', "'a", "(true", "true)", "[1, 2", "true true", "true // comment", "true;", "`a-b` == 1",
    "device.attributes['a'].`b-c` == 1", "device.attributes['a'].b-c == 1", "if", "for == 1", "in", "package", "self", "object == 1", "x == 1",
    "google.protobuf.Int32Value{value: 1} == 1", "Device{}", "size([1, 2]) == 2", "'a'.size() == 1", "size(1) == 1", "matches('a', 'a')",
    "'a'.matches('(')", "'a'.matches(device.driver)", "'a'.startsWith('a')", "'a'.endsWith(1)", "contains('a', 'a')",
    # costs
    "device.driver.matches('a*') || device.driver.matches('b*')", "device.attributes['a'].b.matches('" + "(a|b)*" * 50 + "')",
    f"{LONG}.exists(a, device.attributes['x'][a] == 1)", f"{LONG}.all(a, {LONG}.all(b, device.attributes['x'][a] == b))",
    f"{LONG}.all(a, {LONG}.all(b, device.attributes['x'][a].contains(b)))", f"{LONG}.map(a, {LONG}.map(b, a + b)).size() > 0",
    f"{LONG}.all(a, device.attributes[a].exists(k, device.attributes[a][k] == k))", "device.attributes.all(d, device.attributes[d].all(k, true))",
    "device.attributes.all(d, device.attributes[d].all(k, device.attributes[d][k] == 1))", "device.attributes.all(d, device.attributes.all(e, d == e))",
    "device.attributes.all(d, device.attributes.all(e, device.attributes.all(f, d == e && e == f)))",
    "device.capacity.all(d, device.capacity[d].all(k, device.capacity[d][k].isGreaterThan(quantity('1'))))",
    "device.attributes.all(a, device.attributes.all(b, device.attributes[a].all(c, device.attributes[b].all(d, c == d))))",
    "device.attributes.all(a, device.attributes.all(b, device.attributes[a].all(c, device.attributes[b].all(d, device.attributes[a][c] == device.attributes[b][d]))))",
]

EVERYWHERE_DERIVED = [
    "device.driver", "1", "true", "device", "[1]", "device.attributes['a'].b", "!", "1.5", "semver('1.2.3')", "quantity('1')",
    "device.attributes['a'].?b.orValue(1)", f"{LONG}.all(a, {LONG}.all(b, {LONG}.all(c, device.driver == a + b + c)))",
]

DERIVED = EVERYWHERE_DERIVED + [
    "dyn(1)", "null", "1u", "b'a'", "'a' + device.driver", "{'a': 1}", "['a']", "[true]", "[semver('1.2.3')]", "[1.5]", "[[1]]", "[]",
    "device.attributes", "device.attributes['a']", "device.capacity['a'].b", "device.attributes['a'].?b", "timestamp('2026-01-01T00:00:00Z')", "type(1)",
    "optional.of('a')", "true ? 1 : 'a'", "true ? dyn(1) : dyn('a')", "string(1)", "device.allowMultipleAllocations",
    f"{LONG}.map(a, a)", "device.attributes['a'].s.split(',')",
    "device.attributes['a'].s.split(',')[0]",
]
