//! `nexus config`: what is wrong with a file, what is in force, what can be set.

use nexus_config::{load::Flags, reference};

use crate::{boot, cli::Config, start::StartError, terminal::say};

pub fn run(command: Config) -> Result<(), StartError> {
    match command {
        Config::Check { file } => {
            boot::settings(Some(&file), &Flags::default())?;
            say(&format!("{}: no problems", file.display()));
        }
        Config::Print { config } => {
            say(boot::settings(config.as_deref(), &Flags::default())?.to_yaml_redacted().trim_end());
        }
        Config::Reference => say(reference::reference_markdown().trim_end()),
    }
    Ok(())
}
