//! Who a URL is for. Every row of the table of routes has one; there is no default.

use nexus_core::role::Permission;

/// Who may use a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Whoever has this permission, as far as it reaches.
    Needs(Permission),
    /// Whoever is signed in, whatever the role.
    SignedIn,
    /// Whoever asks: the ways to sign in, and nothing else.
    Anyone,
}

impl Policy {
    /// The word under `x-nexus-permission` in the description of the interface.
    pub fn word(self) -> &'static str {
        match self {
            Policy::Needs(permission) => word(permission),
            Policy::SignedIn => "signed_in",
            Policy::Anyone => "anyone",
        }
    }
}

fn word(permission: Permission) -> &'static str {
    match permission {
        Permission::TeamsRead => "teams:read",
        Permission::TeamsWrite => "teams:write",
        Permission::UsersRead => "users:read",
        Permission::UsersWrite => "users:write",
        Permission::KeysRead => "keys:read",
        Permission::KeysWrite => "keys:write",
        Permission::ProvidersRead => "providers:read",
        Permission::ProvidersWrite => "providers:write",
        Permission::RoutesRead => "routes:read",
        Permission::RoutesWrite => "routes:write",
        Permission::SettingsRead => "settings:read",
        Permission::SettingsWrite => "settings:write",
        Permission::QuotasRead => "quotas:read",
        Permission::QuotasWrite => "quotas:write",
        Permission::AuditRead => "audit:read",
        Permission::AnomaliesRead => "anomalies:read",
        Permission::AnomaliesWrite => "anomalies:write",
        Permission::HealthRead => "health:read",
        Permission::ContentRead => "content:read",
        Permission::ContentWrite => "content:write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_a_word_of_its_own_made_of_its_name() {
        for permission in Permission::ALL {
            let name = format!("{permission:?}").to_lowercase();
            assert_eq!(word(permission).replace(':', ""), name);
        }
    }
}
