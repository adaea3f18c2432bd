//! A place that was found to lie in a store we may talk to. Only `Allow` makes them.

use std::path::{Path, PathBuf};

/// An object or a folder. Keys are whole: they begin with the prefix of their connection. A folder's key is empty or ends in `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// By the index of its connection.
    Object {
        connection: usize,
        key: String,
    },
    /// An input behind a URL. `connection`: the one that grants it; none when only its host is allowed.
    Url {
        connection: Option<usize>,
        url: url::Url,
    },
}

impl Place {
    /// What lies below a folder under a relative key. The key's names have been checked.
    pub(crate) fn below(&self, key: &str) -> Place {
        match self {
            Place::File(directory) => Place::File(directory.join(key)),
            Place::Object { connection, key: folder } => Place::Object { connection: *connection, key: format!("{folder}{key}") },
            Place::Url { .. } => self.clone(),
        }
    }

    /// Whether the place is `folder` or lies below it.
    pub fn is_within(&self, folder: &Place) -> bool {
        match (self, folder) {
            (Place::File(path), Place::File(directory)) => path.starts_with(directory),
            (Place::Object { connection, key }, Place::Object { connection: other, key: prefix }) => {
                connection == other && key.starts_with(prefix.as_str()) && (prefix.is_empty() || prefix.ends_with('/') || key == prefix)
            }
            _ => false,
        }
    }

    /// The path of a local file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Place::File(path) => Some(path),
            _ => None,
        }
    }
}
