//! The file in a form, taken out of it as the form comes; of the other parts the short fields beside it.

use super::form::{find, parameter};
use crate::chat::BodyError;

/// The longest head of a part, and the longest field that is read, in bytes.
const SHORT_MAX: usize = 16 * 1024;

/// A form whose one file is taken out.
#[derive(Clone, Debug)]
pub struct FormFile {
    /// With the line break before it.
    delimiter: Vec<u8>,
    state: State,
    /// What came and is not taken yet.
    held: Vec<u8>,
    /// Fields and what they say.
    pub fields: Vec<(String, String)>,
    /// What the file is called; `None` until it begins.
    pub name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Before,
    Delimited,
    Head,
    Field(String),
    File,
    Over,
}

impl FormFile {
    /// The form with this content type; `None` where it is none.
    pub fn of(content_type: &str) -> Option<Self> {
        let delimiter = super::form::Form::of(content_type)?.delimiter().to_vec();
        // the first delimiter has no line break before it
        let held = b"\r\n".to_vec();
        Some(Self { delimiter, state: State::Before, held, fields: Vec::new(), name: None })
    }

    /// Takes a piece of the form, and appends what of the file is in it.
    ///
    /// # Errors
    /// If it is no form, or has more than one file.
    pub fn take(&mut self, piece: &[u8], file: &mut Vec<u8>) -> Result<(), BodyError> {
        self.held.extend_from_slice(piece);
        while self.step(file)? {}
        Ok(())
    }

    /// Whether the form has come to its end.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// What a field says.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// One step; says whether there may be another.
    fn step(&mut self, file: &mut Vec<u8>) -> Result<bool, BodyError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Before => Ok(self.pass(State::Before, &mut Vec::new())),
            State::File => Ok(self.pass(State::File, file)),
            State::Over => {
                self.held.clear();
                Ok(false)
            }
            State::Delimited => {
                let Some(mark) = self.held.first_chunk::<2>() else { return Ok(self.wait(State::Delimited)) };
                match mark {
                    b"--" => {}
                    b"\r\n" => self.state = State::Head,
                    _ => return Err(broken("has a delimiter that ends in the middle of a line")),
                }
                self.held.drain(..2);
                Ok(true)
            }
            State::Head => match find(&self.held, b"\r\n\r\n") {
                Some(end) => {
                    let head: Vec<u8> = self.held.drain(..end + 4).collect();
                    self.state = self.part(&head)?;
                    Ok(true)
                }
                None if self.held.len() > SHORT_MAX => Err(broken("has a part whose head is too long")),
                None => Ok(self.wait(State::Head)),
            },
            State::Field(name) => {
                let Some(end) = find(&self.held, &self.delimiter) else {
                    if self.held.len() > SHORT_MAX {
                        return Err(BodyError::member(&name, format!("the field `{name}` is too long")));
                    }
                    return Ok(self.wait(State::Field(name)));
                };
                let value = String::from_utf8_lossy(self.held.get(..end).unwrap_or_default()).into_owned();
                self.fields.push((name, value));
                self.held.drain(..end + self.delimiter.len());
                self.state = State::Delimited;
                Ok(true)
            }
        }
    }

    /// Goes on in this state when more has come.
    fn wait(&mut self, state: State) -> bool {
        self.state = state;
        false
    }

    /// Passes on what stands before the next delimiter, as far as it is clear that it does.
    fn pass(&mut self, state: State, out: &mut Vec<u8>) -> bool {
        match find(&self.held, &self.delimiter) {
            Some(end) => {
                out.extend(self.held.drain(..end));
                self.held.drain(..self.delimiter.len());
                self.state = State::Delimited;
                true
            }
            None => {
                let clear = self.held.len().saturating_sub(self.delimiter.len());
                out.extend(self.held.drain(..clear));
                self.wait(state)
            }
        }
    }

    fn part(&mut self, head: &[u8]) -> Result<State, BodyError> {
        let head = std::str::from_utf8(head).map_err(|_| broken("has a head that is no text"))?;
        let disposition = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
        });
        let disposition = disposition.ok_or_else(|| broken("has a part without `content-disposition`"))?;
        let name = parameter(disposition, "name").ok_or_else(|| broken("has a part without a name"))?;
        if name != "file" {
            return Ok(State::Field(name.to_owned()));
        }
        if self.name.is_some() {
            return Err(BodyError::member(
                "file",
                "the field `file` stands in the form more than once".to_owned(),
            ));
        }
        self.name = Some(parameter(disposition, "filename").unwrap_or("file").to_owned());
        Ok(State::File)
    }
}

fn broken(what: &str) -> BodyError {
    BodyError::whole(format!("the form {what}; send `multipart/form-data` as RFC 7578 has it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n\
        one\r\n--two\r\n-\r\n--b\r\ncontent-disposition: form-data; name=x\r\n\r\n\r\n--b--\r\nmore";

    #[test]
    fn the_file_comes_out_wherever_the_form_is_cut() {
        for size in 1..FORM.len() {
            let mut form = FormFile::of("multipart/form-data; boundary=b").unwrap();
            let mut file = Vec::new();
            for piece in FORM.as_bytes().chunks(size) {
                form.take(piece, &mut file).unwrap();
            }
            assert_eq!(String::from_utf8_lossy(&file), "one\r\n--two\r\n-", "{size}");
            assert_eq!((form.field("purpose"), form.field("x")), (Some("batch"), Some("")));
            assert!(form.is_over() && form.name.as_deref() == Some("a.jsonl"));
        }
    }

    #[test]
    fn what_is_no_form_with_one_file_is_refused() {
        let taken = |text: &str| {
            let mut form = FormFile::of("multipart/form-data; boundary=b").unwrap();
            form.take(text.as_bytes(), &mut Vec::new()).map(|()| form.is_over())
        };
        assert_eq!(taken("--b\r\nx: y\r\n\r\n").unwrap_err().param, None);
        let file = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n1\r\n";
        assert_eq!(taken(&format!("{file}{file}")).unwrap_err().param.as_deref(), Some("file"));
        assert_eq!(taken(file), Ok(false), "it has no end");
        assert!(FormFile::of("application/json").is_none());
    }
}
