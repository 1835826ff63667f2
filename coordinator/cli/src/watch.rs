//! Follows a run until it ends or waits for a person.

mod bars;
mod lines;
mod tracker;

use std::time::Duration;

use cutover_proto::pb;
use cutover_proto::pb::watch_run_response::Kind;
use cutover_proto::view::{RunStepView, RunView};
use tokio::time::{Instant, sleep};
use tonic::{Code, Status, Streaming};

use crate::console::Console;
use crate::error::{CliError, status_text};
use crate::exit::Exit;
use crate::remote::{Client, read};
use crate::runview;

use self::bars::Bars;
use self::lines::{JsonLines, Lines};
use self::tracker::{Change, Tracker};

const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A coordinator that is upgraded or moved is back by then; after it somebody should look.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the coordinator tells of a run.
#[derive(Debug)]
pub(crate) enum Message {
    /// All of it.
    Run(Box<RunView>),
    /// One step.
    Step(Box<RunStepView>),
    /// How far a step is.
    Progress(pb::StepProgress),
}

/// How a run is shown.
trait Screen {
    /// Shows what a message changed, and the run as it is now.
    fn show(&mut self, message: &Message, changes: &[Change], run: Option<&RunView>) -> Result<(), CliError>;
    /// Says something that is not about the run.
    fn note(&mut self, text: &str);
    /// Shows how it ended.
    fn end(&mut self, run: &RunView) -> Result<(), CliError>;
}

/// What is followed and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch<'a> {
    /// The run as the operator named it.
    pub(crate) run: &'a str,
    /// No bars.
    pub(crate) plain: bool,
    /// Whether steps that had ended before are shown too: for a run just started they are news.
    pub(crate) from_start: bool,
}

/// Follows a run; Ctrl-C stops following, not the run.
pub(crate) async fn follow(
    console: &Console,
    client: &mut Client,
    watch: Watch<'_>,
) -> Result<Exit, CliError> {
    let mut screen: Box<dyn Screen> = if console.json {
        Box::new(JsonLines::new(console))
    } else if console.live && !watch.plain {
        Box::new(Bars::new(console))
    } else {
        Box::new(Lines::new(console))
    };
    let mut tracker = Tracker::new(watch.from_start);
    let followed = tokio::select! {
        followed = follow_on(client, watch.run, &mut tracker, &mut *screen) => Some(followed),
        _ = tokio::signal::ctrl_c() => None,
    };
    match followed {
        Some(followed) => followed,
        None => {
            let run = tracker
                .run()
                .map_or_else(|| watch.run.to_owned(), |run| run.id.to_string());
            screen.note(&format!(
                "the run goes on; follow it again with: cutover watch {run}"
            ));
            Ok(Exit::Interrupted)
        }
    }
}

/// Follows through any number of broken connections.
async fn follow_on(
    client: &mut Client,
    run: &str,
    tracker: &mut Tracker,
    screen: &mut dyn Screen,
) -> Result<Exit, CliError> {
    let mut pause = PAUSE_FIRST;
    let mut heard = Instant::now();
    loop {
        let before = tracker.heard();
        let broken = match follow_stream(client, run, tracker, screen).await? {
            Followed::Ended(exit) => return Ok(exit),
            Followed::Broken(status) => status,
        };
        if tracker.heard() > before {
            pause = PAUSE_FIRST;
            heard = Instant::now();
        }
        if heard.elapsed() > PATIENCE {
            return Err(CliError::from(broken));
        }
        let why = status_text(&broken);
        screen.note(&format!(
            "the connection to the coordinator broke ({why}); the run goes on; trying again"
        ));
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

enum Followed {
    Ended(Exit),
    Broken(Status),
}

/// Follows one stream to the end of the run or of the stream.
async fn follow_stream(
    client: &mut Client,
    run: &str,
    tracker: &mut Tracker,
    screen: &mut dyn Screen,
) -> Result<Followed, CliError> {
    // After a break the id is asked for: the name may mean a newer run by then.
    let run = tracker
        .run()
        .map_or_else(|| run.to_owned(), |run| run.id.to_string());
    let known = tracker.run().is_some();
    let mut stream = match client.watch_run(pb::WatchRunRequest { run }).await {
        Ok(response) => response.into_inner(),
        Err(status) if known && may_pass(&status) => return Ok(Followed::Broken(status)),
        Err(status) => return Err(status.into()),
    };
    loop {
        let message = match next(&mut stream).await {
            Ok(Some(message)) => message?,
            Ok(None) => return Ok(Followed::Broken(Status::unavailable("the stream ended"))),
            Err(status) if may_pass(&status) => return Ok(Followed::Broken(status)),
            Err(status) => return Err(status.into()),
        };
        let changes = tracker.apply(&message);
        screen.show(&message, &changes, tracker.run())?;
        if let Some(run) = tracker.run()
            && let Some(exit) = runview::end(run)
        {
            screen.end(run)?;
            return Ok(Followed::Ended(exit));
        }
    }
}

async fn next(
    stream: &mut Streaming<pb::WatchRunResponse>,
) -> Result<Option<Result<Message, CliError>>, Status> {
    loop {
        let Some(response) = stream.message().await? else {
            return Ok(None);
        };
        // A kind that a newer coordinator knows and we do not is nothing to fail on.
        if let Some(kind) = response.kind {
            return Ok(Some(parse(kind)));
        }
    }
}

fn parse(kind: Kind) -> Result<Message, CliError> {
    Ok(match kind {
        Kind::Run(document) => Message::Run(Box::new(read("run/1", &document)?)),
        Kind::Step(document) => Message::Step(Box::new(read("run-step/1", &document)?)),
        Kind::Progress(progress) => Message::Progress(progress),
    })
}

/// Whether the coordinator may be back soon. What it refuses on purpose it will refuse again.
fn may_pass(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::Unknown
        | Code::Internal
        | Code::Cancelled
        | Code::Aborted
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::DataLoss => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => false,
    }
}
