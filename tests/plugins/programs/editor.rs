//! Commands of a text editor.

use std::collections::BTreeMap;

use plugin_core::Result;
use tests::{Command, Editor};

/// `upcase` changes what is selected, `rename` all of a word.
pub(super) struct Commands;

impl Command for Commands {
    fn bindings(&self) -> Result<BTreeMap<String, Option<String>>> {
        let key = |key: &str| Some(key.to_owned());
        Ok(BTreeMap::from([("upcase".to_owned(), key("C-u")), ("rename".to_owned(), None)]))
    }
    fn run(&self, name: &str, editor: &dyn Editor) -> Result<()> {
        match name {
            "upcase" => {
                let (text, (from, to)) = (editor.text()?, editor.selection()?);
                let selected = text.get(from..to).ok_or("the selection is not in the text")?;
                editor.replace((from, to), &selected.to_uppercase())?;
                editor.status(&format!("{} bytes", to - from));
                Ok(())
            }
            "rename" => {
                let (text, (from, to)) = (editor.text()?, editor.selection()?);
                let word = text.get(from..to).filter(|word| !word.is_empty()).ok_or("nothing is selected")?;
                let Some(other) = editor.prompt(&format!("Rename `{word}` to"))? else {
                    editor.status("not renamed");
                    return Ok(());
                };
                // From the end, so that the places before it stay what they are.
                let places: Vec<_> = text.match_indices(word).map(|(at, _)| at).collect();
                for at in places.iter().rev() {
                    editor.replace((*at, at + word.len()), &other)?;
                }
                editor.status(&format!("renamed {} times", places.len()));
                Ok(())
            }
            other => Err(format!("there is no command `{other}`").into()),
        }
    }
}
