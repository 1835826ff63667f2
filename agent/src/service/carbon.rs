//! Processes of a home, found in `/proc`.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::inside::Inside;

/// The class every Carbon server is started with.
const BOOTSTRAP: &[u8] = b"org.wso2.carbon.bootstrap.Bootstrap";
/// What names the home on a server's command line.
const HOME: &[u8] = b"-Dcarbon.home=";
/// The start script, which stays as the server's parent and starts it again when it exits with 121.
const SCRIPT: &str = "wso2server.sh";

/// One process. The pid alone can be given to another process later; together with the start it can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Its start, in clock ticks since boot.
    pub started_ticks: u64,
}

/// What runs for a home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HomeProcesses {
    /// Carbon servers: their command line names the home and Carbon's bootstrap class.
    pub servers: Vec<Process>,
    /// Start scripts of the home that are still at work.
    pub launchers: Vec<Process>,
}

impl HomeProcesses {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.launchers.is_empty()
    }

    /// Everything, servers first.
    pub fn all(&self) -> impl Iterator<Item = Process> + '_ {
        self.servers.iter().chain(&self.launchers).copied()
    }
}

/// Looks through `/proc` for processes of `home`. One that ends meanwhile, or that we may not look into, is left out.
#[must_use]
pub fn find(home: &Path) -> HomeProcesses {
    let mut found = HomeProcesses::default();
    for pid in pids() {
        let Some(args) = command_line(pid) else { continue };
        let role = if is_server(pid, &args, home) {
            &mut found.servers
        } else if is_launcher(pid, &args, home) {
            &mut found.launchers
        } else {
            continue;
        };
        if let Some(process) = identify(pid) {
            role.push(process);
        }
    }
    found.servers.sort();
    found.launchers.sort();
    found
}

/// Every process id there is.
pub(crate) fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The process that has this id now. A process that ended and waits to be reaped is none.
#[must_use]
pub fn identify(pid: u32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let (state, started_ticks) = parse_stat(&stat)?;
    (state != b'Z' && state != b'X').then_some(Process { pid, started_ticks })
}

/// Whether this very process is still there.
#[must_use]
pub fn is_alive(process: Process) -> bool {
    identify(process.pid) == Some(process)
}

/// Whether this very process is a Carbon server of `home` at this moment.
#[must_use]
pub fn is_server_of(process: Process, home: &Path) -> bool {
    is_alive(process) && command_line(process.pid).is_some_and(|args| is_server(process.pid, &args, home))
}

/// The parent of a process: its id and its name.
#[must_use]
pub fn parent(pid: u32) -> Option<(u32, String)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    let parent = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    Some((parent, name.trim_end().to_owned()))
}

/// State letter and start time of a line of `/proc/PID/stat`. The name in it may hold blanks and brackets.
fn parse_stat(stat: &[u8]) -> Option<(u8, u64)> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    // Field 22 of the line; the state is field 3.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

/// The arguments of a process; `None` for one that is gone or belongs to the kernel.
#[must_use]
pub fn command_line(pid: u32) -> Option<Vec<Vec<u8>>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let args: Vec<Vec<u8>> = bytes
        .split(|&byte| byte == 0)
        .filter(|arg| !arg.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    (!args.is_empty()).then_some(args)
}

fn is_server(pid: u32, args: &[Vec<u8>], home: &Path) -> bool {
    let Some(named) = args.iter().find_map(|arg| arg.strip_prefix(HOME)) else {
        return false;
    };
    args.iter().any(|arg| arg == BOOTSTRAP) && same_folder(pid, Path::new(OsStr::from_bytes(named)), home)
}

fn is_launcher(pid: u32, args: &[Vec<u8>], home: &Path) -> bool {
    // `sh …/wso2server.sh`, `nohup sh …/wso2server.sh`, or the script itself; never an editor that shows it.
    let program = args.first().map(|arg| Path::new(OsStr::from_bytes(arg)));
    let shell = program.and_then(Path::file_name).is_some_and(|name| {
        ["sh", "bash", "dash", "nohup", "ksh", "busybox"]
            .iter()
            .any(|shell| name == *shell)
    });
    let script = args.iter().take(3).find_map(|arg| {
        let path = Path::new(OsStr::from_bytes(arg));
        (path.file_name()? == SCRIPT).then_some(path)
    });
    let Some(script) = script.filter(|_| shell) else {
        return false;
    };
    let absolute = if script.is_absolute() {
        script.to_owned()
    } else {
        match fs::read_link(format!("/proc/{pid}/cwd")) {
            Ok(cwd) => cwd.join(script),
            Err(_) => return false,
        }
    };
    absolute
        .parent()
        .and_then(Path::parent)
        .is_some_and(|named| same_folder(pid, named, home))
}

/// Whether `named`, as the process sees it, is the home. A container can have the same path for another folder.
fn same_folder(pid: u32, named: &Path, home: &Path) -> bool {
    if !named.is_absolute() {
        return false;
    }
    let seen = PathBuf::from(format!("/proc/{pid}/root")).join(named.strip_prefix("/").unwrap_or(named));
    match (fs::metadata(seen), fs::metadata(home)) {
        (Ok(seen), Ok(home)) => seen.dev() == home.dev() && seen.ino() == home.ino(),
        // Without the right to look into the process, its words have to do.
        (Err(_), _) | (_, Err(_)) => named.canonicalize().is_ok_and(|real| real == home) || named == home,
    }
}

/// The pid file, in its home.
pub const PID_FILE: &str = "wso2carbon.pid";

/// What the pid file of a home says: digits, then a line end and 90 or so NULs; never removed by Carbon.
///
/// # Errors
/// When it is there and is no regular file of the home.
pub fn pid_file(home: &Path) -> io::Result<Option<u32>> {
    let bytes = Inside::open(home)?.map_or(Ok(None), |inside| inside.read(PID_FILE, 128))?;
    Ok(bytes.and_then(|bytes| parse_pid(&bytes)))
}

fn parse_pid(bytes: &[u8]) -> Option<u32> {
    let digits: Vec<u8> = bytes.iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits)
        .ok()?
        .parse()
        .ok()
        .filter(|&pid| pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_file_when_padded_with_nuls_then_read() {
        let mut bytes = vec![0; 100];
        bytes[..6].copy_from_slice(b"12345\n");
        assert_eq!(parse_pid(&bytes), Some(12345));
        assert_eq!(parse_pid(b"7"), Some(7));
        for bad in [&b""[..], b"\0\0", b"x12", b"0\n", b"99999999999999\n"] {
            assert_eq!(parse_pid(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pid_file_when_it_leads_out_of_the_home_then_not_read() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(pid_file(home.path()).unwrap(), None);
        fs::write(elsewhere.path().join("pid"), "4711\n").unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("pid"), home.path().join(PID_FILE)).unwrap();
        assert!(pid_file(home.path()).is_err());
        fs::remove_file(home.path().join(PID_FILE)).unwrap();
        fs::write(home.path().join(PID_FILE), "4711\n").unwrap();
        assert_eq!(pid_file(home.path()).unwrap(), Some(4711));
    }

    #[test]
    fn stat_when_the_name_holds_brackets_then_read() {
        let line = b"42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 987654 1000 10\n";
        assert_eq!(parse_stat(line), Some((b'S', 987_654)));
        assert_eq!(parse_stat(b"42 (x"), None);
    }

    #[test]
    fn process_when_it_is_us_then_alive_and_no_server() {
        let me = identify(std::process::id()).unwrap();
        assert!(is_alive(me));
        assert!(!is_alive(Process {
            started_ticks: me.started_ticks + 1,
            ..me
        }));
        let home = tempfile::tempdir().unwrap();
        assert!(!is_server_of(me, home.path()));
        assert!(find(home.path()).is_empty());
    }

    #[test]
    fn server_when_the_home_is_a_prefix_of_another_then_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let (old, older) = (root.path().join("wso2"), root.path().join("wso2-old"));
        fs::create_dir(&old).unwrap();
        fs::create_dir(&older).unwrap();
        let args = |home: &Path| {
            let mut named = HOME.to_vec();
            named.extend_from_slice(home.as_os_str().as_bytes());
            vec![b"java".to_vec(), named, BOOTSTRAP.to_vec()]
        };
        let me = std::process::id();
        assert!(is_server(me, &args(&old), &old));
        assert!(!is_server(me, &args(&older), &old));
        assert!(is_server(me, &args(&old.join("../wso2")), &old));
        assert!(
            !is_server(me, &args(&old)[..2], &old),
            "a tool of the home is no server"
        );
    }

    #[test]
    fn launcher_when_an_editor_shows_the_script_then_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let script = root
            .path()
            .join("bin/wso2server.sh")
            .into_os_string()
            .into_encoded_bytes();
        let me = std::process::id();
        let args = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
        assert!(is_launcher(
            me,
            &args(&[b"/bin/sh", &script, b"start"]),
            root.path()
        ));
        assert!(!is_launcher(me, &args(&[b"vi", &script]), root.path()));
        assert!(!is_launcher(
            me,
            &args(&[b"/bin/sh", b"/x/bin/wso2server.sh"]),
            root.path()
        ));
    }
}
