//! rheos-wire
