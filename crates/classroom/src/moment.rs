//! Moments as exports and assignments write them.

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// Reads what RFC 3339 allows (`2026-12-01T23:59:00+01:00`), and what Ruby's and Python's YAML
    /// write: a space instead of the `T`, one more before the offset, `UTC` for `Z`.
    ///
    /// Without an offset there is no telling which moment is meant: none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        let mut parts = date.split('-');
        let year = number(parts.next()?, 4)?;
        let (month, day) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        if parts.next().is_some() || !(1..=12).contains(&month) {
            return None;
        }
        if !(1..=days_of(year, month)).contains(&day) {
            return None;
        }
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (time, rest) = rest.split_at_checked(8)?;
        let mut parts = time.split(':');
        let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        let second = number(parts.next()?, 2)?;
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (milliseconds, rest) = fraction(rest)?;
        let offset_minutes = offset(rest.trim_start())?;
        let seconds =
            ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes) * 60
                + second;
        Some(Self(seconds * 1000 + milliseconds))
    }
}

/// Digits of exactly this number.
fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// The milliseconds of `.123456`, if it stands there, and the rest.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at(count);
    let first: String = digits.chars().chain("000".chars()).take(3).collect();
    (count > 0).then_some(())?;
    Some((first.parse().ok()?, rest))
}

fn offset(text: &str) -> Option<i64> {
    if ["Z", "z", "UTC"].contains(&text) {
        return Some(0);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|character| *character != ':').collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts from 1 March of year 0, so that the leap day ends a year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_to_month = (153 * month + 2) / 5;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + days_to_month + day - 1;
    days - 719_468
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn moments_are_read_as_written() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00+00:00", 951_825_600),
            ("2026-12-01T23:59:00+01:00", 1_796_165_940),
            ("2026-12-01 22:59:00.000000000 Z", 1_796_165_940),
            ("2026-12-01 14:59:00 -08:00", 1_796_165_940),
            ("2026-12-01 22:59:00 UTC", 1_796_165_940),
        ] {
            assert_eq!(Moment::parse(text), Some(Moment(seconds * 1000)), "{text}");
        }
        assert_eq!(Moment::parse("1970-01-01T00:00:01.5Z"), Some(Moment(1500)));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "tomorrow",
            "2026-12-01",
            "2026-12-01T23:59:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-12-01T24:00:00Z",
            "2026-12-01T00:00:00.Z",
            "2026-12-01T00:00:00+1",
            "２026-12-01T00:00:00Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
