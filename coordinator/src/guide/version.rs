//! Versions of Carbon and of its products.

/// Whether a version satisfies a guide's range. Carbon's versions are not always SemVer (`4.2.0.0004`): the first
/// three numbers count.
#[must_use]
pub fn version_fits(range: &str, version: &str) -> bool {
    let Ok(range) = semver::VersionReq::parse(range) else {
        return false;
    };
    let numbers: Vec<u64> = version
        .split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .chain([0, 0, 0])
        .take(3)
        .collect();
    match numbers.as_slice() {
        [major, minor, patch] => range.matches(&semver::Version::new(*major, *minor, *patch)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_when_not_semver_then_its_numbers_count() {
        assert!(version_fits(">=3.0.0, <3.2.0", "3.1.1"));
        assert!(version_fits("=4.2.0", "4.2.0.0004"));
        assert!(!version_fits(">=3.0.0, <3.2.0", "3.2.0"));
        assert!(!version_fits("=3.2.0", ""));
    }

    #[test]
    fn version_when_any_is_accepted_then_an_unknown_one_fits_too() {
        assert!(version_fits("*", "3.2.0") && version_fits("*", ""));
    }
}
