//! rheos-streams
