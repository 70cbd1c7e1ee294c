// Writes random expressions on a device, one a line, most of them of the right type.
//
//	go run ./generate SEED COUNT
//
// The same seed gives the same expressions. What an expression can be is in rules.txt.
package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

//go:embed rules.txt
var text string

// kind is a type: its name and what is in it.
type kind struct {
	name  string
	inner []kind
}

func (k kind) String() string {
	if len(k.inner) == 0 {
		return k.name
	}
	var inner []string
	for _, i := range k.inner {
		inner = append(inner, i.String())
	}
	return k.name + "<" + strings.Join(inner, ",") + ">"
}

// rule is what an expression of a type can be.
type rule struct {
	result kind
	body   string
	leaf   bool
}

// simple are the types that stand for an open one; ordered those that can be compared.
var (
	simple  = kinds("bool", "int", "int", "uint", "double", "string", "string", "bytes", "timestamp", "duration", "quantity", "semver", "ip", "cidr", "url", "type", "null", "dyn", "dyn", "list<int>", "list<string>", "map<string,int>", "optional<int>", "optional<string>")
	ordered = kinds("int", "uint", "double", "string", "bytes", "bool", "timestamp", "duration", "dyn")
)

func kinds(names ...string) []kind {
	var all []kind
	for _, name := range names {
		k, _ := parseKind(name)
		all = append(all, k)
	}
	return all
}

// parseKind reads a type from the beginning of a text, and returns what follows it.
func parseKind(text string) (kind, string) {
	end := 0
	for end < len(text) && (text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z') {
		end++
	}
	k := kind{name: text[:end]}
	rest := text[end:]
	if !strings.HasPrefix(rest, "<") {
		return k, rest
	}
	// A comparison has a space before it.
	for rest[0] == '<' || rest[0] == ',' {
		var inner kind
		inner, rest = parseKind(rest[1:])
		k.inner = append(k.inner, inner)
	}
	return k, rest[1:]
}

func isOpen(k kind) bool {
	return len(k.name) == 1
}

// match finds what the open types of a rule are, if it makes what is wanted.
func match(pattern, wanted kind, open map[string]kind) bool {
	if isOpen(pattern) {
		open[pattern.name] = wanted
		return true
	}
	if pattern.name != wanted.name || len(pattern.inner) != len(wanted.inner) {
		return false
	}
	for i := range pattern.inner {
		if !match(pattern.inner[i], wanted.inner[i], open) {
			return false
		}
	}
	return true
}

type variable struct {
	name string
	kind kind
}

type generator struct {
	random *rand.Rand
	rules  []rule
	names  int
}

func (g *generator) pick(all []kind) kind {
	return all[g.random.IntN(len(all))]
}

// close replaces open types.
func (g *generator) close(k kind, open map[string]kind) kind {
	if isOpen(k) {
		known, found := open[k.name]
		if !found {
			known = g.pick(simple)
			if k.name == "O" {
				known = g.pick(ordered)
			}
			open[k.name] = known
		}
		return known
	}
	closed := kind{name: k.name}
	for _, inner := range k.inner {
		closed.inner = append(closed.inner, g.close(inner, open))
	}
	return closed
}

func (g *generator) expression(wanted kind, depth int, scope []variable) string {
	switch n := g.random.IntN(400); {
	case n < 4:
		// Of another type, which mostly does not compile.
		wanted = g.pick(simple)
	case n < 24 && wanted.name != "dyn":
		return "dyn(" + g.expression(wanted, depth-1, scope) + ")"
	case n < 34:
		wanted = kind{name: "dyn"}
	}
	var usable []string
	for _, v := range scope {
		if v.kind.String() == wanted.String() {
			usable = append(usable, v.name)
		}
	}
	if len(usable) > 0 && g.random.IntN(2) == 0 {
		return usable[g.random.IntN(len(usable))]
	}
	var fitting, leaves []rule
	for _, r := range g.rules {
		if match(r.result, wanted, map[string]kind{}) {
			if r.leaf {
				leaves = append(leaves, r)
			}
			fitting = append(fitting, r)
		}
	}
	if depth <= 0 && len(leaves) > 0 {
		fitting = leaves
	}
	r := fitting[g.random.IntN(len(fitting))]
	open := map[string]kind{}
	match(r.result, wanted, open)
	return g.fill(r.body, open, depth-1, scope)
}

func (g *generator) fill(body string, open map[string]kind, depth int, scope []variable) string {
	names := map[byte]string{}
	var out strings.Builder
	for body != "" {
		switch {
		// %v and %w alone are variables: "%x" belongs to a format.
		case body[0] == '%' && len(body) > 1 && (body[1] == 'v' || body[1] == 'w'):
			out.WriteString(g.name(names, body[1]))
			body = body[2:]
		case body[0] == '$':
			wanted, rest := parseKind(body[1:])
			inner := scope
			if strings.HasPrefix(rest, "[%") {
				for rest[0] == '[' || rest[0] == ',' {
					name := g.name(names, rest[2])
					var k kind
					k, rest = parseKind(rest[4:])
					inner = append(inner[:len(inner):len(inner)], variable{name, g.close(k, open)})
				}
				rest = rest[1:]
			}
			text := g.expression(g.close(wanted, open), depth, inner)
			// An operand that is an operation of its own needs parentheses to stay one.
			if strings.ContainsAny(text, " -!") && (rest != "" && (rest[0] == '.' || rest[0] == '[') || strings.HasSuffix(out.String(), "!") || strings.HasSuffix(out.String(), "-")) {
				text = "(" + text + ")"
			}
			out.WriteString(text)
			body = rest
		default:
			out.WriteByte(body[0])
			body = body[1:]
		}
	}
	return out.String()
}

func (g *generator) name(names map[byte]string, letter byte) string {
	if names[letter] == "" {
		g.names++
		names[letter] = "v" + strconv.Itoa(g.names)
	}
	return names[letter]
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate SEED COUNT")
		os.Exit(2)
	}
	seed, err := strconv.ParseUint(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	g := &generator{random: rand.New(rand.NewPCG(seed, 0))}
	for _, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		result, rest := parseKind(line)
		body := strings.TrimPrefix(rest, ": ")
		g.rules = append(g.rules, rule{result, body, !strings.Contains(body, "$")})
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for written := 0; written < count; {
		g.names = 0
		wanted := kind{name: "bool"}
		if g.random.IntN(20) == 0 {
			wanted = kind{name: "dyn"}
		}
		line := g.expression(wanted, 1+g.random.IntN(5), nil)
		// Long ones find no more than short ones, and take the time of many.
		if len(line) < 400 {
			fmt.Fprintln(out, line)
			written++
		}
	}
}
