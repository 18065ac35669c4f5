//! Writes a table of the files of `web/dist`, each embedded as it is; what stands as `NAME.gz` beside a file is the
//! same file compressed. Where the console is not built the table has one page that says how to build it.
#![expect(clippy::disallowed_methods, reason = "cargo tells a build script where it is by variables alone")]

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=web/dist");
    println!("cargo:rerun-if-changed=src/unbuilt.html");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = BTreeMap::new();
    collect(&root.join("web/dist"), "", &mut files)?;
    if !files.contains_key("index.html") {
        files = BTreeMap::from([("index.html".to_owned(), root.join("src/unbuilt.html"))]);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("table.rs"), table(&files)?)
}

/// Files by their paths below the folder, in order.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if path != ".gitignore" {
            files.insert(path, entry.path());
        }
    }
    Ok(())
}

fn table(files: &BTreeMap<String, PathBuf>) -> io::Result<String> {
    let mut rows = String::new();
    for (path, file) in files.iter().filter(|(path, _)| !path.ends_with(".gz")) {
        let gzip = match files.get(&format!("{path}.gz")) {
            Some(file) => format!("Some(include_bytes!({file:?}))"),
            None => "None".to_owned(),
        };
        let etag = digest(&fs::read(file)?);
        rows.push_str(&format!(
            "Asset {{ path: {path:?}, etag: \"\\\"{etag:016x}\\\"\", bytes: include_bytes!({file:?}), gzip: {gzip} }},\n"
        ));
    }
    Ok(format!("/// Every file, by path.\npub static ASSETS: &[Asset] = &[\n{rows}];\n"))
}

/// Tells versions of a file apart for caches; it guards nothing.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
