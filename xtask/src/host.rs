//! What the machine must bring, installed where it can be: a fresh Debian has Rust, a C compiler and Node, no more.
//! Without the right to install, the error is the command a person would type.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// A program, how to see that it works, and the Debian packages that bring it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    pub name: &'static str,
    /// Exits with 0 where the need is met.
    pub probe: &'static str,
    pub packages: &'static [&'static str],
}

pub(crate) const CURL: Need =
    Need { name: "curl", probe: "curl --version", packages: &["curl", "ca-certificates"] };
pub(crate) const PYTHON: Need = Need {
    name: "Python with venv",
    probe: "python3 -c 'import venv, ensurepip'",
    packages: &["python3", "python3-venv"],
};
pub(crate) const NODE: Need =
    Need { name: "Node with npm", probe: "node --version && npm --version", packages: &["nodejs", "npm"] };

/// What several nodes share their limits in; the tests start one of their own each.
pub(crate) const REDIS: Need = Need {
    name: "Valkey or Redis",
    probe: "valkey-server --version || redis-server --version",
    packages: &["redis-server"],
};

/// The browser of the console's tests, and a font for Chinese.
pub(crate) const CHROMIUM: Need =
    Need { name: "Chromium", probe: "chromium --version", packages: &["chromium", "fonts-wqy-zenhei"] };

/// Makes sure that every need is met, installing what is missing when root.
///
/// # Errors
/// A need that is still not met, with the command that meets it.
pub(crate) fn ensure(shell: &Shell, needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !is_met(shell, need)).collect();
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if packages.is_empty() {
        return Ok(());
    }
    if cmd!(shell, "id -u").quiet().read()? == "0" && cmd!(shell, "which apt-get").quiet().read().is_ok() {
        println!("... installing {}", packages.join(" "));
        let (shell, list) = (shell.clone(), &packages);
        shell.set_var("DEBIAN_FRONTEND", "noninteractive");
        cmd!(shell, "apt-get update -q").quiet().ignore_stdout().run()?;
        cmd!(shell, "apt-get install -q -y --no-install-recommends {list...}")
            .quiet()
            .ignore_stdout()
            .run()?;
    }
    if let Some(need) = missing.into_iter().find(|need| !is_met(shell, need)) {
        let packages = packages.join(" ");
        bail!("`{}` is missing: run `sudo apt-get update && sudo apt-get install -y {packages}`", need.name);
    }
    Ok(())
}

pub(crate) fn is_met(shell: &Shell, need: &Need) -> bool {
    let probe = need.probe;
    cmd!(shell, "sh -c {probe}").quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_met_when_its_probe_succeeds() {
        let shell = Shell::new().unwrap();
        for (probe, met) in [("true", true), ("false", false), ("no-such-program-here --version", false)] {
            assert_eq!(is_met(&shell, &Need { name: "x", probe, packages: &[] }), met, "{probe}");
        }
    }
}
