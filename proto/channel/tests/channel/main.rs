//! The channel end to end over loopback: who gets in, as whom, and who does not.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics where it stands"
)]

mod authority;
mod grpc;
mod handshake;
mod loopback;
