//! Small classification tasks drawn from a set of many classes.

use rand::RngExt;
use rand::seq::index::sample;

use crate::few_shot_set::with_looks;
use crate::random::{Purpose, generator};
use crate::{Error, ErrorKind, FewShotSet, Labelled};

/// How large an episode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpisodeShape {
    /// Classes.
    pub ways: usize,
    /// Samples of each class to learn from.
    pub shots: usize,
    /// Samples of each class to be judged by.
    pub queries: usize,
}

/// A task: a few samples to learn from, and others to be judged by. Labels are `0..ways`.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeSamples {
    support: Labelled,
    query: Labelled,
}

impl EpisodeSamples {
    /// A task of one's own.
    ///
    /// # Errors
    ///
    /// If samples of the two have different widths or classes, or a sample (by its name) is in
    /// both.
    pub fn new(support: Labelled, query: Labelled) -> Result<Self, Error> {
        if support.width() != query.width() || support.picture() != query.picture() {
            return Err(ErrorKind::EpisodeSizes {
                support: support.picture().map_or(vec![support.width()], Vec::from),
                query: query.picture().map_or(vec![query.width()], Vec::from),
            }
            .into());
        }
        if support.classes() != query.classes() {
            return Err(ErrorKind::EpisodeClasses.into());
        }
        let known: std::collections::HashSet<&String> = support.names().iter().collect();
        if let Some(name) = query.names().iter().find(|name| known.contains(name)) {
            return Err(ErrorKind::SupportAndQueryOverlap { name: name.clone() }.into());
        }
        Ok(Self { support, query })
    }

    /// To learn from.
    pub fn support(&self) -> &Labelled {
        &self.support
    }

    /// To be judged by.
    pub fn query(&self) -> &Labelled {
        &self.query
    }
}

/// Draws episodes from a set: each a pure function of seed and index.
///
/// ```
/// use bilevel_data::{EpisodeSampler, EpisodeShape, GlyphSplit, load_glyphs};
///
/// let glyphs = load_glyphs("../../assets/glyphs", GlyphSplit::Val)?;
/// let shape = EpisodeShape { ways: 5, shots: 1, queries: 15 };
/// let sampler = EpisodeSampler::new(&glyphs, shape)?;
///
/// let episode = sampler.episode(1, 0);
/// assert_eq!(episode.support().labels(), [0, 1, 2, 3, 4]);
/// assert_eq!(episode.query().len(), 75);
/// assert_eq!(episode, sampler.episode(1, 0));
/// assert_ne!(episode, sampler.episode(1, 1));
/// # Ok::<(), bilevel_data::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EpisodeSampler<'a> {
    set: &'a FewShotSet,
    shape: EpisodeShape,
    /// Classes from which an episode's are drawn; one list is chosen first.
    pools: Vec<Vec<usize>>,
}

impl<'a> EpisodeSampler<'a> {
    /// Episodes of classes from the whole set.
    ///
    /// # Errors
    ///
    /// If there are fewer than two ways, no shot or no query, the set has fewer classes than ways,
    /// or a class fewer samples than shots and queries.
    pub fn new(set: &'a FewShotSet, shape: EpisodeShape) -> Result<Self, Error> {
        Self::with_pools(set, shape, vec![(0..set.class_count()).collect()])
    }

    /// Episodes whose classes are of one group: characters of one alphabet. Groups with fewer
    /// classes than ways are passed over; the others are drawn as often as they have classes.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), and if no group has enough classes.
    pub fn within_groups(set: &'a FewShotSet, shape: EpisodeShape) -> Result<Self, Error> {
        let mut pools = std::collections::BTreeMap::<&str, Vec<usize>>::new();
        for class in 0..set.class_count() {
            pools.entry(set.group(class)).or_default().push(class);
        }
        let largest = pools.values().map(Vec::len).max().unwrap_or(0);
        let enough = |pool: &Vec<usize>| pool.len() >= shape.ways || pool.len() == largest;
        Self::with_pools(set, shape, pools.into_values().filter(enough).collect())
    }

    fn with_pools(
        set: &'a FewShotSet,
        shape: EpisodeShape,
        pools: Vec<Vec<usize>>,
    ) -> Result<Self, Error> {
        let EpisodeShape {
            ways,
            shots,
            queries,
        } = shape;
        if ways < 2 || shots == 0 || queries == 0 {
            return Err(ErrorKind::EpisodeShape {
                ways,
                shots,
                queries,
            }
            .into());
        }
        let classes = pools.iter().map(Vec::len).min().unwrap_or(0);
        if classes < ways {
            return Err(ErrorKind::FewerClassesThanWays { classes, ways }.into());
        }
        let short = |&class: &usize| set.members(class).len() < shots + queries;
        if let Some(class) = pools.iter().flatten().copied().find(short) {
            return Err(ErrorKind::ClassTooSmall {
                class: set.samples().classes()[class].clone(),
                samples: set.members(class).len(),
                shots,
                queries,
            }
            .into());
        }
        Ok(Self { set, shape, pools })
    }

    /// Episode `index` of `seed`: classes and samples drawn without replacement, support and
    /// queries class by class.
    pub fn episode(&self, seed: u64, index: u64) -> EpisodeSamples {
        let EpisodeShape {
            ways,
            shots,
            queries,
        } = self.shape;
        let mut random = generator(Purpose::Episodes, seed, index);
        let classes: usize = self.pools.iter().map(Vec::len).sum();
        let mut at = random.random_range(0..classes);
        let pool = self.pools.iter().find(|pool| {
            let here = at < pool.len();
            at = at.wrapping_sub(pool.len());
            here
        });
        let pool = pool.expect("the number is below their sum");
        let chosen: Vec<usize> = sample(&mut random, pool.len(), ways)
            .iter()
            .map(|i| pool[i])
            .collect();
        let (mut support, mut query) = (Vec::new(), Vec::new());
        for &class in &chosen {
            let members = self.set.members(class);
            let drawn = sample(&mut random, members.len(), shots + queries);
            let drawn: Vec<usize> = drawn.iter().map(|i| members[i]).collect();
            support.extend_from_slice(&drawn[..shots]);
            query.extend_from_slice(&drawn[shots..]);
        }
        let all = self.set.samples();
        let names = chosen.iter().map(|&class| all.classes()[class].clone());
        let names: Vec<String> = names.collect();
        let part = |numbers: Vec<usize>, each: usize| {
            let part = all.subset(numbers)?;
            let labels = (0..ways * each).map(|i| i / each).collect();
            let own = Labelled::new(
                part.features().to_vec(),
                part.width(),
                labels,
                names.clone(),
            )?;
            with_looks(own, part.picture(), part.names().to_vec())
        };
        let drawn = |part: Result<Labelled, Error>| part.expect("what the set holds fits");
        EpisodeSamples {
            support: drawn(part(support, shots)),
            query: drawn(part(query, queries)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::{GlyphSplit, load_glyphs};

    /// `classes` of `each` samples, in two groups.
    fn set(classes: usize, each: usize) -> FewShotSet {
        let labels: Vec<usize> = (0..classes * each).map(|i| i / each).collect();
        let rows = labels.iter().map(|l| *l as f32).collect();
        let names = (0..classes).map(|c| format!("class {c}")).collect();
        let samples = Labelled::new(rows, 1, labels, names).unwrap();
        let groups = (0..classes).map(|c| (c % 2).to_string()).collect();
        FewShotSet::new(samples, groups).unwrap()
    }

    proptest! {
        #[test]
        fn episodes_are_what_they_should_be(
            (ways, shots, queries) in (2usize..6, 1usize..4, 1usize..4),
            (more, spare, seed, index) in (0usize..4, 0usize..3, any::<u64>(), any::<u64>()),
        ) {
            let set = set(2 * ways + more, shots + queries + spare);
            let shape = EpisodeShape { ways, shots, queries };
            for within in [false, true] {
                let sampler = if within {
                    EpisodeSampler::within_groups(&set, shape).unwrap()
                } else {
                    EpisodeSampler::new(&set, shape).unwrap()
                };
                let episode = sampler.episode(seed, index);
                prop_assert_eq!(&episode, &sampler.episode(seed, index));
                // The smallest sets have sixteen episodes: the next one may be the same by chance, not the next twenty.
                let mut others = (1..=20).map(|k| sampler.episode(seed, index.wrapping_add(k)));
                prop_assert!(others.any(|other| other != episode));
                // Support and queries share nothing, and no sample is drawn twice.
                prop_assert!(EpisodeSamples::new(episode.support.clone(), episode.query.clone()).is_ok());
                let names: HashSet<&String> =
                    episode.support.names().iter().chain(episode.query.names()).collect();
                prop_assert_eq!(names.len(), ways * (shots + queries));
                prop_assert_eq!(episode.support.class_sizes(), vec![shots; ways]);
                prop_assert_eq!(episode.query.class_sizes(), vec![queries; ways]);
                // A sample's row is the number of its class in the set.
                let class_of = |samples: &Labelled, i: usize| samples.row(i)[0] as usize;
                let mut classes = HashSet::new();
                for samples in [&episode.support, &episode.query] {
                    for i in 0..samples.len() {
                        let class = class_of(samples, i);
                        let named = &samples.classes()[samples.label(i)];
                        prop_assert_eq!(named, &format!("class {class}"));
                        classes.insert(class);
                    }
                }
                prop_assert_eq!(classes.len(), ways);
                let groups: HashSet<&str> = classes.iter().map(|c| set.group(*c)).collect();
                prop_assert!(!within || groups.len() == 1);
            }
        }
    }

    #[test]
    fn every_class_is_drawn_equally_often() {
        let set = set(10, 3);
        let shape = EpisodeShape {
            ways: 2,
            shots: 1,
            queries: 1,
        };
        let sampler = EpisodeSampler::new(&set, shape).unwrap();
        let mut counts = [0; 10];
        for index in 0..5000 {
            for row in sampler.episode(3, index).support.features() {
                counts[*row as usize] += 1;
            }
        }
        // 1000 expected, standard deviation 28.
        assert!(counts.iter().all(|c| (880..1120).contains(c)), "{counts:?}");
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        let set = set(5, 4);
        let shape = |ways, shots, queries| EpisodeShape {
            ways,
            shots,
            queries,
        };
        let message = |shape| EpisodeSampler::new(&set, shape).unwrap_err().to_string();
        assert!(
            message(shape(6, 1, 1)).contains("5 classes"),
            "{}",
            message(shape(6, 1, 1))
        );
        assert!(
            message(shape(5, 2, 3)).contains("class 0"),
            "{}",
            message(shape(5, 2, 3))
        );
        for bad in [shape(1, 1, 1), shape(5, 0, 1), shape(5, 1, 0)] {
            let error = EpisodeSampler::new(&set, bad).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::EpisodeShape { .. }));
        }
        let error = EpisodeSampler::within_groups(&set, shape(4, 1, 1)).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::FewerClassesThanWays {
                classes: 3,
                ways: 4
            }
        ));
    }

    #[test]
    fn overlap_and_other_sizes_are_refused() {
        let classes = || vec!["a".to_string(), "b".to_string()];
        let samples = |width: usize, names: [&str; 2]| {
            let samples = Labelled::new(vec![0.0; 2 * width], width, vec![0, 1], classes());
            samples
                .unwrap()
                .with_names(names.map(String::from).to_vec())
                .unwrap()
        };
        let error =
            EpisodeSamples::new(samples(3, ["1", "2"]), samples(3, ["3", "2"])).unwrap_err();
        assert!(error.to_string().contains("2 is in both"), "{error}");
        let error =
            EpisodeSamples::new(samples(3, ["1", "2"]), samples(4, ["3", "4"])).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::EpisodeSizes { .. }));
    }

    /// How hard the glyphs are: the README beside them says 46.4 % and 69.5 %.
    #[test]
    fn nearest_neighbours_of_pixels() {
        let glyphs = load_glyphs("../../assets/glyphs", GlyphSplit::Test).unwrap();
        for (shots, wanted) in [(1, 0.464), (5, 0.695)] {
            let shape = EpisodeShape {
                ways: 5,
                shots,
                queries: 5,
            };
            let sampler = EpisodeSampler::new(&glyphs, shape).unwrap();
            let (mut right, mut all) = (0, 0);
            for index in 0..400 {
                let EpisodeSamples { support, query } = sampler.episode(1, index);
                for i in 0..query.len() {
                    let alike = |j: &usize| cosine(query.row(i), support.row(*j));
                    let nearest = (0..support.len()).max_by(|a, b| alike(a).total_cmp(&alike(b)));
                    right += usize::from(support.label(nearest.unwrap()) == query.label(i));
                    all += 1;
                }
            }
            let found = f64::from(right as u32) / f64::from(all);
            println!("{shots}-shot by nearest pixels: {found:.3}");
            assert!(
                (found - wanted).abs() < 0.025,
                "{found} instead of {wanted}"
            );
        }
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }
}
