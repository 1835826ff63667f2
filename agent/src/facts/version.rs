//! Which product and which kernel a home is.

use std::io;

use crate::service::inside::Inside;

/// More than the line that is looked for.
const MAX: u64 = 64 << 10;

/// Name and version in a line such as `WSO2 Data Services Server v3.2.0`.
pub(super) fn split(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let (name, version) = line.rsplit_once(" v").or_else(|| line.rsplit_once(' '))?;
    let good = version.starts_with(|c: char| c.is_ascii_digit());
    good.then(|| (name.trim().to_owned(), version.trim().to_owned()))
}

/// Name and version in a text file of a home.
pub(crate) fn in_file(home: &Inside, file: &str) -> io::Result<Option<(String, String)>> {
    Ok(in_bytes(&home.read(file, MAX)?.unwrap_or_default()))
}

/// Name and version in the content of such a file.
pub(crate) fn in_bytes(bytes: &[u8]) -> Option<(String, String)> {
    String::from_utf8_lossy(bytes).lines().find_map(split)
}

/// The kernel's version in the names of its jars.
pub(super) fn kernel_in_jars(home: &Inside) -> Option<String> {
    named(home, "repository/components/plugins", "org.wso2.carbon.core_")
        .or_else(|| named(home, "bin", "org.wso2.carbon.bootstrap-"))
}

fn named(home: &Inside, folder: &str, prefix: &str) -> Option<String> {
    let names = home.names(folder).ok()?.into_iter();
    let mut versions: Vec<String> = names
        .filter_map(|name| Some(name.strip_prefix(prefix)?.strip_suffix(".jar")?.to_owned()))
        .collect();
    versions.sort();
    versions.pop()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn line_when_it_names_a_product_then_split() {
        let split = |line| split(line).unwrap();
        assert_eq!(
            split("WSO2 Data Services Server v3.2.0\n"),
            ("WSO2 Data Services Server".into(), "3.2.0".into())
        );
        assert_eq!(
            split("WSO2 Carbon Framework v4.4.7"),
            ("WSO2 Carbon Framework".into(), "4.4.7".into())
        );
        assert_eq!(super::split("nothing here"), None);
        assert_eq!(super::split(""), None);
    }

    #[test]
    fn kernel_when_only_jars_tell_then_taken_from_them() {
        let home = tempfile::tempdir().unwrap();
        let inside = Inside::open(home.path()).unwrap().unwrap();
        assert_eq!(kernel_in_jars(&inside), None);
        let plugins = home.path().join("repository/components/plugins");
        fs::create_dir_all(&plugins).unwrap();
        fs::write(plugins.join("org.wso2.carbon.core_4.2.0.jar"), "").unwrap();
        fs::write(plugins.join("org.wso2.carbon.core.services_4.9.9.jar"), "").unwrap();
        assert_eq!(kernel_in_jars(&inside).as_deref(), Some("4.2.0"));
    }
}
