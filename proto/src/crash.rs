//! Crash points for tests: places where a process can be made to die as by `kill -9`.
//!
//! Without the feature `failpoints`, which no released binary has, [`point`] does nothing. With it, the variable
//! `CUTOVER_CRASH` names points as `WHERE:WHAT`, separated by commas, for example `after-intent:stop-server`;
//! `CUTOVER_CRASH_DIR` names a folder where each point leaves a mark, so that it kills only once.

/// Dies here if a test asked for it.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn point(_place: &str, _what: &str) {}

/// Dies here if a test asked for it.
#[cfg(feature = "failpoints")]
pub fn point(place: &str, what: &str) {
    let name = format!("{place}:{what}");
    let asked = std::env::var("CUTOVER_CRASH").unwrap_or_default();
    if !asked.split(',').any(|point| point == name) {
        return;
    }
    let Some(dir) = std::env::var_os("CUTOVER_CRASH_DIR") else {
        return;
    };
    let mark = std::path::Path::new(&dir).join(name.replace([':', '/'], "_"));
    // `create_new` decides between threads: the first one dies, and with it the process.
    if std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(mark)
        .is_ok()
    {
        std::process::abort();
    }
}
