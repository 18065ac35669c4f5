//! The layers, put on each other: defaults < file < environment < flags.
//!
//! Each layer is held against the table of fields before it is laid on, so that a problem still knows the
//! layer, line or variable it comes from. Lists are replaced whole by the layer above.

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use crate::{
    check,
    environment::Environment,
    field::{Field, Kind},
    problem::{Problem, Problems, shown},
    raw::Raw,
    redact, scalar,
    settings::Settings,
    shape::{self, Shape},
    yaml::{self, FILE_MAX_BYTES},
};

/// What begins a variable of ours; two underscores stand where the file has a level.
const PREFIX: &str = "NEXUS_";
/// Variables with names of their own. The `NEXUS_` form goes before them.
pub(crate) const PLAIN_VARIABLES: [(&str, &str); 2] =
    [("DATABASE_URL", "database.url"), ("MONITORING_PORT", "monitoring.port")];

/// What was said on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--bind ADDR:PORT`.
    pub bind: Option<String>,
    /// `--port`; it goes before the port of `--bind`.
    pub port: Option<u16>,
    /// `--workers`.
    pub workers: Option<usize>,
    /// `--timeout`, in seconds.
    pub timeout_s: Option<u64>,
}

/// Reads the file, if one is named, and checks everything together.
pub fn load(file: Option<&Path>, environment: &Environment, flags: &Flags) -> Result<Settings, Problems> {
    let text = match file {
        Some(path) => Some(read(path).map_err(|problem| Problems(vec![problem]))?),
        None => None,
    };
    let name = file.map_or_else(|| "the file".to_owned(), |path| path.display().to_string());
    load_text(&name, text.as_deref().unwrap_or_default(), environment, flags)
}

/// As [`load`], with the file's text at hand; `name` is what problems with the whole file call it.
pub fn load_text(
    name: &str,
    text: &str,
    environment: &Environment,
    flags: &Flags,
) -> Result<Settings, Problems> {
    let mut shape = Shape::default();
    let file = match yaml::parse(text, name) {
        Ok(node) => shape.section(&node, Raw::FIELDS, ""),
        Err(problem) => {
            shape.problems.push(problem);
            Dict::new()
        }
    };
    let mut from_environment = Overlay::default();
    from_environment.variables(environment);
    let mut from_flags = Overlay::default();
    from_flags.flags(flags);

    let mut problems = shape.problems;
    problems.append(&mut from_environment.problems);
    problems.append(&mut from_flags.problems);
    let layers = Figment::from(Layer("defaults", shape::defaults(Raw::FIELDS)))
        .merge(Layer("file", file))
        .merge(Layer("environment", from_environment.dict))
        .merge(Layer("flags", from_flags.dict));
    let layers = with_derived_defaults(layers);
    let mut names = from_environment.names;
    names.append(&mut from_flags.names);
    let places = Places { names, lines: shape.lines };
    let (raw, redacted) = match (layers.extract::<Raw>(), redact::to_yaml(&layers)) {
        (Ok(raw), Some(redacted)) => (raw, redacted),
        (Err(error), _) => {
            let path: Vec<&str> = error.path.iter().map(|key| shown(key)).collect();
            problems.push(Problem::new(
                &path.join("."),
                "is not understood",
                "compare it with the reference",
            ));
            return Err(Problems(problems));
        }
        (Ok(_), None) => {
            problems.push(Problem::new(name, "cannot be shown as YAML", "compare it with the reference"));
            return Err(Problems(problems));
        }
    };
    check::check(raw, redacted, &places, environment, problems)
}

fn read(path: &Path) -> Result<String, Problem> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| {
        Problem::new(&name, format!("cannot be read ({})", error.kind()), "name a file the gateway may read")
    };
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Problem::new(&name, "is not a file", "name a file the gateway may read"));
    }
    let limit = u64::try_from(FILE_MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > FILE_MAX_BYTES {
        return Err(yaml::too_large(&name));
    }
    String::from_utf8(bytes).map_err(|_| Problem::new(&name, "is not UTF-8 text", "save it as UTF-8"))
}

/// The defaults that follow from the machine or from another setting.
fn with_derived_defaults(layers: Figment) -> Figment {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(1024);
    let data_dir = layers.find_value("data_dir").ok().and_then(Value::into_string).unwrap_or_default();
    let mut derived = Dict::new();
    insert(&mut derived, &["server", "workers"], cores.into());
    insert(&mut derived, &["database", "url"], format!("sqlite://{data_dir}/nexus.db").into());
    layers.join(Layer("defaults", derived))
}

/// Where settings were made.
pub(crate) struct Places {
    /// The variable or flag that made a setting, by path.
    names: BTreeMap<String, String>,
    /// The line in the file, by path.
    lines: BTreeMap<String, u64>,
}

impl Places {
    /// A problem with a setting, placed where the setting was made.
    pub(crate) fn problem(
        &self,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        match self.names.get(path) {
            Some(name) => Problem::new(name, message, remedy),
            None => Problem::new(path, message, remedy).at(self.lines.get(path).copied()),
        }
    }
}

/// The variable that sets a path, such as `NEXUS_SERVER__PORT`.
pub(crate) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

struct Layer(&'static str, Dict);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.1.clone()))
    }
}

/// A layer whose settings come one by one.
#[derive(Default)]
struct Overlay {
    dict: Dict,
    /// What made each setting, by path.
    names: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Overlay {
    /// What stands in variables. A name without `__` that is no setting is left alone: orchestrators set
    /// such variables for services that happen to be called `nexus`.
    fn variables(&mut self, environment: &Environment) {
        for (name, path) in PLAIN_VARIABLES {
            if let (Some(text), Some(field)) = (environment.text(name), find(path)) {
                self.set(name, path, field, &scalar::from_variable(field.kind, text));
            }
        }
        for (name, text) in environment.iter() {
            let Some(path) = name.strip_prefix(PREFIX).map(|rest| rest.to_lowercase().replace("__", "."))
            else {
                continue;
            };
            match find(&path) {
                Some(field) => self.set(name, &path, field, &scalar::from_variable(field.kind, text)),
                None if path.contains('.') => self.problems.push(Problem::new(
                    shown_variable(name),
                    "is not a known setting",
                    "write `NEXUS_SECTION__KEY` as in the reference; lists are set in the file",
                )),
                None => {}
            }
        }
    }

    fn flags(&mut self, flags: &Flags) {
        let bind = flags.bind.as_deref().map(str::parse::<std::net::SocketAddr>);
        if let Some(Err(_)) = bind {
            let remedy = "write an address and a port, such as `127.0.0.1:8080` or `[::]:8080`";
            self.problems.push(Problem::new("--bind", "is not an address with a port", remedy));
        }
        let bind = bind.and_then(Result::ok);
        for (flag, path, value) in [
            ("--bind", "server.bind", bind.map(|bind| bind.ip().to_string().into())),
            ("--bind", "server.port", bind.map(|bind| bind.port().into())),
            ("--port", "server.port", flags.port.map(Value::from)),
            ("--workers", "server.workers", flags.workers.map(Value::from)),
            (
                "--timeout",
                "timeouts.whole_ms",
                flags.timeout_s.map(|seconds| seconds.saturating_mul(1000).into()),
            ),
        ] {
            if let (Some(value), Some(field)) = (value, find(path)) {
                self.set(flag, path, field, &value);
            }
        }
    }

    fn set(&mut self, name: &str, path: &str, field: &Field, value: &Value) {
        match scalar::check(field.kind, value) {
            Ok(value) => {
                insert(&mut self.dict, &path.split('.').collect::<Vec<_>>(), value);
                self.names.insert(path.to_owned(), name.to_owned());
            }
            Err((message, remedy)) => self.problems.push(Problem::new(name, message, remedy)),
        }
    }
}

/// A variable's name as it is shown: one that does not look like ours may be anything.
fn shown_variable(name: &str) -> &str {
    if crate::environment::is_variable(name) { name } else { PREFIX }
}

fn find(path: &str) -> Option<&'static Field> {
    let mut fields = Raw::FIELDS;
    let mut found = None;
    for key in path.split('.') {
        let field = fields.iter().find(|field| field.name == key)?;
        fields = if let Kind::Section(inner) = field.kind { inner } else { &[] };
        found = Some(field);
    }
    found
}

fn insert(dict: &mut Dict, path: &[&str], value: Value) {
    match path {
        [] => {}
        [key] => {
            dict.insert((*key).to_owned(), value);
        }
        [key, rest @ ..] => {
            let inner = dict.entry((*key).to_owned()).or_insert_with(|| Dict::new().into());
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
