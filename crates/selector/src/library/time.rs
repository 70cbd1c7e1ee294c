//! Durations and timestamps, in UTC unless a time zone is given.

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

const SECOND: i64 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND as i128;
/// Years 1 to 9999, in nanoseconds since 1970.
pub(super) const EARLIEST: i128 = -62_135_596_800 * SECOND as i128;
const LATEST: i128 = 253_402_300_799 * SECOND as i128 + 999_999_999;

/// Go's `time.ParseDuration`.
fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(digits(rest));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let length = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND.into(),
            "m" => 60 * i128::from(SECOND),
            "h" => 3600 * i128::from(SECOND),
            _ => return None,
        };
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total.checked_add(whole.checked_mul(unit)?)?;
        let mut scale = unit;
        for digit in fraction.bytes().take(18) {
            scale /= 10;
            total += i128::from(digit - b'0') * scale;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// As cel-go prints: seconds, in a double.
pub(super) fn show_duration(nanos: i64) -> String {
    let seconds = (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / 1e9;
    format!("{}s", if seconds == 0.0 { 0.0 } else { seconds })
}

/// Days since 1970 of a date (Howard Hinnant's algorithm).
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month from 1, day from 1.
pub(super) fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (years + era * 400 + i64::from(month <= 2), month, day)
}

/// A moment, and where it was written: that shows when it is written again.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Since 1970 in UTC.
    pub nanos: i128,
    /// Of its zone from UTC, in seconds.
    offset: i32,
}

impl Moment {
    /// As Go counts seconds, from the year 1: beyond the last of them come the first.
    pub(crate) fn from_unix(seconds: i64, nanos: i32) -> Moment {
        const EPOCH: i64 = 62_135_596_800;
        let seconds = i128::from(seconds.wrapping_add(EPOCH)) - i128::from(EPOCH);
        Moment {
            nanos: seconds * i128::from(SECOND) + i128::from(nanos),
            offset: 0,
        }
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

/// `2020-01-31`, in days since 1970.
fn day(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=longest).contains(&day).then(|| days(year, month, day))
}

pub(super) fn is_date(text: &str) -> bool {
    day(text).is_some()
}

/// RFC 3339, as Go's `time.Parse` reads it: an hour may have one digit, a comma may stand before a
/// fraction, and a zone may be up to twenty-four hours and sixty minutes away.
pub(crate) fn timestamp(text: &str) -> Option<Moment> {
    let two = |text: &str| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    let day = day(text.get(..10)?)?;
    let clock = text.get(10..)?.strip_prefix('T')?;
    let (hour, rest) = clock.split_once(':')?;
    let one = hour.len() == 1 && hour.as_bytes()[0].is_ascii_digit();
    let hour = if one { hour.parse().ok()? } else { two(hour)? };
    let minute = two(rest.get(..2)?)?;
    let rest = rest[2..].strip_prefix(':')?;
    let second = two(rest.get(..2)?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &rest[2..];
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        let padded = format!("{:0<9}", &fraction[..length.min(9)]);
        nanos = padded.parse::<i128>().ok()?;
        rest = &fraction[length..];
    }
    let offset = if rest == "Z" {
        0
    } else {
        let sign = match rest.get(..1)? {
            "+" => 1,
            "-" => -1,
            _ => return None,
        };
        let (hours, minutes) = rest[1..].split_once(':')?;
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        if hours > 24 || minutes > 60 {
            return None;
        }
        sign * (hours * 3600 + minutes * 60)
    };
    let seconds = day * 86_400 + hour * 3600 + minute * 60 + second - offset;
    let nanos = i128::from(seconds) * i128::from(SECOND) + nanos;
    let offset = offset as i32;
    (EARLIEST..=LATEST)
        .contains(&nanos)
        .then_some(Moment { nanos, offset })
}

/// How far the clocks of a zone are from UTC, in seconds.
fn shift(zone: &str, nanos: i128) -> Option<i64> {
    if zone.contains(':') {
        return zone_offset(zone);
    }
    let moment = nanos.div_euclid(SECOND.into());
    super::zone::offset(zone, i64::try_from(moment).ok()?)
}

/// A zone by its distance from UTC, `1:30` or `-01:30`, in seconds.
fn zone_offset(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| -> Option<i64> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        good.then(|| text.parse().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minutes = if text.starts_with('-') {
        hours.checked_mul(60)?.checked_sub(minutes)?
    } else {
        hours.checked_mul(60)?.checked_add(minutes)?
    };
    // Farther than this there is no moment to show.
    (minutes.abs() < 10_000_000_000).then_some(minutes * 60)
}

pub(super) fn show_timestamp(moment: Moment) -> String {
    let nanos = moment.nanos + i128::from(moment.offset) * i128::from(SECOND);
    let day = nanos.div_euclid(DAY);
    let within = nanos.rem_euclid(DAY);
    let (year, month, day) = date(day as i64);
    let seconds = within / i128::from(SECOND);
    let fraction = within % i128::from(SECOND);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction != 0 {
        text.push('.');
        text.push_str(format!("{fraction:09}").trim_end_matches('0'));
    }
    if moment.offset == 0 {
        return text + "Z";
    }
    let sign = if moment.offset < 0 { '-' } else { '+' };
    let minutes = moment.offset.abs() / 60;
    text + &format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn part(function: &str, nanos: i128) -> Option<i64> {
    let day = nanos.div_euclid(DAY) as i64;
    let within = nanos.rem_euclid(DAY);
    let seconds = (within / i128::from(SECOND)) as i64;
    let (year, month, of_month) = date(day);
    Some(match function {
        "getFullYear" => year,
        "getMonth" => month - 1,
        "getDayOfYear" => day - days(year, 1, 1),
        "getDayOfMonth" => of_month - 1,
        "getDate" => of_month,
        "getDayOfWeek" => (day + 4).rem_euclid(7),
        "getHours" => seconds / 3600,
        "getMinutes" => seconds / 60 % 60,
        "getSeconds" => seconds % 60,
        "getMilliseconds" => (within % i128::from(SECOND) / 1_000_000) as i64,
        _ => return None,
    })
}

fn made(nanos: i128, offset: i32) -> Evaluated {
    if (EARLIEST..=LATEST).contains(&nanos) {
        Ok(Value::Timestamp(Moment { nanos, offset }))
    } else {
        Err(Error::new("timestamp overflow"))
    }
}

fn lasting(nanos: Option<i64>) -> Evaluated {
    nanos
        .map(Value::Duration)
        .ok_or_else(|| Error::new("duration overflow"))
}

pub(super) fn call(function: &str, arguments: &[Value]) -> Option<Evaluated> {
    use Value::{Duration as D, Int, String as S, Timestamp as T};
    let conversion = |text: &str, to: &str| {
        Error::new(format!(
            "type conversion error from 'string' to '{to}': {text:?}"
        ))
    };
    Some(match (function, arguments) {
        ("duration", [D(d)]) => Ok(D(*d)),
        ("duration", [S(text)]) => duration(text)
            .map(D)
            .ok_or_else(|| conversion(text, "google.protobuf.Duration")),
        ("timestamp", [T(t)]) => Ok(T(*t)),
        ("timestamp", [Int(seconds)]) => made(i128::from(*seconds) * i128::from(SECOND), 0),
        ("timestamp", [S(text)]) => timestamp(text)
            .map(T)
            .ok_or_else(|| conversion(text, "google.protobuf.Timestamp")),
        ("int", [D(d)]) => Ok(Int(*d)),
        ("int", [T(t)]) => Ok(Int(t.nanos.div_euclid(SECOND.into()) as i64)),
        ("_+_", [T(t), D(d)] | [D(d), T(t)]) => made(t.nanos + i128::from(*d), t.offset),
        ("_+_", [D(a), D(b)]) => lasting(a.checked_add(*b)),
        ("_-_", [T(a), T(b)]) => lasting(i64::try_from(a.nanos - b.nanos).ok()),
        ("_-_", [T(_), D(i64::MIN)]) => Err(Error::new("duration overflow")),
        ("_-_", [T(t), D(d)]) => made(t.nanos - i128::from(*d), t.offset),
        ("_-_", [D(a), D(b)]) => lasting(a.checked_sub(*b)),
        // Not declared, but what may be of any type can be this.
        ("-_", [D(d)]) => lasting(d.checked_neg()),
        ("getHours", [D(d)]) => Ok(Int(d / (3600 * SECOND))),
        ("getMinutes", [D(d)]) => Ok(Int(d / (60 * SECOND))),
        ("getSeconds", [D(d)]) => Ok(Int(d / SECOND)),
        ("getMilliseconds", [D(d)]) => Ok(Int(d / 1_000_000)),
        (_, [T(t)]) => return part(function, t.nanos).map(|value| Ok(Int(value))),
        (_, [T(t), S(zone)]) => {
            let shift = match &**zone {
                "UTC" | "" | "Local" => 0,
                zone => match shift(zone, t.nanos) {
                    Some(seconds) => seconds,
                    None => return Some(Err(Error::new(format!("unknown time zone {zone}")))),
                },
            };
            let local = t.nanos + i128::from(shift) * i128::from(SECOND);
            return part(function, local).map(|value| Ok(Int(value)));
        }
        _ => return None,
    })
}
