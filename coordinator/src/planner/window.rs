//! Maintenance windows: `Sat 01:00 Europe/Berlin` for `4h`.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Reads the opening of a window.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_open(text: &str) -> Result<(Weekday, Time, TimeZone), String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [day, time, zone] = parts.as_slice() else {
        return Err(format!("`{text}` is not DAY HH:MM ZONE"));
    };
    let day = match day.to_ascii_lowercase().as_str() {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        other => {
            return Err(format!(
                "`{other}` is not a day; write Mon, Tue, Wed, Thu, Fri, Sat or Sun"
            ));
        }
    };
    let time =
        Time::strptime("%H:%M", time).map_err(|_| format!("`{time}` is not a time of day as HH:MM"))?;
    let zone =
        TimeZone::get(zone).map_err(|_| format!("`{zone}` is not a time zone such as Europe/Berlin"))?;
    Ok((day, time, zone))
}

/// Whether a window is open now, and if not, when it opens next.
///
/// # Errors
/// The next opening.
pub fn check(open: &str, length: &str, now: Timestamp) -> Result<(), String> {
    remaining(open, length, now).map(drop)
}

/// Seconds until an open window closes.
///
/// # Errors
/// The next opening, when it is closed.
pub fn remaining(open: &str, length: &str, now: Timestamp) -> Result<u64, String> {
    let (day, time, zone) = parse_open(open)?;
    let length: jiff::Span = length
        .parse()
        .map_err(|_| format!("`{length}` is not a length of time"))?;
    let here = now.to_zoned(zone);
    let next = next_opening(&here, day, time)?;
    // The last opening is within the week before the next one; a gap in local time moves it to where clocks agree.
    let last = next
        .checked_sub(jiff::Span::new().weeks(1))
        .map_err(|e| e.to_string())?;
    let closes = last.checked_add(length).map_err(|e| e.to_string())?;
    if here >= last && here < closes {
        let left = closes.timestamp().as_second() - now.as_second();
        Ok(u64::try_from(left).unwrap_or(0))
    } else {
        Err(next.to_string())
    }
}

fn next_opening(here: &Zoned, day: Weekday, time: Time) -> Result<Zoned, String> {
    for days in 0..=7 {
        let date = here
            .date()
            .checked_add(jiff::Span::new().days(days))
            .map_err(|e| e.to_string())?;
        if date.weekday() != day {
            continue;
        }
        let opening = date
            .to_datetime(time)
            .to_zoned(here.time_zone().clone())
            .map_err(|error| error.to_string())?;
        if &opening > here {
            return Ok(opening);
        }
    }
    Err("the window never opens".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse::<Zoned>().unwrap().timestamp()
    }

    #[test]
    fn window_when_inside_then_open_and_outside_then_the_next_opening() {
        let open = "Sat 01:00 Europe/Berlin";
        assert_eq!(check(open, "4h", at("2026-11-21T02:00[Europe/Berlin]")), Ok(()));
        assert_eq!(check(open, "4h", at("2026-11-21T01:00[Europe/Berlin]")), Ok(()));
        assert_eq!(
            remaining(open, "4h", at("2026-11-21T02:00[Europe/Berlin]")),
            Ok(3 * 3600)
        );
        let next = check(open, "4h", at("2026-11-21T05:00[Europe/Berlin]")).unwrap_err();
        assert!(next.starts_with("2026-11-28T01:00"), "{next}");
    }

    #[test]
    fn window_when_written_wrong_then_said() {
        assert!(parse_open("Sat 01:00").is_err());
        assert!(
            parse_open("Xyz 01:00 Europe/Berlin")
                .unwrap_err()
                .contains("not a day")
        );
        assert!(
            parse_open("Sat 25:00 Europe/Berlin")
                .unwrap_err()
                .contains("time of day")
        );
        assert!(
            parse_open("Sat 01:00 Mars/Base")
                .unwrap_err()
                .contains("time zone")
        );
    }
}
