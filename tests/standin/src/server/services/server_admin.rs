//! ServerAdmin: what state the server is in, and on which database it is.

use super::super::jdbc::Target;
use super::super::soap::{self, Fault, Reply};
use super::super::state::{Control, SUPER_TENANT, Status};
use super::Call;

pub(super) async fn handle(call: &Call<'_>) -> Result<Reply, Fault> {
    let server = call.server;
    Ok(match call.operation.name.as_str() {
        "isAlive" => soap::value(true),
        "getServerStatus" => soap::value(server.status().text()),
        "getServerVersion" => soap::value(&server.conf.version),
        "getServerData" => data(call),
        "startMaintenance" => set(call, Status::InMaintenance)?,
        "endMaintenance" => set(call, Status::Running)?,
        "restart" | "restartGracefully" => ask(call, Control::Restart).await?,
        "shutdown" | "shutdownGracefully" => ask(call, Control::Shutdown).await?,
        _ => return Err(call.unknown()),
    })
}

fn set(call: &Call<'_>, status: Status) -> Result<Reply, Fault> {
    only_super(call)?;
    call.server.set_status(status);
    Ok(soap::value(true))
}

async fn ask(call: &Call<'_>, control: Control) -> Result<Reply, Fault> {
    only_super(call)?;
    call.server
        .control
        .send(control)
        .await
        .map_err(|_| Fault("The server is going down.".to_owned()))?;
    Ok(soap::value(true))
}

fn only_super(call: &Call<'_>) -> Result<(), Fault> {
    if call.caller.tenant == SUPER_TENANT {
        return Ok(());
    }
    Err(Fault("Only the super tenant may control the server.".to_owned()))
}

fn data(call: &Call<'_>) -> Reply {
    let server = call.server;
    let source = &server.user_source;
    let engine = match source.target {
        Target::MySql { .. } => "MySQL",
        Target::Postgres { .. } => "PostgreSQL",
        Target::Embedded => "H2",
    };
    let repository = server.home.join("repository/deployment/server");
    let fields = [
        ("axis2Location", repository.display().to_string()),
        ("carbonVersion", server.conf.kernel.clone()),
        ("dbDriverName", source.driver.clone()),
        ("dbName", engine.to_owned()),
        ("dbURL", source.url.clone()),
        ("registryType", "embedded".to_owned()),
        ("repoLocation", format!("file:{}/", repository.display())),
        ("serverName", server.conf.full_name()),
        (
            "serverStartUpDuration",
            server.begun.elapsed().as_secs().to_string(),
        ),
    ];
    let fields: String = fields
        .iter()
        .map(|(name, value)| soap::element(name, value))
        .collect();
    Reply::Return(format!("<ns:return>{fields}</ns:return>"))
}
