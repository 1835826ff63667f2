//! Starts servers from one thread that lives as long as the process.
//!
//! The kernel sends the parent-death signal when the *thread* that started the child ends. A test's thread
//! ends with the test, and a server shared by several tests would die with the first of them.

use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

struct Request {
    command: Command,
    answer: Sender<std::io::Result<Child>>,
}

/// Starts `command` from a thread that lasts as long as this process, so that a parent-death signal which the
/// command sets is bound to the whole process.
///
/// # Errors
/// When the program can't be started.
pub fn spawn_lasting(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let gone = || std::io::Error::other("the thread that starts database servers has ended");
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = channel();
        std::thread::spawn(move || serve(&requests));
        Mutex::new(sender)
    });
    let (answer, result) = channel();
    let request = Request { command, answer };
    spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(request)
        .map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

fn serve(requests: &Receiver<Request>) {
    for Request { mut command, answer } in requests {
        // Whoever asked may have panicked meanwhile; the child then ends with its handle's owner, us.
        if let Err(unsent) = answer.send(command.spawn())
            && let Ok(mut child) = unsent.0
        {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
