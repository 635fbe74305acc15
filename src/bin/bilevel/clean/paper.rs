//! What the papers of the update rules say of their steps.

use crate::clean::method::MethodName;

/// Powers of `t + 1`, t being the step's number: with which steps and shares fall and multipliers
/// grow. 0 for what is constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Powers {
    /// Steps of y, z and q fall with it.
    pub lower: f64,
    /// Steps of x fall with it.
    pub upper: f64,
    /// The share of the newest direction falls with it.
    pub eta: f64,
    /// The multiplier of a penalty grows with it; BVFSM's barriers fall with it.
    pub weight: f64,
}

impl Powers {
    /// Nothing depends on the step's number.
    pub const CONSTANT: Self = Self {
        lower: 0.0,
        upper: 0.0,
        eta: 0.0,
        weight: 0.0,
    };

    const fn steps(lower: f64, upper: f64) -> Self {
        Self {
            lower,
            upper,
            ..Self::CONSTANT
        }
    }
}

/// Where a method is from, and how its steps depend on their number there.
pub(crate) struct Paper {
    /// Authors and year.
    pub authors: &'static str,
    /// The number on arXiv.
    pub arxiv: Option<&'static str>,
    /// How steps depend on their number.
    pub powers: Powers,
    /// What the paper says of that, in words.
    pub steps: &'static str,
}

const fn paper(
    authors: &'static str,
    arxiv: Option<&'static str>,
    powers: Powers,
    steps: &'static str,
) -> Paper {
    Paper {
        authors,
        arxiv,
        powers,
        steps,
    }
}

const HORIZON: &str = "c K^(-1/2) for a run of K steps; as c (t + 1)^(-1/2) here";
const CONSTANT: &str = "constant";

impl MethodName {
    /// The method's paper.
    pub fn paper(self) -> Paper {
        use MethodName as M;
        let half = Powers::steps(0.5, 0.5);
        let third = Powers {
            eta: 2.0 / 3.0,
            ..Powers::steps(1.0 / 3.0, 1.0 / 3.0)
        };
        match self {
            M::Bome => paper(
                "Liu, Ye, Wright, Stone, Liu (2022)",
                Some("2209.08709"),
                Powers::CONSTANT,
                CONSTANT,
            ),
            M::VPbgd | M::GPbgd => paper(
                "Shen, Chen (2023)",
                Some("2302.05185"),
                Powers::CONSTANT,
                "constant, of the order of one over the multiplier",
            ),
            M::Bvfsm => paper(
                "Liu, Liu, Zeng, Zhang, Zhang (2023)",
                Some("2110.04974"),
                Powers {
                    weight: 1.0,
                    ..Powers::CONSTANT
                },
                "constant; the barriers fall to zero",
            ),
            M::F2sa => paper(
                "Kwon, Kwon, Wright, Nowak (2023)",
                Some("2301.10945"),
                Powers {
                    weight: 1.0 / 7.0,
                    ..Powers::steps(4.0 / 7.0, 5.0 / 7.0)
                },
                "y and z like t^(-4/7), x like t^(-5/7), the multiplier grows like t^(1/7), for noise in both losses",
            ),
            M::F3sa => paper(
                "Kwon, Kwon, Wright, Nowak (2023)",
                Some("2301.10945"),
                Powers {
                    eta: 4.0 / 5.0,
                    weight: 1.0 / 5.0,
                    ..Powers::steps(2.0 / 5.0, 3.0 / 5.0)
                },
                "y and z like t^(-2/5), x like t^(-3/5), shares like t^(-4/5), the multiplier grows like t^(1/5), for noise in both losses",
            ),
            M::Bsg1 => paper(
                "Giovannelli, Kent, Vicente (2021)",
                Some("2110.00604"),
                half,
                "falling; the power is ours",
            ),
            M::Pzobo => paper(
                "Sow, Ji, Liang (2022)",
                Some("2110.07004"),
                Powers::CONSTANT,
                CONSTANT,
            ),
            M::Soba => paper(
                "Dagréou, Ablin, Vaiter, Moreau (2022)",
                Some("2201.13409"),
                half,
                "all like t^(-1/2)",
            ),
            M::MaSoba => paper(
                "Chen, Xiao, Balasubramanian (2023)",
                Some("2306.12067"),
                Powers { eta: 0.5, ..half },
                "c K^(-1/2) for a run of K steps, the share in proportion; as c (t + 1)^(-1/2) here",
            ),
            M::Saba => paper(
                "Dagréou, Ablin, Vaiter, Moreau (2022)",
                Some("2201.13409"),
                Powers::CONSTANT,
                CONSTANT,
            ),
            M::Srba => paper(
                "Dagréou, Moreau, Vaiter, Ablin (2024)",
                Some("2302.08766"),
                Powers::CONSTANT,
                CONSTANT,
            ),
            M::Fsla => paper(
                "Li, Gu, Huang (2022)",
                Some("2112.04660"),
                Powers { eta: 0.5, ..half },
                "all like t^(-1/2), the share too",
            ),
            M::Amigo => paper(
                "Arbel, Mairal (2022)",
                Some("2111.14580"),
                Powers::CONSTANT,
                CONSTANT,
            ),
            M::Stocbio => paper(
                "Ji, Yang, Liang (2021)",
                Some("2010.07962"),
                Powers::CONSTANT,
                CONSTANT,
            ),
            M::Bsa => paper("Ghadimi, Wang (2018)", Some("1802.02246"), half, HORIZON),
            M::Ttsa => paper(
                "Hong, Wai, Wang, Yang (2023)",
                Some("2007.05170"),
                Powers::steps(2.0 / 5.0, 3.0 / 5.0),
                "y like K^(-2/5), x like K^(-3/5) for a run of K steps; as powers of t + 1 here",
            ),
            M::Sustain => paper(
                "Khanduri, Zeng, Hong, Wai, Wang, Yang (2021)",
                Some("2102.07367"),
                third,
                "both like t^(-1/3), shares like t^(-2/3)",
            ),
            M::Mrbo => paper(
                "Yang, Ji, Liang (2021)",
                Some("2106.04692"),
                third,
                "both like t^(-1/3), shares like t^(-2/3)",
            ),
            M::Vrbo => paper(
                "Yang, Ji, Liang (2021)",
                Some("2106.04692"),
                Powers::CONSTANT,
                CONSTANT,
            ),
            M::Dmlcbo => paper(
                "Shi, Chang, Gu (2024)",
                None,
                Powers::CONSTANT,
                "all in proportion to s (m + t)^(-1/2), which is part of the method",
            ),
        }
    }
}
