//! The server's log, read from where it stood before the start, also across a roll.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, MetadataExt};
use serde::{Deserialize, Serialize};

use super::inside::{self, Inside};

/// Where the log stood: Carbon appends to it and rolls it daily, so older lines prove nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMark {
    /// The file, whatever it is called by now; 0 when there was none.
    pub inode: u64,
    /// Bytes in it.
    pub size: u64,
}

const FOLDER: &str = "repository/logs";
const FILE: &str = "repository/logs/wso2carbon.log";
/// The first line of a start.
const STARTING: &[u8] = b"Starting WSO2 Carbon";

/// The log file of a home, for messages. It is never opened by this path: see [`Inside`].
#[must_use]
pub fn path(home: &Path) -> PathBuf {
    home.join(FILE)
}

/// The log and where it stands now; `None` when there is none.
fn open(home: &Path) -> io::Result<Option<(File, LogMark)>> {
    let Some(file) = Inside::open(home)?.map_or(Ok(None), |inside| inside.file(FILE))? else {
        return Ok(None);
    };
    let meta = file.metadata()?;
    let now = LogMark {
        inode: meta.ino(),
        size: meta.size(),
    };
    Ok(Some((file, now)))
}

/// Where the log stands now.
///
/// # Errors
/// When it is there and is no regular file of the home.
pub fn mark(home: &Path) -> io::Result<LogMark> {
    Ok(open(home)?.map_or_else(LogMark::default, |(_, now)| now))
}

/// Where the log's last start begins: for a server that was started by something else.
///
/// # Errors
/// When the log is there and can't be read.
pub fn last_start(home: &Path) -> io::Result<LogMark> {
    let Some((mut file, now)) = open(home)? else {
        return Ok(LogMark::default());
    };
    Ok(LogMark {
        size: last_offset(&mut file, STARTING)?.unwrap_or(0),
        ..now
    })
}

/// Where `needle` stands last. Read piece by piece: a log can be larger than the memory.
fn last_offset(file: &mut impl Read, needle: &[u8]) -> io::Result<Option<u64>> {
    const PIECE: u64 = 1 << 20;
    let (mut window, mut begins, mut found) = (Vec::new(), 0_u64, None);
    loop {
        // What may be the first part of the needle stays for the next piece.
        let kept = window.len().min(needle.len().saturating_sub(1));
        begins += u64::try_from(window.len() - kept).map_err(io::Error::other)?;
        window.drain(..window.len() - kept);
        if file.by_ref().take(PIECE).read_to_end(&mut window)? == 0 {
            return Ok(found);
        }
        if let Some(at) = window.windows(needle.len()).rposition(|part| part == needle) {
            found = Some(begins + u64::try_from(at).map_err(io::Error::other)?);
        }
    }
}

/// At most this much is read at once: a runaway log must not fill the agent's memory.
const READ_MAX: u64 = 16 << 20;

/// Follows the log from a mark on.
#[derive(Debug)]
pub struct LogTail {
    home: PathBuf,
    at: LogMark,
    /// The start of a line whose end was not written yet.
    partial: Vec<u8>,
}

impl LogTail {
    /// Begins at a mark.
    #[must_use]
    pub fn new(home: &Path, from: LogMark) -> Self {
        Self {
            home: home.to_owned(),
            at: from,
            partial: Vec::new(),
        }
    }

    /// The whole lines written since the last call.
    ///
    /// # Errors
    /// When the log is there but can't be read, or is no regular file of the home.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        let Some((mut file, now)) = open(&self.home)? else {
            return Ok(Vec::new());
        };
        let mut bytes = std::mem::take(&mut self.partial);
        if now.inode != self.at.inode {
            self.read_rolled(&mut bytes)?;
            self.at = LogMark { size: 0, ..now };
        } else if now.size < self.at.size {
            // Emptied in place.
            self.at.size = 0;
        }
        self.at.size += read_from(&mut file, self.at.size, &mut bytes)?;
        Ok(self.split(bytes))
    }

    /// What was still written to the old file before the log was rolled.
    fn read_rolled(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if self.at.inode == 0 {
            return Ok(());
        }
        let folder = Inside::open(&self.home)?.map_or(Ok(None), |inside| inside.folder(FOLDER))?;
        if let Some(mut rolled) = folder.and_then(|folder| with_inode(&folder, self.at.inode)) {
            read_from(&mut rolled, self.at.size, bytes)?;
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

/// The regular file of a folder that has this inode, whatever its name.
fn with_inode(folder: &Dir, inode: u64) -> Option<File> {
    let mut entries = folder.entries().ok()?.flatten();
    let entry = entries.find(|entry| {
        entry
            .metadata()
            .is_ok_and(|meta| MetadataExt::ino(&meta) == inode)
    })?;
    let file = inside::open_regular(folder, entry.file_name().as_ref()).ok()?;
    file.metadata()
        .is_ok_and(|meta| meta.ino() == inode)
        .then_some(file)
}

fn read_from(file: &mut File, offset: u64, bytes: &mut Vec<u8>) -> io::Result<u64> {
    file.seek(SeekFrom::Start(offset))?;
    let read = file.take(READ_MAX).read_to_end(bytes)?;
    u64::try_from(read).map_err(io::Error::other)
}

/// The last lines of the log, for an error or a receipt; or why there are none.
#[must_use]
pub fn last_lines(home: &Path, count: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = open(home).and_then(|log| match log {
        Some((mut file, now)) => read_from(&mut file, now.size.saturating_sub(64 << 10), &mut bytes),
        None => Ok(0),
    });
    if let Err(error) = read {
        return vec![format!("(the log can't be read: {error})")];
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
    use std::fs;
    use std::os::unix::fs::symlink;

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
        let mut tail = LogTail::new(home.path(), mark(home.path()).unwrap());
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
        let mut tail = LogTail::new(home.path(), mark(home.path()).unwrap());
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
        let mut tail = LogTail::new(home.path(), mark(home.path()).unwrap());
        assert_eq!(tail.lines().unwrap(), Vec::<String>::new());
        append(home.path(), "first\n");
        assert_eq!(tail.lines().unwrap(), ["first"]);
    }

    #[test]
    fn log_when_it_is_a_link_out_of_the_home_then_no_line_of_it_comes() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let shadow = elsewhere.path().join("shadow");
        fs::write(&shadow, "root:$6$hash:19000\nStarting WSO2 Carbon\n").unwrap();
        fs::create_dir_all(home.path().join(FOLDER)).unwrap();
        symlink(&shadow, path(home.path())).unwrap();
        assert!(mark(home.path()).is_err() && last_start(home.path()).is_err());
        assert!(LogTail::new(home.path(), LogMark::default()).lines().is_err());
        let last = last_lines(home.path(), 10).join("|");
        assert!(last.contains("can't be read") && !last.contains("hash"), "{last}");
        // The folder, too, and a rolled file of the right inode.
        fs::remove_file(path(home.path())).unwrap();
        fs::remove_dir(home.path().join(FOLDER)).unwrap();
        fs::rename(&shadow, elsewhere.path().join("wso2carbon.log")).unwrap();
        symlink(elsewhere.path(), home.path().join(FOLDER)).unwrap();
        assert!(mark(home.path()).is_err());
        assert!(!last_lines(home.path(), 10).join("|").contains("hash"));
    }

    #[test]
    fn log_when_it_is_no_regular_file_then_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(path(home.path())).unwrap();
        assert!(
            mark(home.path())
                .unwrap_err()
                .to_string()
                .contains("regular file")
        );
    }

    #[test]
    fn start_when_there_are_several_then_the_last_one_counts() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(last_start(home.path()).unwrap(), LogMark::default());
        append(home.path(), "no start yet\n");
        assert_eq!(last_start(home.path()).unwrap().size, 0);
        // Across the border between two pieces that are read.
        let filler = "x".repeat((1 << 20) - 30);
        append(
            home.path(),
            &format!("Starting WSO2 Carbon\n{filler}Starting WSO2 Carbon...\nend\n"),
        );
        let text = fs::read_to_string(path(home.path())).unwrap();
        let at = text.rfind("Starting WSO2 Carbon").unwrap();
        assert_eq!(last_start(home.path()).unwrap().size, u64::try_from(at).unwrap());
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
