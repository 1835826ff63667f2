//! Part of Cutover.
