//! Dates as signatures spell them: ISO 8601 basic (`20150830T123600Z`), and the HTTP date of a `Date` header (RFC 9110
//! §5.6.7, preferred form), and the same ISO date in extended form.

/// A moment in milliseconds since 1970.
pub type Millis = i64;

const SECOND: Millis = 1000;
const DAY: Millis = 24 * 60 * 60 * SECOND;

/// Writes a moment as `20150830T123600Z`. Years past 9999 are written as that year, those before 1970 as its beginning.
pub fn iso_basic(at: Millis) -> String {
    let at = at.clamp(0, 253_402_300_799_999);
    let (year, month, day) = date_of(at.div_euclid(DAY));
    let seconds = at.rem_euclid(DAY) / SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads a date in any of the three spellings.
pub fn parse(text: &str) -> Option<Millis> {
    parse_iso_basic(text).or_else(|| parse_iso_extended(text)).or_else(|| parse_http(text))
}

/// Reads `20150830T123600Z`.
pub fn parse_iso_basic(text: &str) -> Option<Millis> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    (bytes[8] == b'T' && bytes[15] == b'Z').then_some(())?;
    let date = (number(&bytes[0..4])?, number(&bytes[4..6])?, number(&bytes[6..8])?);
    moment(date, (number(&bytes[9..11])?, number(&bytes[11..13])?, number(&bytes[13..15])?))
}

/// Reads `2015-08-30T12:36:00Z`, with or without a fraction of a second.
fn parse_iso_extended(text: &str) -> Option<Millis> {
    let (whole, fraction) = text.strip_suffix('Z')?.split_once('.').unwrap_or((text.strip_suffix('Z')?, "0"));
    let bytes: &[u8; 19] = whole.as_bytes().try_into().ok()?;
    let marks = [bytes[4], bytes[7], bytes[10], bytes[13], bytes[16]];
    (marks == *b"--T::" && fraction.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    let date = (number(&bytes[0..4])?, number(&bytes[5..7])?, number(&bytes[8..10])?);
    moment(date, (number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?))
}

/// Reads `Sun, 30 Aug 2015 12:36:00 GMT`.
fn parse_http(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day = number(words.next()?.as_bytes())?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let year = number(words.next()?.as_bytes())?;
    let mut clock = words.next()?.split(':').map(|part| number(part.as_bytes()));
    let clock = (clock.next()??, clock.next()??, clock.next()??);
    matches!(words.next()?, "GMT" | "UTC" | "+0000").then_some(())?;
    moment((year, month, day), clock)
}

fn number(digits: &[u8]) -> Option<i64> {
    ((1..=4).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)).then_some(())?;
    Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

fn moment((year, month, day): (i64, i64, i64), (hour, minute, second): (i64, i64, i64)) -> Option<Millis> {
    let ranges = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    let days = ranges.then(|| days_of(year, month, day))?;
    (date_of(days) == (year, month, day)).then_some(days * DAY + ((hour * 60 + minute) * 60 + second) * SECOND)
}

/// Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that the leap day is the last,
/// in eras of 400 years, after which the calendar repeats.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_of`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_spellings_are_one_moment() {
        let moment = Some(1_440_938_160_000);
        assert_eq!(parse("20150830T123600Z"), moment);
        assert_eq!(parse("2015-08-30T12:36:00Z"), moment);
        assert_eq!(parse("2015-08-30T12:36:00.123Z"), moment);
        assert_eq!(parse("Sun, 30 Aug 2015 12:36:00 GMT"), moment);
        for wrong in
            ["", "Z", "20150230T123600Z", "20150830T243600Z", "20150830T123600", "Sun, 30 Foo 2015 12:36:00 GMT"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(iso_basic(i64::MAX), "99991231T235959Z");
    }

    proptest! {
        #[test]
        fn moments_read_back(seconds in 0..253_402_300_800_i64) {
            prop_assert_eq!(parse_iso_basic(&iso_basic(seconds * 1000)), Some(seconds * 1000));
        }

        #[test]
        fn nothing_panics(text in any::<String>(), digits in "[0-9TZ:., A-Za-z-]{0,32}") {
            parse(&text);
            parse(&digits);
        }
    }
}
