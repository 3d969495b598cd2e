//! The fuzz targets as a library, for the binaries of libFuzzer.

pub mod targets;
