//! Durations and timestamps, in UTC unless a time zone is given as an offset.

use crate::eval::Error;
use crate::value::Value;

use super::Evaluated;

const SECOND: i64 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND as i128;
/// Years 1 to 9999, in nanoseconds since 1970.
const EARLIEST: i128 = -62_135_596_800 * SECOND as i128;
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

/// As cel-go prints: seconds with a fraction.
pub(super) fn show_duration(nanos: i64) -> String {
    let (whole, fraction) = (nanos / SECOND, (nanos % SECOND).abs());
    if fraction == 0 {
        return format!("{whole}s");
    }
    let sign = if nanos < 0 && whole == 0 { "-" } else { "" };
    let digits = format!("{fraction:09}");
    format!("{sign}{whole}.{}s", digits.trim_end_matches('0'))
}

/// Days since 1970 of a date (Howard Hinnant's algorithm).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month from 1, day from 1.
fn date(days: i64) -> (i64, i64, i64) {
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

/// RFC 3339.
pub(crate) fn timestamp(text: &str) -> Option<i128> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if bytes.len() < 20 || separators.iter().any(|(at, c)| bytes[*at] != *c) || bytes[10] != b'T' {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &text[19..];
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        let padded = format!("{:0<9}", &fraction[..length.min(9)]);
        nanos = padded.parse::<i128>().ok()?;
        rest = &fraction[length..];
    }
    let offset = if rest == "Z" { 0 } else { offset(rest)? };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    let total = i128::from(seconds) * i128::from(SECOND) + nanos;
    (EARLIEST..=LATEST).contains(&total).then_some(total)
}

/// `+01:00` or `01:00`, in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

pub(super) fn show_timestamp(nanos: i128) -> String {
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
    text.push('Z');
    text
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

fn made(nanos: i128) -> Evaluated {
    if (EARLIEST..=LATEST).contains(&nanos) {
        Ok(Value::Timestamp(nanos))
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
        ("timestamp", [Int(seconds)]) => made(i128::from(*seconds) * i128::from(SECOND)),
        ("timestamp", [S(text)]) => timestamp(text)
            .map(T)
            .ok_or_else(|| conversion(text, "google.protobuf.Timestamp")),
        ("int", [D(d)]) => Ok(Int(*d)),
        ("int", [T(t)]) => Ok(Int(t.div_euclid(SECOND.into()) as i64)),
        ("_+_", [T(t), D(d)] | [D(d), T(t)]) => made(t + i128::from(*d)),
        ("_+_", [D(a), D(b)]) => lasting(a.checked_add(*b)),
        ("_-_", [T(a), T(b)]) => lasting(i64::try_from(a - b).ok()),
        ("_-_", [T(t), D(d)]) => made(t - i128::from(*d)),
        ("_-_", [D(a), D(b)]) => lasting(a.checked_sub(*b)),
        ("getHours", [D(d)]) => Ok(Int(d / (3600 * SECOND))),
        ("getMinutes", [D(d)]) => Ok(Int(d / (60 * SECOND))),
        ("getSeconds", [D(d)]) => Ok(Int(d / SECOND)),
        ("getMilliseconds", [D(d)]) => Ok(Int(d / 1_000_000)),
        (_, [T(t)]) => return part(function, *t).map(|value| Ok(Int(value))),
        (_, [T(t), S(zone)]) => {
            let shift = match &**zone {
                "UTC" | "" | "Etc/UTC" | "GMT" => 0,
                zone => match offset(zone) {
                    Some(seconds) => seconds,
                    None => return Some(Err(Error::new(format!("unknown time zone {zone}")))),
                },
            };
            let local = t + i128::from(shift) * i128::from(SECOND);
            return part(function, local).map(|value| Ok(Int(value)));
        }
        _ => return None,
    })
}
