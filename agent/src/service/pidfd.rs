//! Signals and waits that can't hit another process: by process file descriptor, never by number.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::carbon::{self, Process};

/// A handle on one very process.
#[derive(Debug)]
pub struct ProcessHandle {
    process: Process,
    fd: AsyncFd<OwnedFd>,
}

impl ProcessHandle {
    /// Opens a handle. `None` when the process is gone. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When the kernel gives no handle although the process is there.
    pub fn open(process: Process) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let fd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The number may have been given away between the look and the open; the start time tells.
        if !carbon::is_alive(process) {
            return Ok(None);
        }
        #[expect(
            deprecated,
            reason = "an OwnedFd never changes its descriptor; the replacement is unsafe code"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Some(Self { process, fd }))
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process
    }

    /// Asks the process to end.
    ///
    /// # Errors
    /// When the signal was refused. A process that is gone already is no error.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Ends the process.
    ///
    /// # Errors
    /// As for [`ProcessHandle::terminate`].
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.fd.get_ref(), signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// When the handle can't be waited on.
    pub async fn ended(&self) -> io::Result<()> {
        self.fd.readable().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn handle_when_terminated_then_end_is_seen() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = carbon::identify(child.id()).unwrap();
        let handle = ProcessHandle::open(process).unwrap().unwrap();
        handle.terminate().unwrap();
        handle.ended().await.unwrap();
        assert!(!carbon::is_alive(process), "a zombie counts as ended");
        child.wait().unwrap();
        assert!(ProcessHandle::open(process).unwrap().is_none());
    }

    #[tokio::test]
    async fn handle_when_the_pid_means_another_process_then_none() {
        let me = carbon::identify(std::process::id()).unwrap();
        let other = Process {
            started_ticks: me.started_ticks + 1,
            ..me
        };
        assert!(ProcessHandle::open(other).unwrap().is_none());
    }
}
