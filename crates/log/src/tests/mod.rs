//! Tests of the engine as a whole, each named for the rule that it holds (`docs/durability.md` lists the failures).

mod backup;
mod conformance;
mod corruption;
mod crash;
mod forged;
mod full_disk;
mod growth;
mod housekeeping;
mod images;
mod rig;
mod rot;
mod rules;
mod waiting;
mod watched;
