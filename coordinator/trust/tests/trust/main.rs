//! The authority on disk, what it issues, and enrolment over the real channel.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics where it stands"
)]

mod authority;
mod certificates;
mod enrolment;
