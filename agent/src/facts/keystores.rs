//! The key stores that `carbon.xml` names.

use std::path::Path;

use cutover_files::Root;
use cutover_proto::facts::KeystoreFacts;
use cutover_proto::ids::Sha256Hex;
use cutover_xmledit::Document;

use super::conf;
use crate::service::inside::Inside;

const CARBON: &str = "repository/conf/carbon.xml";
/// No key store is larger.
const MAX: u64 = 64 << 20;
const PRIMARY: &str = "key store";
const ROLES: [(&str, &str); 3] = [
    (PRIMARY, "/Server/Security/KeyStore/Location"),
    ("registry key store", "/Server/Security/RegistryKeyStore/Location"),
    ("trust store", "/Server/Security/TrustStore/Location"),
];

/// The key stores of a home. What lies outside of it is named and not read.
pub(super) fn found(carbon: &Document, inside: &Inside, home: &Path) -> Vec<KeystoreFacts> {
    let named = ROLES
        .iter()
        .filter_map(|(role, path)| Some((*role, conf::text(carbon, path)?)));
    named
        .map(|(role, location)| {
            let file = beneath(&location, home);
            let bytes = match &file {
                Some(file) => inside.read(file, MAX).ok().flatten(),
                None => None,
            };
            KeystoreFacts {
                file: file.unwrap_or(location),
                role: role.to_owned(),
                sha256: bytes.as_deref().map(Sha256Hex::of),
            }
        })
        .collect()
}

/// A location as a path under the home; `None` when it lies outside.
fn beneath(location: &str, home: &Path) -> Option<String> {
    let home_text = home.to_string_lossy();
    let resolved = location.replace("${carbon.home}", &home_text);
    let path = Path::new(&resolved);
    let below = if path.is_absolute() {
        path.strip_prefix(home).ok()?
    } else {
        // The start script enters the home first.
        path
    };
    let plain = below.components().all(|part| {
        matches!(
            part,
            std::path::Component::Normal(_) | std::path::Component::CurDir
        )
    });
    let clean: std::path::PathBuf = below
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .collect();
    plain.then(|| clean.to_string_lossy().into_owned())
}

/// Whether two homes have the same primary key store, so that what one encrypted the other can read.
pub(crate) fn same_primary(one: &Path, other: &Path) -> bool {
    match (primary(one), primary(other)) {
        (Some(one), Some(other)) => one == other,
        (Some(_), None) | (None, Some(_)) | (None, None) => false,
    }
}

fn primary(home: &Path) -> Option<Sha256Hex> {
    let carbon = conf::document(&Root::open(home).ok()?, CARBON).ok()??;
    let inside = Inside::open(home).ok()??;
    let mut all = found(&carbon, &inside, home).into_iter();
    all.find(|keystore| keystore.role == PRIMARY)?.sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_when_inside_then_a_path_under_the_home() {
        let home = Path::new("/opt/wso2");
        let cases = [
            ("${carbon.home}/repository/x.jks", Some("repository/x.jks")),
            ("${carbon.home}//repository/./x.jks", Some("repository/x.jks")),
            ("repository/x.jks", Some("repository/x.jks")),
            ("/opt/wso2/x.jks", Some("x.jks")),
            ("/opt/wso2-other/x.jks", None),
            ("${carbon.home}/../x.jks", None),
        ];
        for (location, expected) in cases {
            assert_eq!(beneath(location, home).as_deref(), expected, "{location}");
        }
    }
}
