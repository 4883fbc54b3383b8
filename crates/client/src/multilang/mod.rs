//! The KCL's daemon for programs in other languages, as far as it is bytes: what it says to a program and is told by it, and the file that it is set
//! up by. `rheos kcl` is made of this and of processes.

mod lines;
pub mod properties;
pub mod protocol;
mod settings;

pub use lines::{Heard, Lines};
pub use settings::{Settings, SettingsError};
