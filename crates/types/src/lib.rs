//! rheos-types
