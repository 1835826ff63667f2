//! Tests of the public interface, one binary for all.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod comparing;
#[cfg(test)]
mod copying;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod diffs;
#[cfg(test)]
mod encodings;
#[cfg(test)]
mod ensuring;
#[cfg(test)]
mod inserting;
#[cfg(test)]
mod leaves;
#[cfg(test)]
mod model;
#[cfg(test)]
mod parsing;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod protection;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod robustness;
#[cfg(test)]
mod setting;
#[cfg(test)]
mod support;
