//! The file in which AWS's own tools keep access keys, a section a profile.

use nexus_core::fault::{Class, Fault};
use nexus_keystore::sigv4::AccessKey;

use super::{host::AwsSource, key};
use crate::access::host::{Host, file, nothing};

/// The profile where none is named.
pub(super) const DEFAULT: &str = "default";

const SOURCE: AwsSource = AwsSource::Profile;

/// A longer file is read no further, in bytes.
const FILE_MAX: u64 = 1 << 20;

pub(super) async fn read(host: &Host<AwsSource>, profile: &str) -> Result<AccessKey, Fault> {
    let path = match host.variable("AWS_SHARED_CREDENTIALS_FILE") {
        Some(path) => path.to_owned(),
        None => format!("{}/.aws/credentials", host.needed(SOURCE, "HOME")?),
    };
    let text = file(SOURCE, &path, FILE_MAX).await?;
    let missing = || nothing(Class::Credential, SOURCE, format!("the file has no access key of `{profile}`"));
    in_profile(&text, profile).ok_or_else(missing)
}

fn in_profile(text: &str, profile: &str) -> Option<AccessKey> {
    let (mut id, mut secret, mut token) = (None, None, None);
    let mut is_inside = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[') {
            is_inside = section.split(']').next().is_some_and(|name| name.trim() == profile);
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| is_inside) else { continue };
        let kept = match name.trim() {
            "aws_access_key_id" => &mut id,
            "aws_secret_access_key" => &mut secret,
            "aws_session_token" => &mut token,
            _ => continue,
        };
        *kept = Some(value.trim().to_owned());
    }
    key::of_parts(id?, secret?, token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_the_section_of_its_name() {
        const TEXT: &str = "aws_access_key_id = OUTSIDE\n# [a]\n[default]\naws_access_key_id=AKIAD\n\
            aws_secret_access_key = sd=/+\nregion = x\n\n[ a ] ; mine\n aws_access_key_id =AKIAA\n\
            aws_secret_access_key=sa\naws_session_token = ta==\n[half]\naws_access_key_id=AKIAH\n";
        for (profile, expected) in [
            ("default", Some(("AKIAD", "sd=/+", None))),
            ("a", Some(("AKIAA", "sa", Some("ta==")))),
            ("half", None),
            ("b", None),
            ("", None),
        ] {
            let key = in_profile(TEXT, profile);
            let seen = key.as_ref().map(|key| {
                let token = key.session_token.as_ref().map(|token| token.expose());
                (&*key.id, key.secret.expose(), token)
            });
            assert_eq!(seen, expected, "{profile}");
        }
    }
}
