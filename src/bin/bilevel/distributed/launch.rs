//! What a launcher says in the environment: torchrun's names, or those of SLURM.

use anyhow::{Context, Result, anyhow};

/// Rank 0 is the master, worker i has the rank i + 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    /// `RANK`, or `SLURM_PROCID`.
    pub rank: Option<u32>,
    /// N: `WORLD_SIZE`, or `SLURM_NTASKS`, less the master.
    pub workers: Option<usize>,
    /// `MASTER_ADDR` and `MASTER_PORT`.
    pub address: Option<String>,
}

/// Where the master listens unless said otherwise.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 7447;

impl Launch {
    /// # Errors
    /// If a number is none.
    pub fn from_environment() -> Result<Self> {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let number = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| Some((name, variable(name)?)));
            let parse = |(name, text): (&&str, String)| {
                let number = text.trim().parse::<u32>();
                number.with_context(|| format!("{name}: `{text}`"))
            };
            found.map(parse).transpose()
        };
        let size = number(["WORLD_SIZE", "SLURM_NTASKS"])?;
        let (host, port) = (variable("MASTER_ADDR"), variable("MASTER_PORT"));
        let address = (host.is_some() || port.is_some()).then(|| {
            let host = host.unwrap_or_else(|| HOST.to_owned());
            let port = port.unwrap_or_else(|| PORT.to_string());
            format!("{host}:{port}")
        });
        Ok(Self {
            rank: number(["RANK", "SLURM_PROCID"])?,
            workers: size.map(|size| size.saturating_sub(1) as usize),
            address,
        })
    }

    /// The address that was `given`, or that of the environment, or one of this machine.
    pub fn address(&self, given: Option<&String>) -> String {
        let known = given.or(self.address.as_ref()).cloned();
        known.unwrap_or_else(|| format!("{HOST}:{PORT}"))
    }

    /// The worker that was `given`, or that of the environment.
    ///
    /// # Errors
    /// If there is neither, or the environment says that this is the master.
    pub fn worker(&self, given: Option<u32>) -> Result<u32> {
        match (given, self.rank) {
            (Some(worker), _) => Ok(worker),
            (None, Some(0)) => Err(anyhow!(
                "rank 0 is the master: start it with `bilevel distributed master`"
            )),
            (None, Some(rank)) => Ok(rank - 1),
            (None, None) => Err(anyhow!("which worker is this? Say --worker, from 0")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(variables: &[(&str, &str)]) -> Result<Launch> {
        Launch::from(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn launchers_are_understood() {
        let slurm = launch(&[("SLURM_PROCID", "3"), ("SLURM_NTASKS", "5")]).expect("numbers");
        assert_eq!((slurm.worker(None).ok(), slurm.workers), (Some(2), Some(4)));
        assert_eq!(slurm.address(None), "127.0.0.1:7447");
        let torch = launch(&[
            ("RANK", "1"),
            ("SLURM_PROCID", "3"),
            ("WORLD_SIZE", "9"),
            ("MASTER_ADDR", "node1"),
            ("MASTER_PORT", "29500"),
        ]);
        let torch = torch.expect("numbers");
        assert_eq!((torch.worker(None).ok(), torch.workers), (Some(0), Some(8)));
        assert_eq!(torch.address(None), "node1:29500");
        assert_eq!(torch.worker(Some(5)).ok(), Some(5));
        assert_eq!(torch.address(Some(&"a:1".to_owned())), "a:1");
        assert!(launch(&[("RANK", "first")]).is_err());
        assert!(
            launch(&[("RANK", "0")])
                .expect("a number")
                .worker(None)
                .is_err()
        );
        assert!(launch(&[]).expect("nothing").worker(None).is_err());
    }
}
