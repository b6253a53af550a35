//! Items that a process of this function has died of.
//!
//! The functions are built so that a panic ends the process: unwinding would make them a tenth larger. Were it the same item
//! each time, every tick would come as far as this item, and nothing behind it would ever start. So what was worked on in the
//! thread that panics is noted in a file; the process that Lambda starts next in the same execution environment finds the file
//! there, and leaves the item alone. A new deployment, whose environments are new, tries it again.

use std::collections::BTreeSet;
use std::fs::{OpenOptions, read_to_string};
use std::io::Write as _;
use std::panic;
use std::path::PathBuf;
use std::sync::OnceLock;

use sundial_store::Wake;

tokio::task_local! {
    /// The item that the task works on.
    static AT_WORK_ON: Wake;
}

static SET_ASIDE: OnceLock<SetAside> = OnceLock::new();

/// What was noted before this process began.
#[derive(Debug, Default)]
struct SetAside(BTreeSet<String>);

impl SetAside {
    fn read(file: &PathBuf) -> Self {
        Self(read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect())
    }

    fn has(&self, wake: &Wake) -> bool {
        !self.0.is_empty() && self.0.contains(&line(wake))
    }
}

/// An item as the file has it.
fn line(wake: &Wake) -> String {
    format!("{wake:?}")
}

/// From now on, an item that this process dies of is noted in `file`, and those that stand there already are left
/// alone. For a process that is a function, once.
pub fn start(file: PathBuf) {
    let _ = SET_ASIDE.set(SetAside::read(&file));
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // Outside of a task that works on an item there is none to blame.
        let _ = AT_WORK_ON.try_with(|wake| note(&file, wake));
        report(info);
    }));
}

fn note(file: &PathBuf, wake: &Wake) {
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| {
        // In one piece: other threads may panic as well.
        file.write_all((line(wake) + "\n").as_bytes())
    });
    match written {
        Ok(()) => tracing::error!(?wake, "the function dies of an item, which is set aside"),
        Err(error) => tracing::error!(?wake, %error, "the function dies of an item, which cannot be set aside"),
    }
}

/// Works on an item, which is to blame for a panic meanwhile.
pub(crate) fn working_on<F: Future>(wake: Wake, work: F) -> impl Future<Output = F::Output> {
    AT_WORK_ON.scope(wake, work)
}

/// Whether an item is to be left alone.
pub(crate) fn is_set_aside(wake: &Wake) -> bool {
    SET_ASIDE.get().is_some_and(|set_aside| set_aside.has(wake))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[tokio::test]
    async fn what_a_process_dies_of_is_left_alone_by_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("set-aside");
        let [poison, other, third] = [(); 3].map(|()| Wake::Sweep { note: Uuid::new_v4() });
        start(file.clone());
        assert!(!is_set_aside(&poison), "nothing has happened yet");

        let working = tokio::spawn(working_on(poison.clone(), async { panic!("of the item") }));
        assert!(working.await.is_err_and(|error| error.is_panic()));
        assert!(tokio::spawn(async { panic!("of nothing") }).await.is_err());
        tokio::spawn(working_on(other.clone(), async {})).await.expect("work without a panic");
        tokio::spawn(working_on(third.clone(), async { panic!("of another one") })).await.expect_err("a panic");

        let next = SetAside::read(&file);
        assert_eq!([&poison, &other, &third].map(|wake| next.has(wake)), [true, false, true]);
    }
}
