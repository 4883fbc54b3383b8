//! The kept inputs: few, small, and together they reach everything that is known to be reached.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{Target, command, folder, kept, learnt};
use crate::workspace::run as execute;

/// What is kept of a target: the repository has it for ever.
const MOST_BYTES: u64 = 96 << 10;
const MOST_FILES: usize = 100;

/// Makes a folder.
pub(super) fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Makes a folder empty.
pub(super) fn clear(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    make(folder)
}

/// Makes a folder empty by moving its files into another.
#[expect(clippy::disallowed_methods, reason = "a build helper is not under test or simulation")]
pub(super) fn set_aside(folder: &Path, aside: &Path) -> anyhow::Result<()> {
    make(folder)?;
    make(aside)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        std::fs::rename(entry.path(), aside.join(entry.file_name()))?;
    }
    Ok(())
}

/// Replaces the kept inputs of a target by the fewest that reach the same, of all that there are here; if those are more
/// than may be kept, by some of each size. Says how many.
pub(super) fn keep(program: &Path, target: &Target) -> anyhow::Result<String> {
    let name = &target.name;
    let (merged, kept) = (folder().join("merged").join(name), kept("corpus", name));
    clear(&merged)?;
    make(&kept)?;
    make(&learnt(name))?;
    let mut merge: Command = command(program, target);
    merge.args(["-set_cover_merge=1", "-timeout=3600"]).arg(&merged);
    merge.arg(&kept).arg(folder().join("seeds").join(name)).arg(learnt(name));
    merge.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    execute(&mut merge)?;
    let mut inputs: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(&merged)? {
        let entry = entry?;
        inputs.push((entry.metadata()?.len(), entry.path()));
    }
    inputs.sort();
    let chosen = spread(&inputs);
    clear(&kept)?;
    for (_, path) in &chosen {
        std::fs::copy(path, kept.join(path.file_name().unwrap_or_default()))?;
    }
    let (files, bytes) = (chosen.len(), chosen.iter().map(|(length, _)| length).sum::<u64>());
    let reached = inputs.len();
    Ok(format!("{name}: kept {files} inputs of {reached}, {bytes} bytes"))
}

/// As many of the inputs as may be kept, spread evenly over their order.
fn spread(inputs: &[(u64, PathBuf)]) -> Vec<&(u64, PathBuf)> {
    let mut count = inputs.len().min(MOST_FILES);
    loop {
        let chosen: Vec<_> = (0..count).map(|at| &inputs[at * inputs.len() / count]).collect();
        if chosen.iter().map(|(length, _)| length).sum::<u64>() <= MOST_BYTES {
            return chosen;
        }
        count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_of_every_size() {
        let inputs = |count: u64, bytes: u64| (0..count).map(|at| (at * bytes, PathBuf::new())).collect::<Vec<_>>();
        assert_eq!(spread(&inputs(0, 1)).len(), 0);
        assert_eq!(spread(&inputs(7, 1)).len(), 7);
        let many = inputs(1000, 1);
        let chosen = spread(&many);
        assert!(chosen.len() == MOST_FILES && chosen[0].0 == 0 && chosen[99].0 >= 990, "{chosen:?}");
        let large = inputs(100, 1 << 10);
        let chosen = spread(&large);
        assert!(chosen.iter().map(|(length, _)| length).sum::<u64>() <= MOST_BYTES && chosen.len() > 1, "{chosen:?}");
    }
}
