//! A bug in the program, as it is seen from outside: a line in the log that says where, and nothing of what.
//!
//! The words of a panic are never told. They may hold what the program stumbled over, and that may be a secret or
//! a prompt; the place in the code is enough to find the bug.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use crate::terminal;

const WORDS: &str =
    "the program has a bug and gave something up; what it was doing is not told, as it may be secret";

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// From now on every panic is told in the log, or on standard error where there is none yet.
pub fn watch() {
    panic::set_hook(hook(|place, thread| {
        if tracing::dispatcher::has_been_set() {
            tracing::error!(place, thread, "{WORDS}");
        } else {
            terminal::complain(&format!("{WORDS} ({place})"));
        }
    }));
}

/// Tells of each panic where it was, and in which thread.
fn hook(tell: impl Fn(&str, &str) + Send + Sync + 'static) -> Hook {
    Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tell(&place, std::thread::current().name().unwrap_or_default());
    })
}

/// What a step of the program gives, or nothing where it panicked. What the step had in its hands is given up
/// with it: the caller must not go on with any of that.
pub fn caught<T>(step: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(step)).ok()
}

#[cfg(test)]
pub mod tests {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use super::*;

    /// One hook is there for the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// What was told while this lived; the usual hook is there again afterwards.
    pub struct Told(
        Arc<Mutex<String>>,
        #[expect(dead_code, reason = "it is there to be held")] MutexGuard<'static, ()>,
    );

    impl Told {
        pub fn begin() -> Self {
            let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
            let told = Arc::new(Mutex::new(String::new()));
            let lines = Arc::clone(&told);
            panic::set_hook(hook(move |place, thread| {
                lines.lock().unwrap().push_str(&format!("{place} {thread} {WORDS}\n"));
            }));
            Self(told, guard)
        }

        pub fn lines(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl Drop for Told {
        fn drop(&mut self) {
            drop(panic::take_hook());
        }
    }

    #[test]
    fn a_panic_is_told_with_its_place_and_without_its_words() {
        const SECRET: &str = "sk-a-secret-in-reach-5b1d";
        type Step = fn() -> usize;
        let steps: [(&str, Step); 4] = [
            ("said", || panic!("the key is {SECRET}")),
            ("unwrapped", || std::hint::black_box(Err::<usize, _>(SECRET.to_owned())).unwrap()),
            ("expected", || std::hint::black_box(None::<usize>).expect(SECRET)),
            ("thrown", || panic::panic_any(SECRET.to_owned())),
        ];
        let told = Told::begin();
        for (name, step) in steps {
            assert_eq!(caught(step), None, "{name}");
        }
        assert_eq!(caught(|| 7), Some(7));
        let lines = told.lines();
        drop(told);
        assert_eq!(lines.matches("bug.rs:").count(), steps.len(), "{lines}");
        assert!(!lines.contains(SECRET), "{lines}");
    }
}
