//! rheos-log
