//! Times and sizes as people read them.

use std::time::Duration;

/// `2 h 5 min`, `3 min 20 s`, `45 s`.
pub(crate) fn seconds(secs: u64) -> String {
    let (hours, minutes, rest) = (secs / 3600, secs / 60 % 60, secs % 60);
    match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, rest) => format!("{minutes} min {rest} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `12 ms`, `1.2 s`, and from a minute on as [`seconds`].
pub(crate) fn millis(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        60_000.. => seconds(millis / 1000),
    }
}

/// `512 B`, `1.5 KiB`, `3.2 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if scaled < 1024 * 1024 {
            break;
        }
        scaled /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", scaled / 1024, scaled % 1024 * 10 / 1024)
}

/// Reads `90s`, `30m`, `1h30m`, `7d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{text}` is not a time; write it as 90s, 30m, 1h30m or 7d");
    let mut total = 0_u64;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(refused()),
        };
        let count: u64 = digits.parse().map_err(|_| refused())?;
        total = count
            .checked_mul(unit)
            .and_then(|secs| total.checked_add(secs))
            .ok_or_else(refused)?;
        digits.clear();
    }
    if total == 0 || !digits.is_empty() {
        return Err(refused());
    }
    Ok(Duration::from_secs(total))
}

/// An RFC 3339 time to the second, for a person; JSON keeps the whole of it. What is no such time stays as it is.
pub(crate) fn time(at: &str) -> String {
    match at.split_once('.') {
        Some((second, fraction)) if fraction.ends_with('Z') => format!("{}Z", second.replacen('T', " ", 1)),
        Some(_) => at.to_owned(),
        None => at.replacen('T', " ", 1),
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_at_their_limits() {
        assert_eq!(
            [seconds(59), seconds(60), seconds(80)].join(","),
            "59 s,1 min,1 min 20 s"
        );
        assert_eq!([seconds(3600), seconds(7500)].join(","), "1 h,2 h 5 min");
        assert_eq!(
            [millis(999), millis(1234), millis(61_000)].join(","),
            "999 ms,1.2 s,1 min 1 s"
        );
        assert_eq!(
            [bytes(1023), bytes(1024), bytes(1536)].join(","),
            "1023 B,1.0 KiB,1.5 KiB"
        );
        assert_eq!(bytes(3 * 1024 * 1024 * 1024), "3.0 GiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1023.9 KiB");
    }

    #[test]
    fn time_when_shown_then_to_the_second() {
        assert_eq!(time("2026-11-21T01:31:02.471478389Z"), "2026-11-21 01:31:02Z");
        assert_eq!(time("2026-11-21T01:31:02Z"), "2026-11-21 01:31:02Z");
        assert_eq!(time("never"), "never");
    }

    #[test]
    fn duration_when_written_with_units_then_read() {
        assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5400);
        assert_eq!(parse_duration("7d").unwrap().as_secs(), 604_800);
        for bad in ["", "1", "h", "1x", "0s", "1h5", "99999999999999999999h", "-1h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
