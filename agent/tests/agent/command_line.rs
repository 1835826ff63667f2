//! The program itself: exit codes, and what it protects before it does anything.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "node = \"node-1\"\ncoordinator = \"127.0.0.1:1\"\nstate_dir = \"{0}/state\"\nbackup_dir = \"{0}/backup\"\n\
             homes = [\"{0}/wso2*\"]\n",
            folder.path().display()
        );
        fs::write(folder.path().join("agent.toml"), text).unwrap();
        Self { folder }
    }

    fn agent(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .arg("--config")
            .arg(self.folder.path().join("agent.toml"))
            .env_remove("CUTOVER_JOIN_TOKEN")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.agent(&program(), args).output().unwrap()
    }
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_cutover-agent"))
}

#[test]
fn enroll_when_the_token_is_missing_or_none_then_bad_input() {
    let host = Host::new();
    let bad = host.folder.path().join("bad.token");
    fs::write(&bad, "no token at all\n").unwrap();
    for (file, word) in [
        ("/no/such/file", "/no/such/file"),
        (bad.to_str().unwrap(), "cutover node token"),
    ] {
        let ended = host.run(&["enroll", "--token-file", file]);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{file}: {said}");
        assert!(said.contains(word), "{said}");
    }
    let empty = host.run(&["enroll", "--token-file", "-"]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(!host.folder.path().join("state").exists(), "nothing was begun");
}

/// Ends a program when the test ends, however it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn agent_when_it_runs_then_its_memory_can_not_be_dumped() {
    let host = Host::new();
    // The owner of what is in a process' folder in /proc tells it: its user, or root when it can't be dumped. So it takes
    // a user who is not root, and a program that this user can reach.
    let is_root = rustix::process::geteuid().is_root();
    let copy = host.folder.path().join("cutover-agent");
    // By another process: a child that a test beside this one forks would have the new file open for writing.
    assert!(
        Command::new("cp")
            .arg(program())
            .arg(&copy)
            .status()
            .unwrap()
            .success()
    );
    for path in [host.folder.path(), &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = host.agent(&copy, &["enroll", "--token-file", "-"]);
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    if is_root {
        command.uid(4321).gid(4321);
    }
    let mut running = Running(command.spawn().unwrap());
    let pid = running.0.id();
    let comm = PathBuf::from(format!("/proc/{pid}/comm"));
    until("it is the agent", || {
        fs::read_to_string(&comm).is_ok_and(|name| name.trim() == "cutover-agent")
    });
    until("it is not dumpable", || {
        fs::metadata(format!("/proc/{pid}/fd")).is_ok_and(|meta| meta.uid() == 0)
    });
    let mut input = running.0.stdin.take().unwrap();
    input.write_all(b"no token\n").unwrap();
    drop(input);
    assert_eq!(running.0.wait().unwrap().code(), Some(2));
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
