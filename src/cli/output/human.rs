//! Numbers as people read them: sizes, times, spans.

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
const UNIT_BYTES: f64 = 1024.0;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A size, in the largest unit of which there is one.
pub(crate) fn bytes(bytes: f64) -> String {
    let mut left = bytes;
    let mut units = UNITS.iter().peekable();
    while let Some(unit) = units.next() {
        if left.abs() < UNIT_BYTES || units.peek().is_none() {
            let digits = usize::from(*unit != "B");
            return format!("{left:.digits$} {unit}");
        }
        left /= UNIT_BYTES;
    }
    String::new()
}

/// A moment, given in milliseconds since 1970, as RFC 3339 writes it in UTC.
pub(crate) fn time_ms(ms: f64) -> String {
    let seconds = (ms / 1000.0) as i64;
    let (days, second) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970. Counts from the first of March, so that
/// the day that leap years add is the last of a year (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// A span, in its two largest units.
pub(crate) fn duration_ms(ms: f64) -> String {
    let seconds = (ms / 1000.0) as i64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        ..=0 => format!("{ms:.0} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_spans_and_times_read_well() {
        for (size, text) in
            [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (2e15, "1819.0 TiB")]
        {
            assert_eq!(bytes(size), text);
        }
        for (ms, text) in [
            (999.0, "999 ms"),
            (59_999.0, "59 s"),
            (61_000.0, "1 min 1 s"),
            (3_660_000.0, "1 h 1 min"),
            (90_000_000.0, "1 d 1 h"),
        ] {
            assert_eq!(duration_ms(ms), text);
        }
        for (ms, text) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (951_782_400_000.0, "2000-02-29T00:00:00Z"),
            (1_709_251_199_000.0, "2024-02-29T23:59:59Z"),
            (1_735_689_600_000.0, "2025-01-01T00:00:00Z"),
        ] {
            assert_eq!(time_ms(ms), text);
        }
        // Nonsense from a broker is shown as nonsense.
        assert!(!time_ms(f64::MAX).is_empty() && !time_ms(f64::NAN).is_empty());
    }
}
