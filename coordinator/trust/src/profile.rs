//! What each kind of certificate says.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use cutover_channel::{COORDINATOR_NAME, Principal};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::DnsName;

use crate::error::IssueError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority lives.
pub const CA_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How long the coordinator's own certificate lives.
pub const COORDINATOR_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Certificates hold from a little before they are issued: the clocks of a fleet differ.
const CLOCK_SKEW: Duration = DAY;

/// From when to when, in whole seconds, as certificates have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Validity {
    /// From just before `now` for `life`, but never beyond `limit`.
    pub(crate) fn new(now: SystemTime, life: Duration, limit: Option<SystemTime>) -> Self {
        let wanted = now.checked_add(life);
        let not_after = match (wanted, limit) {
            (Some(wanted), Some(limit)) => wanted.min(limit),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => now,
        };
        // Never by more than its own life, or most of that would be over at the start, and renewal due.
        let not_before = now
            .checked_sub(CLOCK_SKEW.min(life))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        Self {
            not_before: whole_secs(not_before),
            not_after: whole_secs(not_after),
        }
    }
}

fn whole_secs(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn blank(common_name: &str, serial: SerialNumber, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(serial);
    params.not_before = validity.not_before.into();
    params.not_after = validity.not_after.into();
    params
}

/// The authority: it signs end entities and no further authority.
pub(crate) fn authority(serial: SerialNumber, validity: Validity) -> CertificateParams {
    // The serial keeps two authorities apart in logs and in clients that look issuers up by name.
    let name = format!("Cutover CA {}", &serial.to_string().replace(':', "")[..8]);
    let mut params = blank(&name, serial, validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// An end entity: `principal`, and for the coordinator the names it is reached by.
pub(crate) fn end_entity(
    principal: &Principal,
    host_names: &[String],
    serial: SerialNumber,
    validity: Validity,
) -> Result<CertificateParams, IssueError> {
    let mut params = blank(principal.name(), serial, validity);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let uri = principal.to_string().try_into().map_err(IssueError::Sign)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.extended_key_usages = match principal {
        Principal::Node(_) | Principal::Operator(_) => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Principal::Coordinator => {
            params.subject_alt_names.extend(host_sans(host_names)?);
            vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ]
        }
    };
    Ok(params)
}

fn host_sans(names: &[String]) -> Result<Vec<SanType>, IssueError> {
    let mut sans = vec![host_san(COORDINATOR_NAME)?];
    for name in names {
        let san = host_san(name)?;
        if !sans.contains(&san) {
            sans.push(san);
        }
    }
    Ok(sans)
}

fn host_san(name: &str) -> Result<SanType, IssueError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || IssueError::HostName {
        name: name.to_owned(),
    };
    DnsName::try_from(name).map_err(|_| refused())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| refused())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_is_cut_to_the_limit_and_to_whole_seconds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_900);
        let validity = Validity::new(now, DAY, None);
        assert_eq!(
            validity.not_after,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_086_400)
        );
        let limit = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_100);
        assert_eq!(Validity::new(now, DAY, Some(limit)).not_after, limit);
        assert_eq!(Validity::new(now, Duration::MAX, Some(limit)).not_after, limit);
        assert!(validity.not_before < now);
    }
}
