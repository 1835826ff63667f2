//! An operator's profile: who the operator is, whom to trust and where the coordinator listens.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cutover_channel::{CertificateFacts, ClientTls, Identity};
use secrecy::SecretString;

use crate::error::CliError;
use crate::human;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Renewing takes a person with access to the coordinator's host: time enough to find one.
const EXPIRES_SOON: Duration = DAY.saturating_mul(30);
const RENEW: &str = "run `cutover-coordinator init --operator NAME --out DIR` again on the coordinator's host and copy the profile it writes";

/// A folder with `ca.pem`, `operator.pem`, `operator.key`, `endpoint` and `audit.pub`.
#[derive(Debug)]
pub(crate) struct Profile {
    dir: PathBuf,
}

impl Profile {
    /// The folder given, or `~/.config/cutover`. Nothing is read yet: some commands need no profile.
    pub(crate) fn locate(given: Option<&Path>) -> Result<Self, CliError> {
        if let Some(dir) = given {
            return Ok(Self { dir: dir.to_owned() });
        }
        match std::env::home_dir() {
            Some(home) => Ok(Self {
                dir: home.join(".config/cutover"),
            }),
            None => Err(CliError::input("cannot tell where the operator profile is")
                .why("neither --profile, CUTOVER_PROFILE nor HOME is set")
                .next("give the folder with --profile DIR")),
        }
    }

    /// `host:port` of the coordinator.
    pub(crate) fn endpoint(&self) -> Result<String, CliError> {
        Ok(self.text("endpoint")?.trim().to_owned())
    }

    /// Certificates and key.
    pub(crate) fn tls(&self) -> Result<ClientTls, CliError> {
        let identity = Identity {
            cert_chain_pem: self.text("operator.pem")?,
            key_pem: SecretString::from(self.text("operator.key")?),
        };
        Ok(ClientTls::new(self.text("ca.pem")?, Some(identity)))
    }

    /// What to tell the operator about a certificate that expires soon. One that cannot be read is left to the
    /// connection to complain of.
    ///
    /// # Errors
    /// When it has expired: the coordinator would only hang up.
    pub(crate) fn expiry(&self, now: SystemTime) -> Result<Option<String>, CliError> {
        let Ok(facts) = CertificateFacts::from_pem(&self.text("operator.pem")?) else {
            return Ok(None);
        };
        let path = self.dir.join("operator.pem");
        let path = path.display();
        match facts.not_after.duration_since(now) {
            Ok(left) if left > EXPIRES_SOON => Ok(None),
            Ok(left) => Ok(Some(format!(
                "warning: your certificate {path} expires in {}; {RENEW}",
                days(left)
            ))),
            Err(past) => Err(CliError::refused(format!("your certificate {path} has expired"))
                .why(format!("it held until {} ago", days(past.duration())))
                .next(RENEW)),
        }
    }

    /// What to tell the operator about a key that others can read.
    pub(crate) fn exposed_key(&self) -> Option<String> {
        let path = self.dir.join("operator.key");
        let mode = fs::metadata(&path).ok()?.permissions().mode();
        (mode & 0o077 != 0).then(|| {
            let path = path.display();
            format!("warning: {path} can be read by others on this host; run: chmod 600 {path}")
        })
    }

    /// The file with the coordinator's audit key.
    pub(crate) fn audit_key_file(&self) -> PathBuf {
        self.dir.join("audit.pub")
    }

    fn text(&self, name: &str) -> Result<String, CliError> {
        let path = self.dir.join(name);
        fs::read_to_string(&path).map_err(|error| {
            CliError::input(format!("cannot read {} of the operator profile", path.display()))
                .why(error)
                .next("copy the profile that `cutover-coordinator init` wrote, or name it with --profile DIR or CUTOVER_PROFILE")
        })
    }
}

fn days(time: Duration) -> String {
    if time < DAY {
        return "less than a day".to_owned();
    }
    human::count(
        usize::try_from(time.as_secs() / DAY.as_secs()).unwrap_or(usize::MAX),
        "day",
    )
}
