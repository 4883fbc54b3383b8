//! rheos-testkit
