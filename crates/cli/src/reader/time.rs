//! Times of the API, in milliseconds since 1970 and as text.

use aws_sdk_kinesis::primitives::{DateTime, DateTimeFormat};

/// A time of the API. The wire has fractions of seconds in decimal, which the SDK reads as binary: .370 comes out as .369999885.
pub(crate) fn milliseconds(time: &DateTime) -> i64 {
    i64::try_from((time.as_nanos() + 500_000).div_euclid(1_000_000)).unwrap_or(0)
}

/// RFC 3339 in UTC, always with milliseconds, so that it has one width.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    let seconds = DateTime::from_secs(milliseconds.div_euclid(1000)).fmt(DateTimeFormat::DateTime);
    let seconds = seconds.unwrap_or_else(|_| milliseconds.to_string());
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), milliseconds.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_survive_the_sdk() {
        let read = DateTime::from_secs_f64(1_795_467_306.37);
        assert_eq!(milliseconds(&read), 1_795_467_306_370);
        assert_eq!(rfc3339(milliseconds(&read)), "2026-11-23T20:55:06.370Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
