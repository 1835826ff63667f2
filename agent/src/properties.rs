//! Java properties files, as `java.util.Properties` reads them.

use std::collections::BTreeMap;

/// The values of a properties file in its order, a key once with its last value. The file is ISO-8859-1 with
/// `\uXXXX`; one that is UTF-8 is taken as that, for people write them so.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<(String, String)> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    let mut all: Vec<(String, String)> = Vec::new();
    for line in logical_lines(&text) {
        let (key, value) = split(&line);
        match at.get(&key).and_then(|at| all.get_mut(*at)) {
            Some(entry) => entry.1 = value,
            None => {
                at.insert(key.clone(), all.len());
                all.push((key, value));
            }
        }
    }
    all
}

const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

/// Lines without comments and blank ones, with continued lines joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for natural in text.split(['\n', '\r']) {
        let line = natural.trim_start_matches(BLANK);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let mut joined = open.take().unwrap_or_default();
        let slashes = line.len() - line.trim_end_matches('\\').len();
        if slashes % 2 == 1 {
            joined.push_str(line.strip_suffix('\\').unwrap_or(line));
            open = Some(joined);
        } else {
            joined.push_str(line);
            lines.push(joined);
        }
    }
    lines.extend(open);
    lines
}

/// Key and value of a line, both unescaped.
fn split(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (BLANK.contains(&c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANK);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (unescape(key), unescape(rest.trim_start_matches(BLANK)))
}

fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => result.push('\t'),
            Some('n') => result.push('\n'),
            Some('r') => result.push('\r'),
            Some('f') => result.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.clone().take(4).collect();
                match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                    Some(c) if digits.len() == 4 => {
                        result.push(c);
                        chars.nth(3);
                    }
                    Some(_) | None => result.push('u'),
                }
            }
            Some(other) => result.push(other),
            None => {}
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_when_written_in_every_way_then_read_as_java_does() {
        let text = "# c\n! c\n\n a = 1\r\nb:2\nc 3\nd\ne=x\\\n   y\\\\\nf\\ g\\=h=\\u0041\\tz\na=last\nurl=a=b:c\n#x\\\ny=1\n";
        let found = parse(text.as_bytes());
        let expected = [
            ("a", "last"),
            ("b", "2"),
            ("c", "3"),
            ("d", ""),
            ("e", "xy\\"),
            ("f g=h", "A\tz"),
            ("url", "a=b:c"),
            ("y", "1"),
        ];
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(parse(b"k=\xe9"), [("k".to_owned(), "\u{e9}".to_owned())]);
        assert_eq!(parse(b"k=\\u00"), [("k".to_owned(), "u00".to_owned())]);
        assert_eq!(parse(b"k=\\"), [("k".to_owned(), String::new())]);
    }
}
