//! Values and elements that an edit takes from another home. They may be secrets: they stay on the node, and what
//! Secure Vault or a key store protects stays protected.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use cutover_files::Root;
use cutover_proto::report::{ErrorCode, StepError};
use cutover_xmledit::{Document, Kept, LookupError, Path};
use secrecy::SecretString;

use super::apply::refused;
use super::{Place, files, read};
use crate::facts::keystores;
use crate::fault;
use crate::secret;

const CIPHER_TEXT: &str = "repository/conf/security/cipher-text.properties";

/// What carrying a value comes to.
pub(super) enum Carry {
    /// It is to be set.
    Value(SecretString),
    /// The new file keeps the same secret already; why, in words.
    Left(String),
}

/// Reads the other homes' files, each once.
pub(super) struct Carrier<'a> {
    root: &'a Root,
    home: &'a FilePath,
    file: &'a str,
    sources: BTreeMap<(PathBuf, String), Document>,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(root: &'a Root, home: &'a FilePath, file: &'a str) -> Self {
        Self {
            root,
            home,
            file,
            sources: BTreeMap::new(),
        }
    }

    fn source(&mut self, place: &Place) -> Result<&Document, StepError> {
        let key = (place.home.clone(), place.file.clone());
        if !self.sources.contains_key(&key) {
            let bytes = read(&files::root(&place.home)?, &place.file)?;
            let document = Document::parse(&bytes).map_err(|error| {
                let next = "correct that file, or take what is carried from it out of the upgrade file";
                let what = format!("`{}` was not edited", self.file);
                let why = format!("{}/{}", place.home.display(), place.file);
                StepError::new(ErrorCode::ConfigRefused, what, format!("{why}: {error}"), next)
            })?;
            self.sources.insert(key.clone(), document);
        }
        self.sources
            .get(&key)
            .ok_or_else(|| fault::internal("a file vanished", &place.file))
    }

    /// The value at a place of another home, for `path` of the edited document.
    pub(super) fn value(
        &mut self,
        document: &Document,
        path: &Path,
        place: &Place,
    ) -> Result<Carry, StepError> {
        let file = self.file;
        let source = self.source(place)?;
        let kept = source
            .kept(&place.path)
            .map_err(|error| self_refused(file, place, &error))?;
        let there = document.kept(path).map_err(|error| refused(file, &error))?;
        let alias_there = match &there {
            Some(Kept::Vault(alias)) => Some(alias.as_str()),
            Some(Kept::Plain(_) | Kept::Encrypted(_) | Kept::Unresolved(_)) | None => None,
        };
        match kept {
            None => Err(missing(file, place)),
            Some(Kept::Vault(alias)) if alias_there == Some(alias.as_str()) => {
                Ok(Carry::Left(format!("{path} (Secure Vault alias {alias})")))
            }
            Some(Kept::Vault(alias)) => Err(vaulted(file, path, place, &alias, alias_there)),
            Some(kept @ Kept::Encrypted(_)) if there.as_ref() == Some(&kept) => {
                Ok(Carry::Left(format!("{path} (encrypted)")))
            }
            Some(Kept::Encrypted(_)) => Err(encrypted(file, path, place)),
            Some(Kept::Plain(_) | Kept::Unresolved(_)) => {
                // The very text, blanks included.
                let text = source
                    .text(&place.path)
                    .map_err(|error| self_refused(file, place, &error))?;
                let text = text.ok_or_else(|| missing(file, place))?;
                Ok(Carry::Value(SecretString::from(text)))
            }
        }
    }

    /// The document that an element is copied from, once it is sure that its secrets mean something in the new home.
    pub(super) fn element(
        &mut self,
        document: &Document,
        path: &Path,
        place: &Place,
    ) -> Result<&Document, StepError> {
        let (file, root, home) = (self.file, self.root, self.home);
        let source = self.source(place)?;
        if document.says_the_same(path, source, &place.path) {
            return Ok(source);
        }
        let own = match source.all(&place.path).as_slice() {
            [] => return Err(missing(file, place)),
            [leaf, ..] => leaf.path.clone(),
        };
        let aliases: Vec<String> = source
            .vaulted()
            .into_iter()
            .filter(|(at, _)| at.is_within(&own))
            .map(|(_, alias)| alias)
            .collect();
        if !aliases.is_empty() {
            let known = known_aliases(root)?;
            if let Some(alias) = aliases.iter().find(|alias| !known.contains(alias)) {
                return Err(vaulted(file, path, place, alias, None));
            }
        }
        let has_encrypted = source.encrypted().iter().any(|at| at.is_within(&own));
        if has_encrypted && !keystores::same_primary(home, &place.home) {
            return Err(encrypted(file, path, place));
        }
        Ok(source)
    }
}

fn known_aliases(root: &Root) -> Result<Vec<String>, StepError> {
    let there = root
        .exists(CIPHER_TEXT)
        .map_err(|error| files::beneath(&format!("`{CIPHER_TEXT}` can't be looked at"), &error))?;
    if !there {
        return Ok(Vec::new());
    }
    let (mut aliases, plain) = secret::aliases(&read(root, CIPHER_TEXT)?);
    aliases.extend(plain);
    Ok(aliases)
}

fn self_refused(file: &str, place: &Place, error: &LookupError) -> StepError {
    let why = format!("in {}/{}: {error}", place.home.display(), place.file);
    let next = "make the path in the upgrade file match one place of the old home's file";
    StepError::new(
        ErrorCode::ConfigRefused,
        format!("`{file}` was not edited"),
        why,
        next,
    )
}

fn missing(file: &str, place: &Place) -> StepError {
    StepError::new(
        ErrorCode::ConfigRefused,
        format!("`{file}` was not edited"),
        format!(
            "{}/{} has no value at `{}`; comments do not count",
            place.home.display(),
            place.file,
            place.path
        ),
        "the old home changed since it was planned with: plan again",
    )
}

fn vaulted(file: &str, path: &Path, place: &Place, alias: &str, there: Option<&str>) -> StepError {
    let there = match there {
        Some(other) => format!("`{path}` of the new home is kept under `{other}`"),
        None => "the new home does not keep it under that alias".to_owned(),
    };
    StepError::new(
        ErrorCode::ConfigRefused,
        format!("`{file}` was not edited"),
        format!(
            "`{}` in {}/{} is kept by Secure Vault under the alias `{alias}`, and {there}; carrying it would unprotect \
             it or leave it without a value",
            place.path,
            place.home.display(),
            place.file
        ),
        format!(
            "put `{alias}=[VALUE]` into {CIPHER_TEXT} of the new home and the element into cipher-tool.properties, run \
             `bin/ciphertool.sh -Dconfigure` there and retry the step; or name a secret for it in the upgrade file"
        ),
    )
}

fn encrypted(file: &str, path: &Path, place: &Place) -> StepError {
    StepError::new(
        ErrorCode::ConfigRefused,
        format!("`{file}` was not edited"),
        format!(
            "`{}` in {}/{} is encrypted under that home's key store, which is not known to be the new home's",
            place.path,
            place.home.display(),
            place.file
        ),
        format!(
            "carry the key store first and the whole element after it; or encrypt the value for `{path}` in the new \
             product's console"
        ),
    )
}
