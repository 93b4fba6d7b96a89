//! Names of labels, of which lines have the same again and again.

use std::sync::Arc;

use hashbrown::HashSet;

/// Names that are kept. Others are made anew for each line: there may be any number of them.
const MOST: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashSet<Arc<str>>,
    buffer: String,
}

impl Names {
    pub fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        if self.known.len() < MOST {
            self.known.insert(name.clone());
        }
        name
    }

    /// Of a name with something behind it.
    pub fn get_with(&mut self, name: &str, suffix: &str) -> Arc<str> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.push_str(name);
        buffer.push_str(suffix);
        let name = self.get(&buffer);
        self.buffer = buffer;
        name
    }
}
