//! rheos
fn main() {}
