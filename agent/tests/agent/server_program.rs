//! The stand-in for a Carbon server, as a program that the tests' homes can start.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(home) = carbon_standin::server::home_argument(std::env::args()) else {
        return ExitCode::from(2);
    };
    match carbon_standin::server::run(&home) {
        Ok(status) => ExitCode::from(status),
        Err(_) => ExitCode::FAILURE,
    }
}
