//! The two root secrets of an instance, made once and kept in a file that only its owner may read.
//! A file that lacks one is never completed: another secret would make stored keys unreadable.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Result, ensure};

/// The two root secrets of an instance.
#[derive(Clone)]
pub(crate) struct Secrets(pub Vec<(String, String)>);

impl Secrets {
    const NAMES: [&'static str; 2] = ["NEXUS_SECRET_KEY", "DB_ENCRYPTION_KEY"];

    /// Those kept in `file`, made there first where it is absent.
    ///
    /// # Errors
    /// A file that lacks one of them: replacing it would make stored keys unreadable.
    pub(crate) fn kept(file: &Path) -> Result<Self> {
        if !file.exists() {
            let lines = Self::NAMES.map(|name| Ok(format!("{name}={}\n", random_hex()?)));
            write_private(file, &lines.into_iter().collect::<Result<String>>()?)?;
        }
        let text = fs::read_to_string(file)?;
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let kept: Vec<_> = text.lines().filter_map(pair).collect();
        for name in Self::NAMES {
            let path = file.display();
            ensure!(
                kept.iter().any(|(kept, _)| kept == name),
                "`{path}` lacks `{name}`: put it back, or remove the folder to begin anew"
            );
        }
        Ok(Self(kept))
    }
}

/// 256 bits of chance.
pub(crate) fn random_hex() -> Result<String> {
    let mut bytes = [0u8; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_made_once_kept_and_private() {
        let shell = xshell::Shell::new().unwrap();
        let folder = shell.create_temp_dir().unwrap();
        let file = folder.path().join("dev.env");
        let first = Secrets::kept(&file).unwrap().0;
        assert_eq!(first, Secrets::kept(&file).unwrap().0);
        assert!(first.iter().all(|(_, value)| value.len() == 64));
        assert_ne!(first[0].1, first[1].1);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, "NEXUS_SECRET_KEY=x\n").unwrap();
        let error = Secrets::kept(&file).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("lacks `DB_ENCRYPTION_KEY`"), "{error}");
    }
}
