//! From RE2's syntax, as Go's `regexp` reads it, to that of the `regex` crate.
//!
//! Both match alike, but do not accept the same patterns: a pattern is read by Go's rules here, and
//! written so that the other can make nothing else of it.

/// The pattern in the syntax of the `regex` crate; `None` where Go refuses it.
pub(super) fn translate(pattern: &str) -> Option<String> {
    let mut parser = Parser {
        rest: pattern,
        depth: 0,
    };
    let (text, _) = parser.alternatives()?;
    parser.rest.is_empty().then_some(text)
}

/// Go's limits: on what repetitions that stand in one another multiply to, and on nesting.
const MOST_REPEATS: u32 = 1000;
const DEEPEST: usize = 1000;

/// What matches nothing.
const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

const CATEGORIES: &str = " C Cc Cf Cn Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po \
    Ps S Sc Sk Sm So Z Zl Zp Zs ";

/// Other names of categories. Here and below, names are as Go compares them: without spaces,
/// underscores and hyphens, and with one capital letter.
const ALIASES: &str = " Casedletter=LC Closepunctuation=Pe Combiningmark=M Connectorpunctuation=Pc \
    Control=Cc Currencysymbol=Sc Dashpunctuation=Pd Decimalnumber=Nd Enclosingmark=Me \
    Finalpunctuation=Pf Format=Cf Initialpunctuation=Pi Lc=LC Letter=L Letternumber=Nl \
    Lineseparator=Zl Lowercaseletter=Ll Mark=M Mathsymbol=Sm Modifierletter=Lm Modifiersymbol=Sk \
    Nonspacingmark=Mn Number=N Openpunctuation=Ps Other=C Otherletter=Lo Othernumber=No \
    Otherpunctuation=Po Othersymbol=So Paragraphseparator=Zp Privateuse=Co Punctuation=P Separator=Z \
    Spaceseparator=Zs Spacingmark=Mc Surrogate=Cs Symbol=S Titlecaseletter=Lt Unassigned=Cn \
    Uppercaseletter=Lu Cntrl=Cc Digit=Nd Punct=P ";

/// Unicode 15's scripts whose names are one word: Go finds no other.
const SCRIPTS: &str = " Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki \
    Bopomofo Brahmi Braille Buginese Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic \
    Cuneiform Cypriot Cyrillic Deseret Devanagari Dogra Duployan Elbasan Elymaic Ethiopic Georgian \
    Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo Hatran Hebrew Hiragana \
    Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer Khojki Khudawadi Lao Latin \
    Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Medefaidrin \
    Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham Oriya Osage \
    Osmanya Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala \
    Sogdian Soyombo Sundanese Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai \
    Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Yezidi Yi ";

/// `[:name:]`, which are ASCII's.
const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x{0}-\x{7F}"),
    ("blank", r"\t\x{20}"),
    ("cntrl", r"\x{0}-\x{1F}\x{7F}"),
    ("digit", "0-9"),
    ("graph", "!-~"),
    ("lower", "a-z"),
    ("print", r"\x{20}-~"),
    ("punct", r"!-/:-@\[-`\{-~"),
    ("space", r"\t\n\x{B}\x{C}\r\x{20}"),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// How often something is repeated, and what is repeated within it.
#[derive(Default)]
struct Repeats {
    times: u32,
    within: Vec<Repeats>,
}

impl Repeats {
    fn fit(&self, room: u32) -> bool {
        if self.times > room {
            return false;
        }
        let room = room / self.times.max(1);
        self.within.iter().all(|inner| inner.fit(room))
    }
}

/// A part of a concatenation: what can be repeated, or a change of flags, which cannot.
struct Piece {
    text: String,
    repeats: Option<Vec<Repeats>>,
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

fn one(character: char) -> String {
    format!("\\x{{{:X}}}", u32::from(character))
}

/// A code point of a class. Surrogates stand in no text.
fn bound(code: u32, first: bool) -> char {
    char::from_u32(code).unwrap_or(if first { '\u{E000}' } else { '\u{D7FF}' })
}

impl Parser<'_> {
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    /// Up to the end of the group.
    fn alternatives(&mut self) -> Option<(String, Vec<Repeats>)> {
        let (mut text, mut repeats) = (String::new(), Vec::new());
        loop {
            let (branch, within) = self.concatenation()?;
            text.push_str(&branch);
            repeats.extend(within);
            if !self.eat("|") {
                return Some((text, repeats));
            }
            text.push('|');
        }
    }

    fn concatenation(&mut self) -> Option<(String, Vec<Repeats>)> {
        let mut pieces: Vec<Piece> = Vec::new();
        // Whether what was read last is a repetition.
        let mut repeated = false;
        while let Some(next) = self.rest.chars().next() {
            if matches!(next, '|' | ')') {
                break;
            }
            if let Some((minimum, maximum)) = self.repetition()? {
                if repeated {
                    return None;
                }
                repeated = true;
                repeat(&mut pieces, minimum, maximum)?;
                if self.eat("?") {
                    let last = pieces.iter_mut().rfind(|piece| piece.repeats.is_some())?;
                    last.text.push('?');
                }
                continue;
            }
            repeated = false;
            self.piece(&mut pieces)?;
        }
        let mut repeats = Vec::new();
        let mut text = String::new();
        for piece in pieces {
            text.push_str(&piece.text);
            repeats.extend(piece.repeats.unwrap_or_default());
        }
        Some((text, repeats))
    }

    /// `*`, `+`, `?`, `{1,2}`: at least and at most how often. Outer `None`: Go refuses it.
    fn repetition(&mut self) -> Option<Option<(u32, Option<u32>)>> {
        let simple = match self.rest.chars().next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.counted(),
            _ => return Some(None),
        };
        self.next();
        Some(Some(simple))
    }

    /// Braces that hold no numbers stand for themselves.
    fn counted(&mut self) -> Option<Option<(u32, Option<u32>)>> {
        let Some((inside, after)) = self.rest[1..].split_once('}') else {
            return Some(None);
        };
        let (low, high) = match inside.split_once(',') {
            Some((low, high)) => (low, Some(high)),
            None => (inside, None),
        };
        let written = |number: &str| {
            let plain = number == "0" || !number.starts_with('0');
            plain && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        };
        if !written(low) || !high.is_none_or(|high| high.is_empty() || written(high)) {
            return Some(None);
        }
        let count = |number: &str| {
            let count = number.parse::<u32>().ok();
            count.filter(|count| *count <= MOST_REPEATS)
        };
        let minimum = count(low)?;
        let maximum = match high {
            None => Some(minimum),
            Some("") => None,
            Some(high) => Some(count(high)?),
        };
        if maximum.is_some_and(|maximum| maximum < minimum) {
            return None;
        }
        self.rest = after;
        Some(Some((minimum, maximum)))
    }

    fn piece(&mut self, pieces: &mut Vec<Piece>) -> Option<()> {
        let mut push = |text: String| {
            pieces.push(Piece {
                text,
                repeats: Some(Vec::new()),
            });
        };
        if self.eat("(") {
            return self.group(pieces);
        }
        if self.eat("[") {
            push(self.class()?);
            return Some(());
        }
        if self.eat("\\Q") {
            let (quoted, after) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            quoted.chars().map(one).for_each(push);
            self.rest = after;
            return Some(());
        }
        for (escape, text) in [
            ("\\A", "\\A"),
            ("\\z", "\\z"),
            ("\\b", "(?-u:\\b)"),
            ("\\B", "(?-u:\\B)"),
        ] {
            if self.eat(escape) {
                push(text.to_owned());
                return Some(());
            }
        }
        if let Some(class) = self.class_escape()? {
            push(format!("[{class}]"));
            return Some(());
        }
        match self.next()? {
            character @ ('^' | '$' | '.') => push(character.to_string()),
            '\\' => {
                let code = self.escape()?;
                push(char::from_u32(code).map_or(NOTHING.to_owned(), one));
            }
            character => push(one(character)),
        }
        Some(())
    }

    /// After the opening parenthesis.
    fn group(&mut self, pieces: &mut Vec<Piece>) -> Option<()> {
        let mut flags = String::new();
        if let Some(rest) = self
            .rest
            .strip_prefix("?P<")
            .or(self.rest.strip_prefix("?<"))
        {
            let (name, after) = rest.split_once('>')?;
            let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            if name.is_empty() || !name.bytes().all(good) {
                return None;
            }
            self.rest = after;
        } else if self.eat("?") {
            let (known, group) = self.flags()?;
            flags = known;
            if !group {
                if !flags.is_empty() {
                    pieces.push(Piece {
                        text: format!("(?{flags})"),
                        repeats: None,
                    });
                }
                return Some(());
            }
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let (inner, within) = self.alternatives()?;
        self.depth -= 1;
        if !self.eat(")") {
            return None;
        }
        pieces.push(Piece {
            text: format!("(?{flags}:{inner})"),
            repeats: Some(within),
        });
        Some(())
    }

    /// `i-s:` or `i-s)`: the flags, each once, and whether a group follows.
    fn flags(&mut self) -> Option<(String, bool)> {
        let (mut on, mut off) = (String::new(), String::new());
        let (mut negative, mut seen) = (false, false);
        loop {
            match self.next()? {
                flag @ ('i' | 'm' | 's' | 'U') => {
                    on.retain(|known| known != flag);
                    off.retain(|known| known != flag);
                    if negative { &mut off } else { &mut on }.push(flag);
                    seen = true;
                }
                '-' if !negative => (negative, seen) = (true, false),
                end @ (':' | ')') if !negative || seen => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    return Some((format!("{on}{minus}{off}"), end == ':'));
                }
                _ => return None,
            }
        }
    }

    /// After the opening bracket.
    fn class(&mut self) -> Option<String> {
        let mut text = String::from(if self.eat("^") { "[^" } else { "[" });
        let start = text.len();
        let mut first = true;
        let mut empty = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.rest.starts_with("[:")
                && let Some((name, after)) = self.rest[2..].split_once(":]")
            {
                let (negated, name) = match name.strip_prefix('^') {
                    Some(name) => ("^", name),
                    None => ("", name),
                };
                let (_, members) = POSIX.iter().find(|(known, _)| *known == name)?;
                text.push_str(&format!("[{negated}{members}]"));
                self.rest = after;
                empty = false;
                continue;
            }
            if let Some(class) = self.class_escape()? {
                text.push_str(&class);
                empty = false;
                continue;
            }
            let low = self.class_character()?;
            let mut high = low;
            if self.rest.len() >= 2 && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.next();
                high = self.class_character()?;
                if high < low {
                    return None;
                }
            }
            let (low, high) = (bound(low, true), bound(high, false));
            if low <= high {
                text.push_str(&format!("{}-{}", one(low), one(high)));
                empty = false;
            }
        }
        self.next();
        if empty {
            // Surrogates alone: nothing is in there.
            let all = &NOTHING[2..];
            return Some(if start == 2 {
                format!("[{all}")
            } else {
                NOTHING.to_owned()
            });
        }
        text.push(']');
        Some(text)
    }

    fn class_character(&mut self) -> Option<u32> {
        match self.next()? {
            '\\' => self.escape(),
            character => Some(character.into()),
        }
    }

    /// `\d` and the like, and `\pL`: what stands for them within brackets.
    fn class_escape(&mut self) -> Option<Option<String>> {
        for (escape, members) in [
            ("\\d", "0-9"),
            ("\\D", "[^0-9]"),
            ("\\s", r"\t\n\x{C}\r\x{20}"),
            ("\\S", r"[^\t\n\x{C}\r\x{20}]"),
            ("\\w", "0-9A-Za-z_"),
            ("\\W", "[^0-9A-Za-z_]"),
        ] {
            if self.eat(escape) {
                return Some(Some(members.to_owned()));
            }
        }
        let mut negated = if self.eat("\\p") {
            false
        } else if self.eat("\\P") {
            true
        } else {
            return Some(None);
        };
        let mut name = match self.next()? {
            '{' => {
                let (name, after) = self.rest.split_once('}')?;
                self.rest = after;
                name.to_owned()
            }
            letter => letter.to_string(),
        };
        if let Some(rest) = name.strip_prefix('^') {
            negated = !negated;
            name = rest.to_owned();
        }
        let (mut property, inverted) = property(&name)?;
        if negated != inverted {
            property = format!("[^{property}]");
        }
        Some(Some(property))
    }

    /// After a backslash: the code of a character.
    fn escape(&mut self) -> Option<u32> {
        let letter = self.next()?;
        let octal = |c: char| c.to_digit(8);
        match letter {
            '0'..='7' => {
                let mut code = letter.to_digit(8)?;
                // One digit alone would refer to a group.
                if letter != '0' && !self.rest.starts_with(|c| octal(c).is_some()) {
                    return None;
                }
                for _ in 0..2 {
                    match self.rest.chars().next().and_then(octal) {
                        Some(digit) => code = code * 8 + digit,
                        None => break,
                    }
                    self.next();
                }
                Some(code)
            }
            'x' => {
                let digits = if self.eat("{") {
                    let (digits, after) = self.rest.split_once('}')?;
                    self.rest = after;
                    digits.to_owned()
                } else {
                    [self.next()?, self.next()?].iter().collect()
                };
                let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| good);
                code.filter(|code| *code <= u32::from(char::MAX))
            }
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => Some(other.into()),
            _ => None,
        }
    }
}

/// Repeats the last piece that can be.
fn repeat(pieces: &mut [Piece], minimum: u32, maximum: Option<u32>) -> Option<()> {
    let last = pieces.iter_mut().rfind(|piece| piece.repeats.is_some())?;
    let within = last.repeats.take().unwrap_or_default();
    let counts = match (minimum, maximum) {
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => "?".to_owned(),
        (minimum, None) => format!("{{{minimum},}}"),
        (minimum, Some(maximum)) => format!("{{{minimum},{maximum}}}"),
    };
    last.text = format!("(?:{}){counts}", last.text);
    let times = match (minimum, maximum) {
        // Not counted.
        (0 | 1, None) | (0, Some(1)) => 1,
        (minimum, None) => minimum,
        (_, Some(maximum)) => maximum,
    };
    let repeats = Repeats { times, within };
    let counted = minimum >= 2 || maximum.is_some_and(|maximum| maximum >= 2);
    if counted && !repeats.fit(MOST_REPEATS) {
        return None;
    }
    last.repeats = Some(vec![repeats]);
    Some(())
}

/// A property of characters, and whether its opposite is meant.
fn property(name: &str) -> Option<(String, bool)> {
    let mut canonical = String::new();
    for character in name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')) {
        canonical.push(if canonical.is_empty() {
            character.to_ascii_uppercase()
        } else {
            character.to_ascii_lowercase()
        });
    }
    if canonical.is_empty() || !canonical.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let listed = |list: &str| list.contains(&format!(" {canonical} "));
    Some(match &*canonical {
        "Any" => (r"\x{0}-\x{10FFFF}".to_owned(), false),
        "Assigned" => (r"\p{gc=Cn}".to_owned(), true),
        "Ascii" => (r"\x{0}-\x{7F}".to_owned(), false),
        // None of these stands in a text.
        "Cs" | "Surrogate" => (NOTHING.to_owned(), false),
        name if listed(CATEGORIES) => (format!("\\p{{gc={name}}}"), false),
        name if listed(SCRIPTS) => (format!("\\p{{sc={name}}}"), false),
        name => {
            let (_, category) = ALIASES
                .split_whitespace()
                .filter_map(|alias| alias.split_once('='))
                .find(|(alias, _)| *alias == name)?;
            (format!("\\p{{gc={category}}}"), false)
        }
    })
}
