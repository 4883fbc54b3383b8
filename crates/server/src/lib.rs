//! rheos-server
