//! Which functions there are, with which types: exactly those of the device environment.
//!
//! Sources: cel-go v0.29.2 (`common/stdlib`, `ext`), `k8s.io/apiserver` v0.37.2
//! (`pkg/cel/environment/base.go`, `pkg/cel/library`), `k8s.io/dynamic-resource-allocation` v0.37.2
//! (`cel/compile.go`).

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::typing::Type;

/// One way to call a function.
#[derive(Debug, Clone)]
pub struct Overload {
    /// Whether it has a receiver, which is the first argument.
    pub method: bool,
    /// Types of the arguments; [`Type::Variable`] 0 and 1 are `A` and `B`.
    pub arguments: Vec<Type>,
    /// Type of the result.
    pub result: Type,
}

/// Overloads by function.
pub type Functions = BTreeMap<String, Vec<Overload>>;

/// A line each: `name(arguments) result`, or `receiver.name(arguments) result`. The order is upstream's:
/// what may be of any type is taken for that of the first overload.
const STANDARD: &str = "
_==_(A, A) bool
_!=_(A, A) bool
_&&_(bool, bool) bool
_||_(bool, bool) bool
!_(bool) bool
_?_:_(bool, A, A) A
_<_(bool, bool) bool
_<_(int, int) bool
_<_(int, double) bool
_<_(int, uint) bool
_<_(uint, uint) bool
_<_(uint, double) bool
_<_(uint, int) bool
_<_(double, double) bool
_<_(double, int) bool
_<_(double, uint) bool
_<_(string, string) bool
_<_(bytes, bytes) bool
_<_(timestamp, timestamp) bool
_<_(duration, duration) bool
_+_(bytes, bytes) bytes
_+_(double, double) double
_+_(duration, duration) duration
_+_(duration, timestamp) timestamp
_+_(timestamp, duration) timestamp
_+_(int, int) int
_+_(list<A>, list<A>) list<A>
_+_(string, string) string
_+_(uint, uint) uint
_-_(double, double) double
_-_(duration, duration) duration
_-_(int, int) int
_-_(timestamp, duration) timestamp
_-_(timestamp, timestamp) duration
_-_(uint, uint) uint
_*_(double, double) double
_*_(int, int) int
_*_(uint, uint) uint
_/_(double, double) double
_/_(int, int) int
_/_(uint, uint) uint
_%_(int, int) int
_%_(uint, uint) uint
-_(double) double
-_(int) int
@in(A, list<A>) bool
@in(A, map<A, B>) bool
_[_](list<A>, int) A
_[_](map<A, B>, A) B
_[_](optional<list<A>>, int) optional<A>
_[_](optional<map<A, B>>, A) optional<B>
_[?_](list<A>, int) optional<A>
_[?_](optional<list<A>>, int) optional<A>
_[?_](map<A, B>, A) optional<B>
_[?_](optional<map<A, B>>, A) optional<B>
size(bytes) int
size(list<A>) int
size(map<A, B>) int
size(string) int
bytes.size() int
list<A>.size() int
map<A, B>.size() int
string.size() int
string.contains(string) bool
string.endsWith(string) bool
string.startsWith(string) bool
string.matches(string) bool
matches(string, string) bool
bool(bool) bool
bool(string) bool
bytes(bytes) bytes
bytes(string) bytes
double(double) double
double(int) double
double(string) double
double(uint) double
duration(duration) duration
duration(string) duration
dyn(A) dyn
int(int) int
int(double) int
int(duration) int
int(string) int
int(timestamp) int
int(uint) int
string(string) string
string(bool) string
string(bytes) string
string(double) string
string(duration) string
string(int) string
string(timestamp) string
string(uint) string
timestamp(timestamp) timestamp
timestamp(int) timestamp
timestamp(string) timestamp
type(A) type<A>
uint(uint) uint
uint(double) uint
uint(int) uint
uint(string) uint
timestamp.getFullYear() int
timestamp.getFullYear(string) int
timestamp.getMonth() int
timestamp.getMonth(string) int
timestamp.getDayOfYear() int
timestamp.getDayOfYear(string) int
timestamp.getDayOfMonth() int
timestamp.getDayOfMonth(string) int
timestamp.getDate() int
timestamp.getDate(string) int
timestamp.getDayOfWeek() int
timestamp.getDayOfWeek(string) int
timestamp.getHours() int
timestamp.getHours(string) int
timestamp.getMinutes() int
timestamp.getMinutes(string) int
timestamp.getSeconds() int
timestamp.getSeconds(string) int
timestamp.getMilliseconds() int
timestamp.getMilliseconds(string) int
duration.getHours() int
duration.getMinutes() int
duration.getSeconds() int
duration.getMilliseconds() int

optional.of(A) optional<A>
optional.ofNonZeroValue(A) optional<A>
optional.none() optional<A>
optional.unwrap(list<optional<A>>) list<A>
list<optional<A>>.unwrapOpt() list<A>
optional<A>.value() A
optional<A>.hasValue() bool
optional<A>.or(optional<A>) optional<A>
optional<A>.orValue(A) A

string.charAt(int) string
string.indexOf(string) int
string.indexOf(string, int) int
string.lastIndexOf(string) int
string.lastIndexOf(string, int) int
string.lowerAscii() string
string.upperAscii() string
string.replace(string, string) string
string.replace(string, string, int) string
string.split(string) list<string>
string.split(string, int) list<string>
string.substring(int) string
string.substring(int, int) string
string.trim() string
string.format(list<dyn>) string
strings.quote(string) string
list<string>.join() string
list<string>.join(string) string

string.find(string) string
string.findAll(string) list<string>
string.findAll(string, int) list<string>

url(string) kubernetes.URL
isURL(string) bool
kubernetes.URL.getScheme() string
kubernetes.URL.getHost() string
kubernetes.URL.getHostname() string
kubernetes.URL.getPort() string
kubernetes.URL.getEscapedPath() string
kubernetes.URL.getQuery() map<string, list<string>>

list<A>.slice(int, int) list<A>
list<list<A>>.flatten() list<A>
list<dyn>.flatten(int) list<dyn>
list<A>.distinct() list<A>
list<A>.reverse() list<A>
list<A>.first() optional<A>
list<A>.last() optional<A>
lists.range(int) list<int>

sets.contains(list<A>, list<A>) bool
sets.equivalent(list<A>, list<A>) bool
sets.intersects(list<A>, list<A>) bool

quantity(string) kubernetes.Quantity
isQuantity(string) bool
sign(kubernetes.Quantity) int
kubernetes.Quantity.isInteger() bool
kubernetes.Quantity.asInteger() int
kubernetes.Quantity.asApproximateFloat() double
kubernetes.Quantity.add(kubernetes.Quantity) kubernetes.Quantity
kubernetes.Quantity.add(int) kubernetes.Quantity
kubernetes.Quantity.sub(kubernetes.Quantity) kubernetes.Quantity
kubernetes.Quantity.sub(int) kubernetes.Quantity
kubernetes.Quantity.isLessThan(kubernetes.Quantity) bool
kubernetes.Quantity.isGreaterThan(kubernetes.Quantity) bool
kubernetes.Quantity.compareTo(kubernetes.Quantity) int

semver(string) kubernetes.Semver
semver(string, bool) kubernetes.Semver
isSemver(string) bool
isSemver(string, bool) bool
kubernetes.Semver.major() int
kubernetes.Semver.minor() int
kubernetes.Semver.patch() int
kubernetes.Semver.compareTo(kubernetes.Semver) int
kubernetes.Semver.isLessThan(kubernetes.Semver) bool
kubernetes.Semver.isGreaterThan(kubernetes.Semver) bool

ip(string) net.IP
isIP(string) bool
ip.isCanonical(string) bool
net.IP.family() int
net.IP.isUnspecified() bool
net.IP.isLoopback() bool
net.IP.isLinkLocalMulticast() bool
net.IP.isLinkLocalUnicast() bool
net.IP.isGlobalUnicast() bool
string(net.IP) string
cidr(string) net.CIDR
isCIDR(string) bool
net.CIDR.containsIP(string) bool
net.CIDR.containsIP(net.IP) bool
net.CIDR.containsCIDR(string) bool
net.CIDR.containsCIDR(net.CIDR) bool
net.CIDR.ip() net.IP
net.CIDR.masked() net.CIDR
net.CIDR.prefixLength() int
string(net.CIDR) string

format.named(string) optional<kubernetes.NamedFormat>
format.dns1123Label() kubernetes.NamedFormat
format.dns1123Subdomain() kubernetes.NamedFormat
format.dns1035Label() kubernetes.NamedFormat
format.qualifiedName() kubernetes.NamedFormat
format.dns1123LabelPrefix() kubernetes.NamedFormat
format.dns1123SubdomainPrefix() kubernetes.NamedFormat
format.dns1035LabelPrefix() kubernetes.NamedFormat
format.labelValue() kubernetes.NamedFormat
format.uri() kubernetes.NamedFormat
format.uuid() kubernetes.NamedFormat
format.byte() kubernetes.NamedFormat
format.date() kubernetes.NamedFormat
format.datetime() kubernetes.NamedFormat
kubernetes.NamedFormat.validate(string) optional<list<string>>

kubernetes.authorization.Authorizer.path(string) kubernetes.authorization.PathCheck
kubernetes.authorization.Authorizer.group(string) kubernetes.authorization.GroupCheck
kubernetes.authorization.Authorizer.serviceAccount(string, string) kubernetes.authorization.Authorizer
kubernetes.authorization.GroupCheck.resource(string) kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck.subresource(string) kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck.namespace(string) kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck.name(string) kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck.fieldSelector(string) kubernetes.authorization.ResourceCheck
kubernetes.authorization.ResourceCheck.labelSelector(string) kubernetes.authorization.ResourceCheck
kubernetes.authorization.PathCheck.check(string) kubernetes.authorization.Decision
kubernetes.authorization.ResourceCheck.check(string) kubernetes.authorization.Decision
kubernetes.authorization.Decision.errored() bool
kubernetes.authorization.Decision.error() string
kubernetes.authorization.Decision.allowed() bool
kubernetes.authorization.Decision.reason() string
";

/// Kubernetes' own types. There is no authorizer here; a value that may be of any type can be asked for
/// what one does, and fails.
const OPAQUE: [&str; 11] = [
    "kubernetes.URL",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
    "kubernetes.authorization.Authorizer",
    "kubernetes.authorization.PathCheck",
    "kubernetes.authorization.GroupCheck",
    "kubernetes.authorization.ResourceCheck",
    "kubernetes.authorization.Decision",
    "net.IP",
    "net.CIDR",
];

/// `dyn.includes(A)`, which comes with list-typed attributes (KEP-5491).
const INCLUDES: &str = "dyn.includes(dyn) bool";

/// Types whose lists can be sorted and searched for the least and largest.
const COMPARABLE: [&str; 8] = [
    "int",
    "uint",
    "double",
    "bool",
    "duration",
    "timestamp",
    "string",
    "bytes",
];
/// Types whose lists can be summed.
const SUMMABLE: [&str; 4] = ["int", "uint", "double", "duration"];

/// The names of namespaces: what stands before a dot without being a receiver.
pub const NAMESPACES: [&str; 7] = [
    "optional", "strings", "lists", "sets", "ip", "format", "cel",
];

/// All functions; `includes` with list-typed attributes. Where expressions are `written`, the
/// declarations are those of the version before, whose lists were declared before its texts.
pub fn functions(includes: bool, written: bool) -> Functions {
    let mut functions = Functions::new();
    let mut add = |line: &str| {
        let (name, overload) = parse(line);
        functions.entry(name).or_default().push(overload);
    };
    STANDARD
        .lines()
        .filter(|line| !line.is_empty())
        .for_each(&mut add);
    for operator in ["_<=_", "_>_", "_>=_"] {
        for line in STANDARD.lines().filter(|line| line.starts_with("_<_(")) {
            add(&line.replacen("_<_", operator, 1));
        }
    }
    for item in COMPARABLE {
        add(&format!("list<{item}>.isSorted() bool"));
        add(&format!("list<{item}>.min() {item}"));
        add(&format!("list<{item}>.max() {item}"));
        add(&format!("list<{item}>.sort() list<{item}>"));
        // What `sortBy` sorts by.
        add(&format!("@sortKey({item}) {item}"));
    }
    for item in SUMMABLE {
        add(&format!("list<{item}>.sum() {item}"));
    }
    add("list<A>.indexOf(A) int");
    add("list<A>.lastIndexOf(A) int");
    if includes {
        add(INCLUDES);
    }
    if written {
        for name in ["indexOf", "lastIndexOf"] {
            let overloads = functions.get_mut(name).into_iter();
            overloads.for_each(|overloads| overloads.rotate_right(1));
        }
    }
    functions
}

fn parse(line: &str) -> (String, Overload) {
    // The arguments are what stands between the last opening parenthesis and its end.
    let open = line.rfind('(').expect("a declaration has parentheses");
    let close = line.rfind(')').expect("a declaration has parentheses");
    let head = &line[..open];
    let mut arguments: Vec<Type> = split(&line[open + 1..close])
        .into_iter()
        .map(parse_type)
        .collect();
    let result = parse_type(line[close + 1..].trim());
    let receiver = head
        .rsplit_once('.')
        .filter(|(before, _)| !NAMESPACES.contains(before) || before.contains('<'));
    match receiver {
        Some((receiver, name)) => {
            arguments.insert(0, parse_type(receiver));
            let overload = Overload {
                method: true,
                arguments,
                result,
            };
            (name.to_owned(), overload)
        }
        None => {
            let overload = Overload {
                method: false,
                arguments,
                result,
            };
            (head.to_owned(), overload)
        }
    }
}

/// Parts between commas outside of angle brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        parts.push(text[start..].trim());
    }
    parts
}

fn parse_type(text: &str) -> Type {
    let inner = |prefix: &str| {
        text.strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix('>'))
    };
    if let Some(item) = inner("list<") {
        return Type::List(Rc::new(parse_type(item)));
    }
    if let Some(value) = inner("optional<") {
        return Type::Optional(Rc::new(parse_type(value)));
    }
    if let Some(value) = inner("type<") {
        return Type::Type(Rc::new(parse_type(value)));
    }
    if let Some(pair) = inner("map<") {
        let pair = split(pair);
        return Type::Map(Rc::new(parse_type(pair[0])), Rc::new(parse_type(pair[1])));
    }
    match text {
        "A" => Type::Variable(0),
        "B" => Type::Variable(1),
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        name => match OPAQUE.iter().find(|known| **known == name) {
            Some(known) => Type::Opaque(known),
            None => unreachable!("no type {name:?} is declared"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read() {
        let functions = functions(true, false);
        let size = &functions["size"];
        assert_eq!(size.len(), 8);
        assert_eq!(size.iter().filter(|o| o.method).count(), 4);
        let named = &functions["format.named"][0];
        assert!(!named.method);
        assert_eq!(
            named.result.to_string(),
            "optional_type(kubernetes.NamedFormat)"
        );
        assert!(functions.contains_key("or") && functions.contains_key("includes"));
        assert_eq!(functions["_>=_"].len(), functions["_<_"].len());
    }
}
