//! Files that are nearly right: what reads them gives a value or an error, and never a panic.
//!
//! `cargo test --bin bilevel damaged` tries some hundred of each kind, `bash .ci/run drivers`
//! twenty thousand, and `cargo fuzz run tool` (see `fuzz/`) looks for more.

use bilevel_backend::Cpu;

use crate::few_shot;
use crate::few_shot::FewShotRecipe;
use crate::imaging::model_file;
use crate::io::state_file;
use crate::io::state_file::Progress;
use crate::training::recipe::{Recipe, parse};

/// What this program reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Model,
    FewShotModel,
    Recipe,
    FewShotRecipe,
    State,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Model,
        Self::FewShotModel,
        Self::Recipe,
        Self::FewShotRecipe,
        Self::State,
    ];

    /// Reads `bytes` as a file of this kind; the error is one line, as it is printed.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(self, bytes: &[u8]) -> anyhow::Result<()> {
        let device = Default::default();
        match self {
            Self::Model => model_file::decode::<Cpu>(bytes, &device).map(|_| ()),
            Self::FewShotModel => few_shot::decode::<Cpu>(bytes, &device).map(|_| ()),
            Self::Recipe => parse::<Recipe>(str::from_utf8(bytes)?)?.check(),
            Self::FewShotRecipe => FewShotRecipe::from_text(str::from_utf8(bytes)?).map(|_| ()),
            Self::State => state_file::parse::<Progress, 2>(bytes, ["x", "optimizer"]).map(|_| ()),
        }
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    if let Some((kind, file)) = file.split_first() {
        let _ = Kind::ALL[usize::from(*kind) % Kind::ALL.len()].read(file);
    }
});

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    use safetensors::SafeTensors;

    use super::*;
    use crate::args::Preset;
    use crate::io::output::one_line;
    use crate::io::state_file::{Images, save_state};
    use crate::training::task::TaskName;

    /// What stands in for a number.
    const NUMBERS: [&str; 18] = [
        "0",
        "-1",
        "1",
        "2",
        "3",
        "99",
        "100",
        "4096",
        "1e300",
        "1e-300",
        "-0.0",
        "18446744073709551615",
        "9223372036854775807",
        "99999999999999999999999",
        "inf",
        "nan",
        "null",
        "\"\\u001b[31m\"",
    ];

    struct Damage(ChaCha8Rng);

    impl Damage {
        fn below(&mut self, most: usize) -> usize {
            (self.0.next_u64() % most.max(1) as u64) as usize
        }

        /// One number, line or byte of the text is another.
        fn text(&mut self, text: &str) -> String {
            let bytes = text.as_bytes();
            let part_of_number =
                |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'e' | b'+');
            let is_start = |&i: &usize| {
                bytes[i].is_ascii_digit() && (i == 0 || !bytes[i - 1].is_ascii_alphanumeric())
            };
            let numbers: Vec<usize> = (0..bytes.len()).filter(is_start).collect();
            match self.below(4) {
                0 => {
                    let mut lines: Vec<&str> = text.lines().collect();
                    let (from, to) = (self.below(lines.len()), self.below(lines.len()));
                    let line = lines[from];
                    match self.below(2) {
                        0 => lines.insert(to, line),
                        _ => drop(lines.remove(from)),
                    }
                    lines.join("\n")
                }
                1 => {
                    let mut bytes = bytes.to_vec();
                    let at = self.below(bytes.len());
                    bytes[at] = self.0.next_u32() as u8;
                    String::from_utf8_lossy(&bytes).into_owned()
                }
                _ if numbers.is_empty() => text.to_owned(),
                _ => {
                    let start = numbers[self.below(numbers.len())];
                    let length = bytes[start..]
                        .iter()
                        .take_while(|b| part_of_number(b))
                        .count();
                    let number = NUMBERS[self.below(NUMBERS.len())];
                    format!("{}{number}{}", &text[..start], &text[start + length..])
                }
            }
        }

        /// A byte is another, or there are fewer.
        fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
            let mut bytes = bytes.to_vec();
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes.truncate(at),
                _ => bytes[at] ^= 1 << self.below(8),
            }
            bytes
        }

        /// The file with other metadata, whole in itself.
        fn metadata(&mut self, file: &[u8]) -> Vec<u8> {
            let (_, header) = SafeTensors::read_metadata(file).expect("a whole file");
            let tensors = SafeTensors::deserialize(file).expect("a whole file");
            let metadata = header.metadata().clone().expect("metadata");
            let metadata: HashMap<_, _> = metadata
                .into_iter()
                .map(|(key, text)| {
                    let others = std::iter::repeat_with(|| self.text(&text));
                    let other = others.into_iter().find(|other| *other != text);
                    (key, other.expect("it goes on"))
                })
                .collect();
            safetensors::serialize(tensors.tensors(), Some(metadata)).expect("a file")
        }
    }

    /// Whole files of a kind.
    fn whole(kind: Kind) -> Vec<Vec<u8>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = |folder: &str, of: &str| -> Vec<Vec<u8>> {
            let files = std::fs::read_dir(root.join(folder)).expect("the folder");
            let paths = files.map(|file| file.expect("a file").path());
            let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
            paths.sort();
            let files = paths.iter().map(|path| std::fs::read(path).expect("read"));
            let wanted = |bytes: &Vec<u8>| bytes.windows(of.len()).any(|w| w == of.as_bytes());
            files.filter(wanted).collect()
        };
        match kind {
            Kind::Model => files("assets/models", "learned-regularizer"),
            Kind::FewShotModel => files("assets/models", "few-shot-learner"),
            Kind::Recipe => files("recipes", "[regularizer]"),
            Kind::FewShotRecipe => files("recipes/few-shot", "[network]"),
            Kind::State => {
                let progress = Progress {
                    recipe: parse(TaskName::Denoise.preset(Preset::Smoke)).expect("a recipe"),
                    images: Images {
                        train: "train".into(),
                        val: "val".into(),
                        test: "test".into(),
                        checksum: 7,
                    },
                    step: 3,
                    cost: 100,
                    capped: 0,
                    best: None,
                    seconds: 1.0,
                    metrics: 5,
                };
                let folder = tempfile::tempdir().expect("a folder");
                let path = folder.path().join("state.safetensors");
                let records = [("x", vec![1; 100]), ("optimizer", vec![2; 100])];
                save_state(&path, &progress, &records).expect("written");
                vec![std::fs::read(&path).expect("read")]
            }
        }
    }

    #[test]
    fn damaged_files_of_every_kind_are_values_or_one_line() {
        let count = std::env::var("DAMAGED").ok();
        let count: usize = count.map_or(300, |text| text.parse().expect("a number"));
        for kind in Kind::ALL {
            let files = whole(kind);
            for file in &files {
                kind.read(file)
                    .unwrap_or_else(|e| panic!("{kind:?}: {e:#}"));
            }
            let mut damage = Damage(ChaCha8Rng::seed_from_u64(kind as u64));
            let mut read = 0;
            for _ in 0..count {
                let file = &files[damage.below(files.len())];
                let damaged = match (kind, str::from_utf8(file)) {
                    (_, Ok(text)) => damage.text(text).into_bytes(),
                    _ if damage.below(2) == 0 => damage.bytes(file),
                    _ => damage.metadata(file),
                };
                match kind.read(&damaged) {
                    Ok(()) => read += 1,
                    Err(error) => {
                        let error = format!("{error:#}");
                        assert!(!one_line(&error).contains('\n'));
                        assert!(error.len() < 2000, "{kind:?}: {error}");
                    }
                }
            }
            // A checksum lets no damage of a state pass.
            if let Kind::State = kind {
                assert_eq!(read, 0);
            }
        }
    }
}
