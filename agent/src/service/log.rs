//! The server's log, read from where it stood before the start, also across a roll.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the log stood: Carbon appends to it and rolls it daily, so older lines prove nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMark {
    /// The file, whatever it is called by now; 0 when there was none.
    pub inode: u64,
    /// Bytes in it.
    pub size: u64,
}

/// The log file of a home.
#[must_use]
pub fn path(home: &Path) -> PathBuf {
    home.join("repository/logs/wso2carbon.log")
}

/// Where the log stands now.
#[must_use]
pub fn mark(home: &Path) -> LogMark {
    fs::metadata(path(home)).map_or_else(
        |_| LogMark::default(),
        |meta| LogMark {
            inode: meta.ino(),
            size: meta.size(),
        },
    )
}

/// At most this much is read at once: a runaway log must not fill the agent's memory.
const READ_MAX: u64 = 16 << 20;

/// Follows the log from a mark on.
#[derive(Debug)]
pub struct LogTail {
    path: PathBuf,
    at: LogMark,
    /// The start of a line whose end was not written yet.
    partial: Vec<u8>,
}

impl LogTail {
    /// Begins at a mark.
    #[must_use]
    pub fn new(home: &Path, from: LogMark) -> Self {
        Self {
            path: path(home),
            at: from,
            partial: Vec::new(),
        }
    }

    /// The whole lines written since the last call.
    ///
    /// # Errors
    /// When the log is there but can't be read.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        let mut bytes = std::mem::take(&mut self.partial);
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.partial = bytes;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        if meta.ino() != self.at.inode {
            self.read_rolled(&mut bytes)?;
            self.at = LogMark {
                inode: meta.ino(),
                size: 0,
            };
        } else if meta.size() < self.at.size {
            // Emptied in place.
            self.at.size = 0;
        }
        self.at.size += read_from(&self.path, self.at.size, &mut bytes)?;
        Ok(self.split(bytes))
    }

    /// What was still written to the old file before the log was rolled.
    fn read_rolled(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let Some(folder) = self.path.parent().filter(|_| self.at.inode != 0) else {
            return Ok(());
        };
        for entry in fs::read_dir(folder)?.flatten() {
            if entry.metadata().is_ok_and(|meta| meta.ino() == self.at.inode) {
                read_from(&entry.path(), self.at.size, bytes)?;
            }
        }
        Ok(())
    }

    fn split(&mut self, mut bytes: Vec<u8>) -> Vec<String> {
        let end = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        self.partial = bytes.split_off(end);
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn read_from(path: &Path, offset: u64, bytes: &mut Vec<u8>) -> io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let read = file.take(READ_MAX).read_to_end(bytes)?;
    Ok(u64::try_from(read).unwrap_or(0))
}

/// The last lines of the log, for an error or a receipt.
#[must_use]
pub fn last_lines(home: &Path, count: usize) -> Vec<String> {
    let size = mark(home).size;
    let mut bytes = Vec::new();
    if read_from(&path(home), size.saturating_sub(64 << 10), &mut bytes).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.iter().skip(from).map(|line| mask(line)).collect()
}

/// Masks what may be a password in a line that leaves the host.
#[must_use]
pub fn mask(line: &str) -> String {
    let mut text = line.to_owned();
    for word in [
        "password",
        "passwd",
        "pwd",
        "keypass",
        "storepass",
        "secret",
        "credential",
    ] {
        text = mask_after(&text, word);
    }
    mask_user_info(&text)
}

/// Replaces the value in `word=value`, `word: value` and `<word>value<`.
fn mask_after(line: &str, word: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.to_ascii_lowercase().find(word) {
        let (before, after) = rest.split_at(at + word.len());
        out.push_str(before);
        let quoted = after.trim_start_matches(['"', '\'']);
        let value = quoted
            .strip_prefix(['=', ':', '>'])
            .map(|value| value.trim_start_matches([' ', '"', '\'', '[']));
        let Some(value) = value else {
            rest = after;
            continue;
        };
        let gap = after.len() - value.len();
        let end = value
            .find([' ', '&', ';', ',', '<', '"', '\'', ')', ']', '\t'])
            .unwrap_or(value.len());
        out.push_str(after.get(..gap).unwrap_or_default());
        if end > 0 {
            out.push_str("***");
        }
        rest = value.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Replaces the password in `scheme://user:password@host`.
fn mask_user_info(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(['/', ' ', '?', '"', '\'', ')', ','])
            .unwrap_or(after.len());
        let authority = after.get(..end).unwrap_or_default();
        match authority
            .rsplit_once('@')
            .and_then(|(info, host)| Some((info.split_once(':')?.0, host)))
        {
            Some((user, host)) => {
                out.push_str(user);
                out.push_str(":***@");
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = after.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(home: &Path, text: &str) {
        let path = path(home);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let old = fs::read(&path).unwrap_or_default();
        use std::io::Write;
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        assert!(fs::read(&path).unwrap().len() > old.len());
    }

    #[test]
    fn log_when_older_lines_stand_in_it_then_only_newer_ones_come() {
        let home = tempfile::tempdir().unwrap();
        append(home.path(), "WSO2 Carbon started in 9 sec\n");
        let mut tail = LogTail::new(home.path(), mark(home.path()));
        assert_eq!(tail.lines().unwrap(), Vec::<String>::new());
        append(home.path(), "one\ntw");
        assert_eq!(tail.lines().unwrap(), ["one"]);
        append(home.path(), "o\n");
        assert_eq!(tail.lines().unwrap(), ["two"]);
    }

    #[test]
    fn log_when_rolled_then_nothing_is_lost() {
        let home = tempfile::tempdir().unwrap();
        append(home.path(), "old\n");
        let mut tail = LogTail::new(home.path(), mark(home.path()));
        append(home.path(), "before the roll\n");
        let log = path(home.path());
        fs::rename(&log, log.with_extension("log.2026-11-20")).unwrap();
        assert_eq!(tail.lines().unwrap(), Vec::<String>::new());
        append(home.path(), "after the roll\n");
        assert_eq!(tail.lines().unwrap(), ["before the roll", "after the roll"]);
    }

    #[test]
    fn log_when_there_was_none_then_read_from_its_start() {
        let home = tempfile::tempdir().unwrap();
        let mut tail = LogTail::new(home.path(), mark(home.path()));
        assert_eq!(tail.lines().unwrap(), Vec::<String>::new());
        append(home.path(), "first\n");
        assert_eq!(tail.lines().unwrap(), ["first"]);
    }

    #[test]
    fn line_when_it_holds_a_password_then_masked() {
        for line in [
            "url jdbc:mysql://db/x?user=u&password=hunter2&ssl=1",
            "Password: hunter2",
            "<password>hunter2</password>",
            "keystorePass=hunter2, storePassword=\"hunter2\"",
            "mysql://root:hunter2@db1/x",
            "{password=hunter2}",
        ] {
            assert!(!mask(line).contains("hunter2"), "{line} -> {}", mask(line));
        }
        let plain = "WSO2 Carbon started in 32 sec at https://host:9443/carbon/";
        assert_eq!(mask(plain), plain);
    }
}
